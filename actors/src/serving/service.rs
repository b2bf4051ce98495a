//! Predictions: picks the model, computes on the caller's thread or on the pool, and hands what was made to the log and the
//! shadow models.

mod answering;

use super::batch::{BatchQueue, MadePrediction, PredictedBatch, PredictedRows};
use super::current::CurrentModel;
use super::error::PredictionError;
use super::pool::{PredictionPool, Worked};
use super::served_model::{ModelOpener, ServedModel};
use super::shadow::Shadow;
use super::shadow_report::{ShadowReport, report};
use super::similar::{NoSimilarRows, SimilarRows, SimilarService};
use crate::clock::Clock;
use crate::pool::Pool;
use answering::{Answering, new_id};
use chrono::{DateTime, Utc};
use provost_domain::prediction::ShadowSelection;
use provost_domain::{ModelId, limits};
use provost_predict::application::Application;
use provost_predict::serving::{Counterfactual, DEFAULT_COVERAGE, Explanation, Prediction, RowFault, Unavailable};
use provost_store::{ModelReader, PredictionLog, ShadowStore};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Rows that are predicted in one piece; of those that are explained it is one.
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
    /// Who asks: each caller has a share of the log. Empty for the service itself.
    pub caller: Arc<str>,
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
            caller: Arc::default(),
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
        let mut answering = Answering {
            model: model.clone(),
            at: predicted_at,
            rows: rows.clone(),
            options: options.clone(),
            changeable: self.changeable.clone(),
            answers: Vec::with_capacity(rows.len()),
        };
        let Worked { result: mut made, waited, worked } = if rows.len() <= model.on_the_spot && !answering.explains() {
            let began = Instant::now();
            let result = answering.all();
            Worked { result, worked: began.elapsed(), waited: Duration::ZERO }
        } else {
            let pieces = rows.len().div_ceil(answering.rows_of_piece());
            self.pool.run_in_pieces(pieces, move || answering.piece()).await?
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

    /// From feature values in the order of the model's names. One row that cannot be read fails all of them.
    pub async fn predict_features(
        &self,
        model: &Arc<ServedModel>,
        rows: Vec<Vec<f32>>,
        options: &PredictOptions,
    ) -> Result<Result<Vec<Prediction>, BadRow>, PredictionError> {
        let (at, rows, coverage) = (self.clock.now(), Arc::new(rows), options.coverage);
        let answers = if rows.len() <= model.on_the_spot {
            model.model.predict_features(&rows, coverage)
        } else {
            let (model, rows) = (model.clone(), rows.clone());
            let (pieces, mut answers) = (rows.len().div_ceil(BLOCK), Vec::with_capacity(rows.len()));
            let piece = move || {
                let (done, all) = (answers.len(), rows.len());
                let block = rows.get(done..all.min(done + BLOCK)).unwrap_or_default();
                answers.extend(model.model.predict_features(block, coverage));
                // A block without answers would be asked for without an end.
                let is_last = answers.len() >= rows.len() || answers.len() == done;
                is_last.then(|| std::mem::take(&mut answers))
            };
            self.pool.run_in_pieces(pieces, piece).await?.result
        };
        let numbered = answers.into_iter().enumerate();
        let answers: Result<Vec<Prediction>, BadRow> =
            numbered.map(|(row, answer)| answer.map_err(|fault| BadRow { row, fault })).collect();
        if let Ok(answers) = &answers
            && options.log
        {
            let made = |answer| MadePrediction::new(new_id(), answer);
            let (rows, made) = (PredictedRows::Features(rows), answers.iter().map(made).collect());
            self.hand_on(Arc::new(PredictedBatch::new(model.clone(), at, options.caller.clone(), rows, made)));
        }
        Ok(answers)
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
        if ids.len() > limits::SHADOWS {
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

/// A row of feature values that has no prediction.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("row {row}, {}: {}", .fault.pointer, .fault.message)]
pub struct BadRow {
    /// The row's number, from 0.
    pub row: usize,
    pub fault: RowFault,
}
