//! The payload of a model artifact, sealed as a hostile writer would seal it; every other input as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost_fuzz::told;
use provost_learn::artifact::{Format, seal};
use provost_learn::{Matrix, Model};

const FORMAT: Format = Format { magic: *b"PROVOSTM", version: 1 };
const ROWS: usize = 3;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let read = if first & 1 == 0 { Model::from_bytes(&seal(FORMAT, rest)) } else { Model::from_bytes(rest) };
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
});
