//! A batch of applications as it is answered, and the ids of its predictions.

use super::{Answered, BLOCK, PredictOptions};
use crate::serving::batch::{MadePrediction, PredictedBatch, PredictedRows};
use crate::serving::served_model::ServedModel;
use chrono::{DateTime, Utc};
use provost_domain::ModelId;
use provost_domain::record::Cycle;
use provost_predict::application::Application;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The answers to a batch, and what goes to the log and to the shadow models.
pub struct Made {
    pub answers: Vec<Answered>,
    pub batch: Option<Arc<PredictedBatch>>,
}

/// A batch that is being answered, piece by piece.
pub struct Answering {
    pub model: Arc<ServedModel>,
    pub at: DateTime<Utc>,
    pub rows: Arc<Vec<Application>>,
    pub options: PredictOptions,
    /// Features that a counterfactual may change.
    pub changeable: Arc<[String]>,
    /// Of the first rows.
    pub answers: Vec<Answered>,
}

impl Answering {
    pub fn explains(&self) -> bool {
        self.options.explain || self.options.counterfactual
    }

    pub fn rows_of_piece(&self) -> usize {
        if self.explains() { 1 } else { BLOCK }
    }

    /// All answers at once.
    pub fn all(&mut self) -> Made {
        loop {
            if let Some(made) = self.piece() {
                return made;
            }
        }
    }

    /// Answers the next few rows; all answers once there are no more.
    pub fn piece(&mut self) -> Option<Made> {
        let (done, options, model) = (self.answers.len(), &self.options, &self.model);
        let block = self.rows.get(done..self.rows.len().min(done + self.rows_of_piece())).unwrap_or_default();
        let changeable: Vec<&str> = self.changeable.iter().map(String::as_str).collect();
        for (row, prediction) in block.iter().zip(model.model.predict(block, options.coverage)) {
            let place = options.places.get(self.answers.len()).copied().unwrap_or(self.answers.len());
            self.answers.push(Answered {
                prediction_id: prediction_id(options, &model.model_id, place, row),
                data_point_id: row.data_point_id.clone(),
                prediction,
                similar: None,
                explanation: options.explain.then(|| model.model.explain(row)),
                counterfactual: options.counterfactual.then(|| model.model.counterfactual(row, &changeable)),
            });
        }
        // A block without answers would be asked for without an end.
        let is_last = self.answers.len() >= self.rows.len() || self.answers.len() == done;
        is_last.then(|| self.made())
    }

    fn made(&mut self) -> Made {
        let answers = std::mem::take(&mut self.answers);
        let batch = self.options.log.then(|| {
            let made = |answer: &Answered| MadePrediction::new(answer.prediction_id.clone(), &answer.prediction);
            let (rows, made) = (PredictedRows::Applications(self.rows.clone()), answers.iter().map(made).collect());
            Arc::new(PredictedBatch::new(self.model.clone(), self.at, self.options.caller.clone(), rows, made))
        });
        Made { answers, batch }
    }
}

/// The id of a prediction that never was.
pub fn new_id() -> String {
    format!("pred_{}", uuid::Uuid::now_v7().simple())
}

/// `pred_` and 32 hexadecimal digits; of a caller's key, the model, the application and its place in the request, or one that never
/// was. Another application under a key that was used before is another prediction, and so are the answers of another model and to
/// another caller.
fn prediction_id(options: &PredictOptions, model: &ModelId, place: usize, row: &Application) -> String {
    match options.key.as_deref() {
        None => new_id(),
        Some(key) => {
            let point = row.point();
            let (place, year) = (place.to_string(), point.application_year.map(|year| year.to_string()));
            let parts = [
                Some(&*options.caller),
                Some(key),
                Some(model.as_str()),
                Some(&place),
                row.data_point_id.as_deref(),
                point.applicant_id.as_deref(),
                year.as_deref(),
                point.application_cycle.map(Cycle::as_str),
            ];
            // The content is all else that an application has.
            let mut hash = Sha256::new().chain_update(point.content_key().to_le_bytes());
            for part in parts.map(Option::unwrap_or_default) {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
            let hex: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            format!("pred_{hex}")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_domain::Algorithm;
    use serde_json::json;
    use std::collections::BTreeSet;

    #[test]
    fn a_key_gives_each_row_its_id_and_no_key_a_new_one() {
        let of = |value| Application::from_value(value).unwrap();
        let row = of(json!({"profile": {"gpa": 3.0}, "program": {}}));
        let [a, b] = [1, 2].map(|entropy| ModelId::new(Algorithm::Xgboost, DateTime::UNIX_EPOCH, entropy));
        let asked = |key: Option<&str>, caller: &str| PredictOptions {
            key: key.map(str::to_owned),
            caller: caller.into(),
            ..PredictOptions::default()
        };
        let id = |key, place| prediction_id(&asked(key, "c"), &a, place, &row);
        assert_eq!(id(Some("k"), 1), id(Some("k"), 1));
        assert_ne!(id(Some("k"), 1), id(Some("k"), 2));
        assert_ne!(id(Some("k"), 1), id(Some("l"), 1));
        assert_ne!(
            id(Some("k"), 1),
            prediction_id(&asked(Some("k"), "c"), &b, 1, &row),
            "another model under the same key"
        );
        assert_ne!(id(Some("k"), 1), prediction_id(&asked(Some("k"), "d"), &a, 1, &row), "another caller's key");
        assert_ne!(id(None, 1), id(None, 1));
        assert_eq!(id(Some("k"), 1).len(), "pred_".len() + 32);
        // Applications that differ in one member have ids of their own under the same key.
        let others = [
            json!({"profile": {"gpa": 3.5}, "program": {}}),
            json!({"profile": {"gpa": 3.0}, "program": {"degree_level": "phd"}}),
            json!({"profile": {"gpa": 3.0}, "program": {}, "application_year": 2020}),
            json!({"profile": {"gpa": 3.0}, "program": {}, "application_cycle": "fall"}),
            json!({"profile": {"gpa": 3.0}, "program": {}, "applicant_id": "x"}),
            json!({"profile": {"gpa": 3.0}, "program": {}, "data_point_id": "x"}),
        ];
        let ids: BTreeSet<String> = others.map(|other| prediction_id(&asked(Some("k"), "c"), &a, 1, &of(other))).into();
        assert!(ids.len() == 6 && !ids.contains(&id(Some("k"), 1)), "{ids:?}");
    }
}
