//! Predictions: picks the model, computes on the caller's thread or on the pool, and hands what was made to the log and the
//! shadow models.

use super::batch::{BatchQueue, MadePrediction, PredictedBatch};
use super::current::CurrentModel;
use super::error::{MOST_SHADOWS, PredictionError};
use super::pool::{Abandoned, PredictionPool};
use super::served_model::{ModelOpener, ServedModel};
use super::shadow::Shadow;
use super::shadow_report::{ShadowReport, report};
use crate::clock::Clock;
use chrono::{DateTime, Utc};
use provost_domain::ModelId;
use provost_domain::prediction::ShadowSelection;
use provost_predict::application::Application;
use provost_predict::serving::{
    Counterfactual, DEFAULT_CHANGEABLE, DEFAULT_COVERAGE, Explanation, Prediction, RowFault, Unavailable,
};
use provost_store::{ModelReader, PredictionLog, ShadowStore};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Rows that are answered on the caller's thread: a row takes some microseconds, and the way to the pool and back as long as
/// many.
const ON_THE_SPOT: usize = 32;
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
    pub counterfactual: bool,
    /// Features that a counterfactual may change.
    pub changeable: Vec<String>,
    /// Of the conformal sets, between 0.5 and 0.999.
    pub coverage: f64,
    /// Whether the predictions go to the log and to the shadow models.
    pub log: bool,
    /// The same key gives the same prediction ids, so that a repeated request is logged once.
    pub key: Option<String>,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self {
            model: None,
            explain: false,
            counterfactual: false,
            changeable: DEFAULT_CHANGEABLE.map(str::to_owned).to_vec(),
            coverage: DEFAULT_COVERAGE,
            log: true,
            key: None,
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
    pub(super) current: CurrentModel,
    pub(super) opener: ModelOpener,
    pub(super) models: Arc<dyn ModelReader>,
    pub(super) pool: PredictionPool,
    pub(super) shadow: Shadow,
    pub(super) selection: Arc<dyn ShadowStore>,
    pub(super) predictions: Arc<dyn PredictionLog>,
    /// None: nothing is logged.
    pub(super) log: Option<BatchQueue>,
    pub(super) clock: Arc<dyn Clock>,
    /// Models that were asked for by their ids, the latest first. Held while one is opened, so that each is opened once.
    pub(super) others: Arc<Mutex<VecDeque<Arc<ServedModel>>>>,
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
        let mut others = self.others.lock().await;
        let known = others.iter().position(|other| other.model_id == *id);
        // Asked each time: a model that was deleted answers no more.
        let Some(record) = self.models.model(id).await? else {
            known.and_then(|at| others.remove(at));
            return Err(PredictionError::UnknownModel(id.clone()));
        };
        let model = match known.and_then(|at| others.remove(at)) {
            Some(model) => model,
            None => self.opener.open(&record.version, self.clock.now()).await?,
        };
        others.push_front(model.clone());
        others.truncate(OTHERS);
        Ok(model)
    }

    pub async fn predict(
        &self,
        rows: Vec<Application>,
        options: PredictOptions,
    ) -> Result<Predictions, PredictionError> {
        let model = self.pin(options.model.as_ref()).await?;
        self.predict_with(&model, rows, &options).await
    }

    pub async fn predict_with(
        &self,
        model: &Arc<ServedModel>,
        rows: Vec<Application>,
        options: &PredictOptions,
    ) -> Result<Predictions, PredictionError> {
        let (predicted_at, rows) = (self.clock.now(), Arc::new(rows));
        let explains = options.explain || options.counterfactual;
        let (answers, waited, worked) = if rows.len() <= ON_THE_SPOT && !explains {
            let began = Instant::now();
            (answer(model, &rows, options, &Abandoned::never()), Duration::ZERO, began.elapsed())
        } else {
            let (model, rows, options) = (model.clone(), rows.clone(), options.clone());
            let work = move |abandoned: &Abandoned<'_>| {
                let began = Instant::now();
                (answer(&model, &rows, &options, abandoned), began.elapsed())
            };
            let ((answers, worked), waited) = self.pool.run(work).await?;
            (answers, waited, worked)
        };
        if options.log {
            self.hand_on(model, predicted_at, rows, &answers);
        }
        Ok(Predictions { model: model.clone(), predicted_at, rows: answers, waited, worked })
    }

    /// From feature values in the order of the model's names. Nothing is logged: values are no application.
    pub async fn predict_features(
        &self,
        model: &Arc<ServedModel>,
        rows: Vec<Vec<f32>>,
        options: &PredictOptions,
    ) -> Result<Vec<Result<Prediction, RowFault>>, PredictionError> {
        let coverage = options.coverage;
        if rows.len() <= ON_THE_SPOT {
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

    fn hand_on(&self, model: &Arc<ServedModel>, at: DateTime<Utc>, rows: Arc<Vec<Application>>, answers: &[Answered]) {
        let made = |answered: &Answered| MadePrediction {
            id: answered.prediction_id.clone(),
            probability: answered.prediction.probability,
            outcome: answered.prediction.predicted_outcome,
        };
        let answers = answers.iter().map(made).collect();
        let batch = Arc::new(PredictedBatch { model: model.clone(), at, rows, answers });
        if let Some(log) = &self.log {
            log.offer(batch.clone());
        }
        self.shadow.offer(&batch);
    }

    /// How the shadow models compare with the models that served.
    pub async fn shadow(&self) -> Result<ShadowReport, PredictionError> {
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

/// One answer per row. Where nobody waits any more there are fewer.
fn answer(
    model: &ServedModel,
    rows: &[Application],
    options: &PredictOptions,
    abandoned: &Abandoned<'_>,
) -> Vec<Answered> {
    let explains = options.explain || options.counterfactual;
    let changeable: Vec<&str> = options.changeable.iter().map(String::as_str).collect();
    let mut answers = Vec::with_capacity(rows.len());
    for block in rows.chunks(if explains { 1 } else { BLOCK }) {
        if abandoned.is_true() {
            break;
        }
        for (row, prediction) in block.iter().zip(model.model.predict(block, options.coverage)) {
            answers.push(Answered {
                prediction_id: prediction_id(options.key.as_deref(), answers.len()),
                data_point_id: row.data_point_id.clone(),
                prediction,
                explanation: options.explain.then(|| model.model.explain(row)),
                counterfactual: options.counterfactual.then(|| model.model.counterfactual(row, &changeable)),
            });
        }
    }
    answers
}

/// `pred_` and 32 hexadecimal digits; of a key and the place in the batch, or one that never was.
fn prediction_id(key: Option<&str>, row: usize) -> String {
    match key {
        None => format!("pred_{}", uuid::Uuid::now_v7().simple()),
        Some(key) => {
            let hash = Sha256::new().chain_update(key).chain_update((row as u64).to_le_bytes()).finalize();
            let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            format!("pred_{hex}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_each_row_its_id_and_no_key_a_new_one() {
        assert_eq!(prediction_id(Some("k"), 1), prediction_id(Some("k"), 1));
        assert_ne!(prediction_id(Some("k"), 1), prediction_id(Some("k"), 2));
        assert_ne!(prediction_id(None, 1), prediction_id(None, 1));
        assert_eq!(prediction_id(Some("k"), 1).len(), "pred_".len() + 32);
    }
}
