//! Comparisons of models, and those that were made before.

use super::{ModelService, Registry, comparison, stored};
use crate::blocking::blocking;
use crate::error::RegistryError;
use crate::pool::Place;
use crate::scoring::open;
use actix::{Context, Handler, Message, ResponseActFuture, WrapFuture};
use provost_domain::evaluation::ModelComparisonResponse;
use provost_domain::{ModelId, TargetMetric};
use std::sync::Weak;

/// Scores models on the rows that are in all of their test parts.
pub struct Compare {
    pub ids: Vec<ModelId>,
    pub metrics: Vec<TargetMetric>,
    pub visualizations: bool,
    /// Held until the comparison has ended.
    pub place: Place,
    /// Dropped when the client disconnects.
    pub asked_for: Weak<()>,
}
impl Message for Compare {
    type Result = Result<ModelComparisonResponse, RegistryError>;
}

/// Requests the result of a comparison without plots that was made before.
pub struct KnownComparison {
    pub ids: Vec<ModelId>,
    pub metrics: Vec<TargetMetric>,
}
impl Message for KnownComparison {
    type Result = Result<Option<ModelComparisonResponse>, RegistryError>;
}

impl ModelService {
    async fn known_comparison(
        &self,
        ids: &[ModelId],
        metrics: &[TargetMetric],
    ) -> Result<Option<ModelComparisonResponse>, RegistryError> {
        let Some(known) = self.compared.get(ids, metrics) else { return Ok(None) };
        let mut versions = Vec::with_capacity(ids.len());
        for id in ids {
            versions.push(self.record(id).await?.version);
        }
        blocking(move || Ok(Some(ModelComparisonResponse { models: comparison::listed(versions), ..known }))).await
    }

    async fn compare(&self, m: Compare) -> Result<ModelComparisonResponse, RegistryError> {
        // It may have been made while this request waited for its place.
        if !m.visualizations
            && let Some(known) = self.known_comparison(&m.ids, &m.metrics).await?
        {
            return Ok(known);
        }
        let mut records = Vec::with_capacity(m.ids.len());
        for id in &m.ids {
            records.push(self.record(id).await?);
        }
        if records.iter().any(|record| !record.version.has_artifact()) {
            let (models, metrics, place) = (records.into_iter().map(|r| r.version).collect(), m.metrics, m.place);
            // A hundred models have 4,950 pairs, so this runs on another thread.
            return blocking(move || {
                let _place = place;
                stored::compare(models, &metrics)
            })
            .await;
        }
        let asked_for = m.asked_for;
        let wanted = move || if asked_for.strong_count() > 0 { Ok(()) } else { Err(RegistryError::Abandoned) };
        // Only one model and its rows are in memory at a time.
        let mut common = comparison::Common::default();
        for record in records {
            wanted()?;
            let opened =
                open::<RegistryError>((&self.resources.artifacts, &*self.resources.installation), &self.loader, record)
                    .await?;
            common = blocking(move || common.with(opened).map_err(RegistryError::from)).await?;
        }
        let (artifacts, place, at) = (self.resources.artifacts.clone(), m.place, self.resources.clock.now());
        let recent = self.compared.clone();
        blocking(move || {
            let _place = place;
            let result = comparison::compare(&common, &m.metrics, m.visualizations.then_some(&artifacts), at, wanted)?;
            // A comparison with plots also writes their files.
            if !m.visualizations {
                recent.keep(m.ids, m.metrics, &result);
            }
            Ok(result)
        })
        .await
    }
}

impl Handler<KnownComparison> for Registry {
    type Result = ResponseActFuture<Self, Result<Option<ModelComparisonResponse>, RegistryError>>;
    fn handle(&mut self, message: KnownComparison, _: &mut Context<Self>) -> Self::Result {
        let models = self.models.clone();
        Box::pin(async move { models.known_comparison(&message.ids, &message.metrics).await }.into_actor(self))
    }
}

impl Handler<Compare> for Registry {
    type Result = ResponseActFuture<Self, Result<ModelComparisonResponse, RegistryError>>;
    fn handle(&mut self, message: Compare, _: &mut Context<Self>) -> Self::Result {
        let models = self.models.clone();
        Box::pin(async move { models.compare(message).await }.into_actor(self))
    }
}
