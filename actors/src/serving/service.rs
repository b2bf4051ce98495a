//! Predictions: picks the model, computes on the caller's thread or on the pool, and hands what was made to the log and the
//! shadow models.

use super::batch::{BatchQueue, MadePrediction, PredictedBatch};
use super::current::CurrentModel;
use super::error::{MOST_SHADOWS, PredictionError};
use super::pool::{Abandoned, PredictionPool};
use super::served_model::{ModelOpener, ServedModel};
use super::shadow::Shadow;
use super::shadow_report::{ShadowReport, report};
use super::similar::{NoSimilarRows, SimilarRows, SimilarService};
use crate::clock::Clock;
use crate::pool::Pool;
use chrono::{DateTime, Utc};
use provost_domain::ModelId;
use provost_domain::prediction::ShadowSelection;
use provost_domain::record::Cycle;
use provost_predict::application::Application;
use provost_predict::serving::{Counterfactual, DEFAULT_COVERAGE, Explanation, Prediction, RowFault, Unavailable};
use provost_store::{ModelReader, PredictionLog, ShadowStore};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Rows between two looks whether anybody still waits.
const BLOCK: usize = 1_024;
/// Models beside the serving one that are kept open.
const OTHERS: usize = 3;

/// What is asked for of a batch.
#[derive(Debug, Clone)]
pub struct PredictOptions {
    /// None: the serving model.
    pub model: Option<ModelId>,
    pub explain: bool,
    /// Nearest training rows of each outcome; 0 is none.
    pub similar: usize,
    pub counterfactual: bool,
    /// Of the conformal sets, between 0.5 and 0.999.
    pub coverage: f64,
    /// Whether the predictions go to the log and to the shadow models.
    pub log: bool,
    /// The same key gives the same application in the same place the same prediction id of a model, so that a repeated request is
    /// logged once.
    pub key: Option<String>,
    /// The applications' places in the request, of which a key makes their ids; from 0 on where none are given.
    pub places: Vec<usize>,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self {
            model: None,
            explain: false,
            similar: 0,
            counterfactual: false,
            coverage: DEFAULT_COVERAGE,
            log: true,
            key: None,
            places: Vec::new(),
        }
    }
}

/// The answer to one application.
#[derive(Debug, Clone)]
pub struct Answered {
    pub prediction_id: String,
    pub data_point_id: Option<String>,
    pub prediction: Prediction,
    pub explanation: Option<Result<Explanation, Unavailable>>,
    pub similar: Option<Result<SimilarRows, NoSimilarRows>>,
    pub counterfactual: Option<Result<Counterfactual, Unavailable>>,
}

/// The answers to a batch, one for each application, in order.
#[derive(Debug, Clone)]
pub struct Predictions {
    pub model: Arc<ServedModel>,
    pub predicted_at: DateTime<Utc>,
    pub rows: Vec<Answered>,
    /// Time in the queue.
    pub waited: Duration,
    /// Time at work.
    pub worked: Duration,
}

/// Answers requests. Clones share everything.
#[derive(Clone)]
pub(crate) struct PredictionService {
    pub(super) similar: SimilarService,
    pub(super) current: CurrentModel,
    pub(super) opener: ModelOpener,
    pub(super) models: Arc<dyn ModelReader>,
    pub(super) pool: PredictionPool,
    pub(super) shadow: Shadow,
    pub(super) selection: Arc<dyn ShadowStore>,
    pub(super) predictions: Arc<dyn PredictionLog>,
    /// None: nothing is logged.
    pub(super) log: Option<BatchQueue>,
    /// Features that a counterfactual may change.
    pub(super) changeable: Arc<[String]>,
    pub(super) clock: Arc<dyn Clock>,
    /// Reports on the shadow models: each reads many predictions.
    pub(super) reports: Pool,
    /// Models that are opened because somebody named them, which takes up to seconds each.
    pub(super) openings: Pool,
    pub(super) others: OtherModels,
}

/// Models beside the serving one that are kept open: those that were asked for by their ids, the latest first. Clones share
/// them.
#[derive(Clone, Default)]
pub(super) struct OtherModels(Arc<Mutex<VecDeque<Arc<ServedModel>>>>);

impl OtherModels {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<ServedModel>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &ModelId) -> Option<Arc<ServedModel>> {
        let mut all = self.lock();
        let model = all.iter().position(|model| model.model_id == *id).and_then(|at| all.remove(at))?;
        all.push_front(model.clone());
        Some(model)
    }

    fn put(&self, model: Arc<ServedModel>) {
        let mut all = self.lock();
        all.retain(|other| other.model_id != model.model_id);
        all.push_front(model);
        all.truncate(OTHERS);
    }

    fn forget(&self, id: &ModelId) {
        self.lock().retain(|model| model.model_id != *id);
    }
}

impl PredictionService {
    /// The serving model, or none.
    pub fn serving(&self) -> Option<Arc<ServedModel>> {
        self.current.get()
    }

    /// Waits until what was predicted is in the log, within this time.
    pub async fn flush(&self, within: Duration) {
        let Some(log) = &self.log else { return };
        let until = Instant::now() + within;
        // Real time: it is the log's own.
        while log.waiting() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The model that answers: the serving one, or the one that is named.
    pub async fn pin(&self, id: Option<&ModelId>) -> Result<Arc<ServedModel>, PredictionError> {
        let Some(id) = id else { return self.current.wait().await };
        if let Some(serving) = self.current.get().filter(|serving| serving.model_id == *id) {
            return Ok(serving);
        }
        // Asked each time: a model that was deleted answers no more.
        let Some(record) = self.models.model(id).await? else {
            self.others.forget(id);
            return Err(PredictionError::UnknownModel(id.clone()));
        };
        if let Some(model) = self.others.get(id) {
            return Ok(model);
        }
        let _place = self.openings.place().await?;
        // Somebody else may have opened it meanwhile.
        if let Some(model) = self.others.get(id) {
            return Ok(model);
        }
        let model = self.opener.open(&record.version, self.clock.now()).await?;
        self.others.put(model.clone());
        Ok(model)
    }

    pub async fn predict(
        &self,
        rows: impl Into<Arc<Vec<Application>>>,
        options: PredictOptions,
    ) -> Result<Predictions, PredictionError> {
        let model = self.pin(options.model.as_ref()).await?;
        self.predict_with(&model, rows, &options).await
    }

    pub async fn predict_with(
        &self,
        model: &Arc<ServedModel>,
        rows: impl Into<Arc<Vec<Application>>>,
        options: &PredictOptions,
    ) -> Result<Predictions, PredictionError> {
        let (predicted_at, rows) = (self.clock.now(), rows.into());
        let explains = options.explain || options.counterfactual;
        let asked = Asked { options: options.clone(), changeable: self.changeable.clone() };
        let (mut made, waited, worked) = if rows.len() <= model.on_the_spot && !explains {
            let began = Instant::now();
            (Made::by(model, predicted_at, &rows, &asked, &Abandoned::never()), Duration::ZERO, began.elapsed())
        } else {
            let (model, rows) = (model.clone(), rows.clone());
            let work = move |abandoned: &Abandoned<'_>| {
                let began = Instant::now();
                (Made::by(&model, predicted_at, &rows, &asked, abandoned), began.elapsed())
            };
            let ((made, worked), waited) = self.pool.run(work).await?;
            (made, waited, worked)
        };
        if options.similar > 0 {
            let answers = made.answers.iter_mut();
            match self.similar.find(model, &rows, options.similar).await? {
                Ok(found) => answers.zip(found).for_each(|(answer, rows)| answer.similar = Some(Ok(rows))),
                Err(why) => answers.for_each(|answer| answer.similar = Some(Err(why))),
            }
        }
        if let Some(batch) = made.batch {
            self.hand_on(batch);
        }
        Ok(Predictions { model: model.clone(), predicted_at, rows: made.answers, waited, worked })
    }

    /// From feature values in the order of the model's names. Nothing is logged: values are no application.
    pub async fn predict_features(
        &self,
        model: &Arc<ServedModel>,
        rows: Vec<Vec<f32>>,
        options: &PredictOptions,
    ) -> Result<Vec<Result<Prediction, RowFault>>, PredictionError> {
        let coverage = options.coverage;
        if rows.len() <= model.on_the_spot {
            return Ok(model.model.predict_features(&rows, coverage));
        }
        let model = model.clone();
        let work = move |abandoned: &Abandoned<'_>| {
            let mut answers = Vec::with_capacity(rows.len());
            for block in rows.chunks(BLOCK).take_while(|_| !abandoned.is_true()) {
                answers.extend(model.model.predict_features(block, coverage));
            }
            answers
        };
        Ok(self.pool.run(work).await?.0)
    }

    fn hand_on(&self, batch: Arc<PredictedBatch>) {
        if let Some(log) = &self.log {
            log.offer(batch.clone());
        }
        self.shadow.offer(&batch);
    }

    /// How the shadow models compare with the models that served.
    pub async fn shadow(&self) -> Result<ShadowReport, PredictionError> {
        let _place = self.reports.place().await?;
        report(&*self.predictions, &self.shadow.selected(), self.shadow.dropped()).await
    }

    /// Opens all of the models before it changes anything. Other processes take the selection over from the store.
    pub async fn set_shadow(&self, ids: Vec<ModelId>) -> Result<ShadowReport, PredictionError> {
        if ids.len() > MOST_SHADOWS {
            return Err(PredictionError::TooManyShadows);
        }
        let mut models: Vec<Arc<ServedModel>> = Vec::with_capacity(ids.len());
        for id in &ids {
            if models.iter().all(|model| model.model_id != *id) {
                models.push(self.pin(Some(id)).await?);
            }
        }
        let (since, model_ids) = (self.clock.now(), models.iter().map(|model| model.model_id.clone()).collect());
        self.selection.put_shadow_selection(ShadowSelection { model_ids, since }).await?;
        self.shadow.select(models, since);
        self.shadow().await
    }
}

/// What is asked for of each row.
struct Asked {
    options: PredictOptions,
    changeable: Arc<[String]>,
}

/// The answers to a batch, and what goes to the log and to the shadow models.
struct Made {
    answers: Vec<Answered>,
    batch: Option<Arc<PredictedBatch>>,
}

impl Made {
    fn by(
        model: &Arc<ServedModel>,
        at: DateTime<Utc>,
        rows: &Arc<Vec<Application>>,
        asked: &Asked,
        abandoned: &Abandoned<'_>,
    ) -> Self {
        let answers = answer(model, rows, asked, abandoned);
        let made = |answered: &Answered| MadePrediction {
            id: answered.prediction_id.clone(),
            probability: answered.prediction.probability,
            outcome: answered.prediction.predicted_outcome,
        };
        let batch = asked.options.log.then(|| {
            let answers = answers.iter().map(made).collect();
            Arc::new(PredictedBatch::new(model.clone(), at, rows.clone(), answers))
        });
        Self { answers, batch }
    }
}

/// One answer per row. Where nobody waits any more there are fewer.
fn answer(model: &ServedModel, rows: &[Application], asked: &Asked, abandoned: &Abandoned<'_>) -> Vec<Answered> {
    let options = &asked.options;
    let explains = options.explain || options.counterfactual;
    let changeable: Vec<&str> = asked.changeable.iter().map(String::as_str).collect();
    let mut answers = Vec::with_capacity(rows.len());
    for block in rows.chunks(if explains { 1 } else { BLOCK }) {
        if abandoned.is_true() {
            break;
        }
        for (row, prediction) in block.iter().zip(model.model.predict(block, options.coverage)) {
            let place = options.places.get(answers.len()).copied().unwrap_or(answers.len());
            answers.push(Answered {
                prediction_id: prediction_id(options.key.as_deref(), &model.model_id, place, row),
                data_point_id: row.data_point_id.clone(),
                prediction,
                similar: None,
                explanation: options.explain.then(|| model.model.explain(row)),
                counterfactual: options.counterfactual.then(|| model.model.counterfactual(row, &changeable)),
            });
        }
    }
    answers
}

/// `pred_` and 32 hexadecimal digits; of a key, the model, the application and its place in the request, or one that never was.
/// Another application under a key that was used before is another prediction, and so is the answer of another model.
fn prediction_id(key: Option<&str>, model: &ModelId, place: usize, row: &Application) -> String {
    match key {
        None => format!("pred_{}", uuid::Uuid::now_v7().simple()),
        Some(key) => {
            let point = row.point();
            let (place, year) = (place.to_string(), point.application_year.map(|year| year.to_string()));
            let parts = [
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
        let id = |key, place| prediction_id(key, &a, place, &row);
        assert_eq!(id(Some("k"), 1), id(Some("k"), 1));
        assert_ne!(id(Some("k"), 1), id(Some("k"), 2));
        assert_ne!(id(Some("k"), 1), id(Some("l"), 1));
        assert_ne!(id(Some("k"), 1), prediction_id(Some("k"), &b, 1, &row), "another model under the same key");
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
        let ids: BTreeSet<String> = others.map(|other| prediction_id(Some("k"), &a, 1, &of(other))).into();
        assert!(ids.len() == 6 && !ids.contains(&id(Some("k"), 1)), "{ids:?}");
    }
}
