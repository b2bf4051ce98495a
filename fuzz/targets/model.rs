//! The payload of a model artifact, sealed as a hostile writer would seal it; every other input as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost_domain::features::FeatureTables;
use provost_fuzz::told;
use provost_learn::artifact::{Format, seal};
use provost_learn::{Matrix, Model};
use provost_predict::serving::ServingModel;

/// Without and with what follows the model in newer ones.
const FORMATS: [Format; 2] = [Format { magic: *b"PROVOSTM", version: 1 }, Format { magic: *b"PROVOSTM", version: 3 }];
const ROWS: usize = 3;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let format = FORMATS[usize::from(first >> 1 & 1)];
    let read = if first & 1 == 0 { Model::from_bytes(&seal(format, rest)) } else { Model::from_bytes(rest) };
    let model = match read {
        Ok(model) => model,
        Err(e) => return told(&e.to_string()),
    };
    let bytes = model.to_bytes();
    // Bytes and not values are compared, since NaN is not itself.
    assert_eq!(Model::from_bytes(&bytes).expect("its own bytes are read").to_bytes(), bytes);
    // What was checked predicts: probabilities, and no panic.
    let values = [f32::NAN, 0.0, 3.0e38];
    let columns = model.feature_names.iter().map(|_| values.to_vec()).collect();
    let x = Matrix::new(model.feature_names.clone(), columns).expect("columns of one length");
    let p = model.predict_proba(&x, &[0, 1, 2]);
    if model.feature_names.is_empty() {
        return;
    }
    let p = p.expect("rows that are there");
    assert_eq!(p.len(), ROWS);
    assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{p:?}");
    let Ok(serving) = ServingModel::new(model, FeatureTables::default()) else { return };
    let row = vec![0.5; serving.feature_names().len()];
    for answer in serving.predict_features(&[row.clone(), vec![f32::NAN; row.len()]], 0.9).into_iter().flatten() {
        let (low, high) = (answer.probability_low.unwrap_or(0.0), answer.probability_high.unwrap_or(1.0));
        assert!(low <= answer.probability && answer.probability <= high, "{answer:?}");
    }
    // Each background row takes some milliseconds.
    if serving.model().evidence.as_ref().is_some_and(|e| e.background.len() < 3)
        && let Ok(found) = serving.explain_features(&row)
    {
        assert!(found.contributions.iter().all(|c| c.contribution.is_finite()), "{found:?}");
    }
});
