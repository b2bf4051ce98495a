//! Rows of windows as they are compared: what the model saw of predictions, and what it would see of points.

use crate::error::EvaluateError;
use crate::snapshot::LoadedSnapshot;
use provost_domain::AdmissionDataPoint;
use provost_domain::features::{EXTENDED, FeatureTables, is_of_applicant};
use provost_domain::prediction::PredictionRecord;
use provost_domain::snapshot::SnapshotBuilder;
use provost_learn::watch::WatchedRows;
use provost_learn::{LearnError, Matrix, Model};
use sha2::{Digest, Sha256};

/// Values of an applicant's profile that a prediction needs at least. Predictions do not say whose they are: rows that agree in all of
/// these are taken for one applicant's, as equal profiles are in the data. With fewer values a row is an applicant of its own.
const PRESENT_LEAST: usize = 3;

/// The rows of predictions. Those whose features have other names than the first one's are left out.
pub(super) fn of_predictions(predictions: &[PredictionRecord]) -> Result<WatchedRows, EvaluateError> {
    let Some(first) = predictions.first() else { return empty() };
    let names = first.features.names();
    let like_first = || predictions.iter().filter(|p| p.features.names() == names);
    let columns = (0..names.len())
        .map(|column| like_first().map(|p| p.features.values().get(column).map_or(f32::NAN, |v| *v as f32)).collect())
        .collect();
    let x = Matrix::new(names.to_vec(), columns).map_err(LearnError::from)?;
    let probabilities = like_first().map(|p| p.probability).collect();
    Ok(WatchedRows::new(x, like_first().map(applicant).collect(), Some(probabilities))?)
}

/// A number for the applicant of each prediction.
pub(super) fn applicants(predictions: &[PredictionRecord]) -> Vec<u64> {
    predictions.iter().map(applicant).collect()
}

/// The rows of points as this model would see them, sorted by id. Points without an outcome are left out, as in training.
pub(super) fn of_points(
    points: &[AdmissionDataPoint],
    tables: &FeatureTables,
    model: &Model,
) -> Result<WatchedRows, EvaluateError> {
    let extended = model.feature_names.iter().any(|name| EXTENDED.contains(&name.as_str()));
    let mut builder = SnapshotBuilder::new();
    for point in points {
        builder.add(point, &tables.row(point), extended.then(|| tables.extended(point)));
    }
    let rows = LoadedSnapshot::new(String::new(), builder.finish())?;
    let x = rows.rows_for(model).into_owned();
    Ok(WatchedRows::new(x, rows.snapshot.applicants, None)?)
}

fn empty() -> Result<WatchedRows, EvaluateError> {
    Ok(WatchedRows::new(Matrix::new(Vec::new(), Vec::new()).map_err(LearnError::from)?, Vec::new(), Some(Vec::new()))?)
}

fn applicant(prediction: &PredictionRecord) -> u64 {
    let features = &prediction.features;
    let named = features.names().iter().zip(features.values());
    let known: Vec<f64> = named.filter(|(name, _)| is_of_applicant(name)).map(|(_, value)| *value).collect();
    if known.iter().filter(|value| !value.is_nan()).count() < PRESENT_LEAST {
        return number_of(prediction.prediction_id.as_bytes());
    }
    // Adding 0 makes −0 equal to 0.
    let bits = |value: f64| if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() };
    number_of(&known.into_iter().flat_map(|value| bits(value).to_le_bytes()).collect::<Vec<u8>>())
}

/// The first 64 bits of a text's SHA-256: the same on every machine.
pub(super) fn number_of(bytes: &[u8]) -> u64 {
    Sha256::digest(bytes).iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chrono::DateTime;
    use provost_domain::prediction::LoggedFeatures;
    use provost_domain::record::Decision;
    use provost_domain::{Algorithm, ModelId};

    fn prediction(id: &str, features: [(&str, Option<f64>); 4]) -> PredictionRecord {
        PredictionRecord {
            prediction_id: id.to_owned(),
            predicted_at: DateTime::UNIX_EPOCH,
            model_id: ModelId::new(Algorithm::Xgboost, DateTime::UNIX_EPOCH, 1),
            data_point_id: None,
            probability: 0.25,
            predicted_outcome: Decision::Rejected,
            outcome: None,
            features: LoggedFeatures::new(features),
            serving: None,
            caller: Default::default(),
        }
    }

    fn of(id: &str, gpa: Option<f64>, competitiveness: f64) -> PredictionRecord {
        prediction(
            id,
            [
                ("gpa_normalized", gpa),
                ("research_score", Some(0.5)),
                ("undergrad_prestige", Some(0.25)),
                ("program_competitiveness", Some(competitiveness)),
            ],
        )
    }

    #[test]
    fn equal_profiles_are_one_applicant_and_empty_ones_are_not() {
        let rows = of_predictions(&[
            of("a", Some(0.9), 0.1),
            of("b", Some(0.9), 0.8),
            of("c", Some(0.8), 0.1),
            of("d", None, 0.1),
            of("e", None, 0.1),
        ])
        .unwrap();
        let [a, b, c, d, e] = rows.applicants() else { panic!("{rows:?}") };
        assert_eq!(a, b);
        assert!(a != c && c != d);
        assert_ne!(d, e, "two present values say too little");
        assert_eq!(rows.x().names().len(), 4);
        assert!(rows.x().value(3, 0).is_nan());
        assert_eq!(rows.probabilities().unwrap(), [0.25; 5]);
    }

    #[test]
    fn rows_of_other_features_are_left_out_and_none_are_none() {
        let other = prediction("x", [("a", None), ("b", None), ("c", None), ("d", None)]);
        assert_eq!(of_predictions(&[of("a", Some(0.9), 0.1), other]).unwrap().rows(), 1);
        assert_eq!(of_predictions(&[]).unwrap().rows(), 0);
    }
}
