//! What windows are compared with: the training data of the active model, prepared once.

use super::idle_pool::IdlePool;
use crate::error::EvaluateError;
use crate::loader::Loader;
use crate::options::WatchResources;
use crate::scoring::open;
use crate::supervise::Slot;
use provost_domain::model::ModelRecord;
use provost_learn::watch::{Reference, WatchedRows, cycles};
use provost_learn::{Control, LearnError, Model};
use std::sync::Arc;

/// Of the samples that large references are compared by.
const SEED: u64 = 0x7265_6600;

/// The active model with what its windows are compared with.
pub(super) struct WatchedModel {
    pub record: ModelRecord,
    pub model: Arc<Model>,
    pub reference: Reference,
}

/// Opens a model and its training data. The model's answers to rows that it was not trained on are those of its test part.
pub(super) async fn watched_model(
    resources: &WatchResources,
    loader: &Slot<Loader>,
    pool: &IdlePool,
    record: ModelRecord,
    control: Control,
) -> Result<Arc<WatchedModel>, EvaluateError> {
    let from = (&resources.artifacts, &*resources.installation);
    let opened = open::<EvaluateError>(from, loader, record).await?;
    pool.run(move || {
        let rows = opened.data.rows_for(&opened.model);
        let mut probabilities = vec![f64::NAN; rows.rows()];
        let answers = opened.model.predict_proba(&rows, &opened.test).map_err(LearnError::from)?;
        for (row, answer) in opened.test.iter().zip(answers) {
            if let Some(place) = probabilities.get_mut(*row as usize) {
                *place = answer;
            }
        }
        let snapshot = &opened.data.snapshot;
        let rows = WatchedRows::new(rows.into_owned(), snapshot.applicants.clone(), Some(probabilities))?;
        let (cycles, threshold) = (cycles(snapshot), opened.model.threshold);
        let reference = Reference::new(&rows, &cycles, &snapshot.years, threshold, SEED, &control)?;
        Ok(Arc::new(WatchedModel { record: opened.record.clone(), model: opened.model.clone(), reference }))
    })
    .await
}
