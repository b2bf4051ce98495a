//! Outcomes that became known after a window was closed: its realised performance is computed anew.

use super::plan::MOST_ROWS;
use super::watching::Watching;
use super::window::performance_of;
use crate::error::EvaluateError;
use provost_domain::model::ModelRecord;
use provost_domain::watch::WindowKind;
use provost_domain::watch_record::WatchedWindow;
use provost_store::WindowFilter;

/// Newest windows that are looked at.
const WINDOWS: u32 = 20;

impl Watching {
    /// Compares the newest windows of predictions with the outcomes that are known by now.
    pub(super) async fn compare_outcomes(&self, record: &ModelRecord) -> Result<(), EvaluateError> {
        let model_id = &record.version.model_id;
        let filter = WindowFilter { model_id: Some(model_id.clone()), kind: Some(WindowKind::Predictions) };
        let windows = self.resources.watch.watched_windows(filter, None, WINDOWS).await?.items;
        let mut changed = Vec::new();
        for window in windows {
            changed.extend(self.with_outcomes(record, window).await?);
        }
        if !changed.is_empty() {
            self.resources.watch.update_windows(changed).await?;
        }
        Ok(())
    }

    /// The window, if other outcomes of it are known than when its performance was computed.
    async fn with_outcomes(
        &self,
        record: &ModelRecord,
        window: WatchedWindow,
    ) -> Result<Option<WatchedWindow>, EvaluateError> {
        let (Some(range), Some(before)) = (&window.range, &window.performance) else { return Ok(None) };
        let found = self.resources.predictions.logged_predictions(&window.model_id, range, MOST_ROWS).await?;
        let known = found.predictions.iter().filter(|p| p.outcome.is_some()).count() as u64;
        if known == before.outcomes {
            return Ok(None);
        }
        let watched = self.watched(record).await?;
        let (id, time, control) = (window.id().to_owned(), (before.from, before.to), self.control.clone());
        let compare = move || performance_of(&id, time, &found.predictions, &watched.model, &control);
        let performance = self.pool.run(compare).await?;
        Ok(Some(WatchedWindow { performance: Some(performance), ..window }))
    }
}
