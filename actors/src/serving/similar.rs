//! The training rows that are most like an application: references into the store, so that a retracted point is in no answer from
//! then on, and no artifact has one.

mod index;

use super::error::PredictionError;
use super::pool::PredictionPool;
use super::served_model::ServedModel;
use crate::clock::Clock;
use index::{Candidate, SimilarIndex};
use provost_domain::AdmissionDataPoint;
use provost_learn::neighbours::bands::Band;
use provost_predict::application::Application;
use provost_predict::outcome::Outcome;
use provost_store::{Artifacts, InstallationReader, ModelReader, PointReader};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use utoipa::ToSchema;

/// Indices that are kept in memory.
const KEPT: usize = 2;
/// An index is made anew where the store's points have changed since and it is older than this.
const RENEW_AFTER: Duration = Duration::from_secs(600);
/// Candidates beyond those asked for: points that were retracted since the index was made take no place.
const SPARE: usize = 10;

/// A training row that is like the application. Its features are bands, and what too few rows share is not shown.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SimilarRow {
    /// Euclidean, in standard deviations of the features, to two places.
    pub distance: f64,
    /// Null where fewer than five training rows are of that year.
    pub year: Option<i32>,
    /// The row's outcome.
    pub outcome: Outcome,
    /// For each feature the fifth of the training rows that the value is in; null where fewer than five rows are in it.
    #[schema(value_type = Object)]
    pub features: BTreeMap<String, Option<Band>>,
}

/// The nearest training rows of each outcome, the nearest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct SimilarRows {
    pub accepted: Vec<SimilarRow>,
    pub rejected: Vec<SimilarRow>,
}

/// Why there are no similar rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSimilarRows {
    /// The model was trained on a file, or its points are gone: there is nothing to refer to.
    NotInStore,
}

impl NoSimilarRows {
    /// Stable, for clients.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotInStore => "rows_not_in_store",
        }
    }
}

/// Finds similar rows. Clones share the indices.
#[derive(Clone)]
pub(crate) struct SimilarService {
    pub models: Arc<dyn ModelReader>,
    pub points: Arc<dyn PointReader>,
    pub installation: Arc<dyn InstallationReader>,
    pub artifacts: Artifacts,
    pub pool: PredictionPool,
    pub clock: Arc<dyn Clock>,
    /// The one used last first. Held while one is made, so that each is made once.
    pub indices: Arc<Mutex<VecDeque<Arc<SimilarIndex>>>>,
}

impl SimilarService {
    /// The `k` nearest rows of each outcome for each application, in order.
    pub async fn find(
        &self,
        model: &Arc<ServedModel>,
        rows: &Arc<Vec<Application>>,
        k: usize,
    ) -> Result<Result<Vec<SimilarRows>, NoSimilarRows>, PredictionError> {
        let index = self.index(model).await?;
        if index.is_empty() {
            return Ok(Err(NoSimilarRows::NotInStore));
        }
        let (searched, asked, of) = (index.clone(), rows.clone(), model.clone());
        let (pieces, mut found) = (asked.len(), Vec::with_capacity(asked.len()));
        let search = self.pool.run_in_pieces(pieces, move || {
            found.extend(asked.get(found.len()).map(|row| searched.candidates(&of.model, row, k + SPARE)));
            (found.len() == asked.len()).then(|| std::mem::take(&mut found))
        });
        let candidates: Vec<Vec<Candidate>> = search.await?.result;
        let mut ids: Vec<String> =
            candidates.iter().flatten().map(|candidate| index.id(candidate).to_owned()).collect();
        ids.sort_unstable();
        ids.dedup();
        let stored = self.points.points_by_id(&ids).await?;
        let stored: HashMap<&str, &AdmissionDataPoint> =
            stored.iter().map(|point| (point.data_point_id.as_str(), point)).collect();
        let of_row = |candidates: &Vec<Candidate>| {
            let mut found = SimilarRows::default();
            for candidate in candidates {
                let point = stored.get(index.id(candidate)).copied();
                // Retracted, or corrected to another outcome.
                let Some(point) = point.filter(|p| p.decision.label() == Some(candidate.label)) else { continue };
                let of_class = if candidate.label == 1 { &mut found.accepted } else { &mut found.rejected };
                if of_class.len() < k {
                    of_class.push(index.shown(&model.model, point, candidate));
                }
            }
            found
        };
        Ok(Ok(candidates.iter().map(of_row).collect()))
    }

    /// The index of a model, which may have to be made.
    async fn index(&self, model: &ServedModel) -> Result<Arc<SimilarIndex>, PredictionError> {
        let mut indices = self.indices.lock().await;
        let version = self.points.point_totals().await?.version;
        let now = self.clock.monotonic();
        let known = indices.iter().position(|index| index.model_id == model.model_id);
        if let Some(index) = known.and_then(|at| indices.remove(at)) {
            let is_fresh = index.points_version == version || now.saturating_sub(index.made_at) < RENEW_AFTER;
            if is_fresh {
                indices.push_front(index.clone());
                return Ok(index);
            }
        }
        let record = self.models.model(&model.model_id).await?;
        let record = record.ok_or_else(|| PredictionError::UnknownModel(model.model_id.clone()))?;
        let salt = self.installation.installation().await?.salt;
        let index = Arc::new(index::make(self, record, salt, version, now).await?);
        indices.push_front(index.clone());
        indices.truncate(KEPT);
        Ok(index)
    }
}
