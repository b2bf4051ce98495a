//! Closing windows: their rows are read and compared, and what was found is recorded with what it leads to.

use super::announcement::announcements;
use super::plan::{self, LEAST_ROWS, MOST_ROWS, WindowBounds, WindowEnd};
use super::reference::WatchedModel;
use super::watching::{SETTLE, Watching};
use super::window::{self, OpenWindow};
use crate::error::EvaluateError;
use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::AdmissionDataPoint;
use provost_domain::model::ModelRecord;
use provost_domain::prediction::PredictionRecord;
use provost_domain::watch::WindowKind;
use provost_domain::watch_record::{LogPosition, LogRange, PointPosition, WatchState, WatchedWindow, window_id};
use provost_store::{LoggedPredictions, RecordedPoints};
use std::sync::Arc;

/// What decides which rows make the windows of a kind.
struct Rows<R> {
    /// In their order, each with its place and time.
    rows: Vec<(WindowEnd, DateTime<Utc>, R)>,
    /// The place before the first of them.
    after: WindowEnd,
    /// When the oldest row came in.
    oldest: DateTime<Utc>,
}

impl Watching {
    /// Whether so many rows can make a window.
    fn may_close(&self, rows: u64, until: DateTime<Utc>) -> bool {
        let bounds = self.bounds();
        let old = self.resources.clock.now() - until >= bounds.age;
        rows >= bounds.rows as u64 || (old && rows >= LEAST_ROWS as u64)
    }

    fn bounds(&self) -> WindowBounds {
        let options = &self.resources.options;
        WindowBounds { rows: options.window, age: TimeDelta::from_std(options.close_after).unwrap_or(TimeDelta::MAX) }
    }

    pub(super) async fn windows_of_predictions(
        &self,
        record: &ModelRecord,
        state: &mut WatchState,
    ) -> Result<(), EvaluateError> {
        let (log, model) = (&self.resources.predictions, &state.model_id);
        let settled = self.resources.clock.now() - TimeDelta::from_std(SETTLE).unwrap_or_default();
        let upto = LogPosition::before(settled + TimeDelta::microseconds(1));
        let range = LogRange { after: state.predictions_read.clone(), upto };
        let waiting = log.count_logged_predictions(model, &range, MOST_ROWS).await?;
        self.seen().waiting.insert(WindowKind::Predictions, waiting);
        if !self.may_close(waiting, state.predictions.until) {
            return Ok(());
        }
        let LoggedPredictions { mut predictions, cut } = log.logged_predictions(model, &range, MOST_ROWS).await?;
        let place = |p: &PredictionRecord| LogPosition { at: p.predicted_at, id: p.prediction_id.clone() };
        // Of what was left out the last place is not known: the first row stands for it.
        let after = if cut && !predictions.is_empty() { place(&predictions.remove(0)) } else { range.after };
        let Some(oldest) = predictions.first().map(|p| p.predicted_at) else { return Ok(()) };
        let rows = predictions.into_iter().map(|p| (WindowEnd::Prediction(place(&p)), p.predicted_at, p)).collect();
        self.close(record, state, Rows { rows, after: WindowEnd::Prediction(after), oldest }).await
    }

    pub(super) async fn windows_of_points(
        &self,
        record: &ModelRecord,
        state: &mut WatchState,
    ) -> Result<(), EvaluateError> {
        let points = &self.resources.points;
        let (after, until, now) = (state.points_read.clone(), state.points.until, self.resources.clock.now());
        let waiting = points.count_recorded_points(&after, MOST_ROWS).await?;
        self.seen().waiting.insert(WindowKind::Points, waiting);
        if !self.may_close(waiting, until) {
            return Ok(());
        }
        let RecordedPoints { points, .. } = points.recorded_points(&after, MOST_ROWS).await?;
        let verified_only = record.version.training_config.use_verified_only;
        // As in training: points without an outcome are left out.
        let is_usable = |p: &AdmissionDataPoint| p.decision.label().is_some() && (p.verified || !verified_only);
        let usable: Vec<(PointPosition, AdmissionDataPoint)> =
            points.into_iter().filter(|(_, point)| is_usable(point)).collect();
        // When a point was recorded is not kept: they are taken to have come evenly since the last window.
        let (all, passed) = (usable.len(), (now - until).max(TimeDelta::zero()));
        let share = |n: usize| i32::try_from(n + 1).ok().zip(i32::try_from(all).ok());
        let time = |n: usize| share(n).map_or(now, |(n, all)| until + passed / all * n);
        let rows = usable.into_iter().enumerate().map(|(n, (at, point))| (WindowEnd::Point(at), time(n), point));
        let rows = Rows { rows: rows.collect(), after: WindowEnd::Point(after), oldest: until };
        self.close(record, state, rows).await
    }

    /// Closes as many windows as the rows make, each with a record of its own.
    async fn close<R: window::Row>(
        &self,
        record: &ModelRecord,
        state: &mut WatchState,
        Rows { mut rows, mut after, oldest }: Rows<R>,
    ) -> Result<(), EvaluateError> {
        let resources = &self.resources;
        let sizes = plan::sizes(rows.len(), resources.clock.now() - oldest, self.bounds());
        if sizes.is_empty() {
            return Ok(());
        }
        let watched = self.watched(record).await?;
        for size in sizes {
            let rest = rows.split_off(size.min(rows.len()));
            let of_window = std::mem::replace(&mut rows, rest);
            let (Some(first), Some(last)) = (of_window.first(), of_window.last()) else { return Ok(()) };
            let (end, to) = (last.0.clone(), last.1);
            let run = plan::run(state, R::KIND);
            let open = OpenWindow {
                id: window_id(&state.model_id, R::KIND, run.closed + 1),
                from: R::start(first.1, run.until),
                to,
                closed_at: resources.clock.now(),
                range: range(&after, &end),
            };
            let previous = match &run.last {
                Some(id) => resources.watch.watched_window(id).await?,
                None => None,
            };
            let rows_of_window = of_window.into_iter().map(|(_, _, row)| row).collect();
            let found = self.compared(&watched, open, rows_of_window, previous.as_ref()).await?;
            let announced = announcements(&resources.mail, &found, previous.as_ref()).await;
            let next = plan::closed(state, found.id(), to, end.clone());
            let alarm = found.drift.alarm;
            if !announced.is_empty() {
                tracing::info!(window = found.id(), kind = %R::KIND, model = %state.model_id, "the data has drifted");
            }
            // Another server may have taken over meanwhile.
            if !self.role.lock().await.is_mine().await?
                || !resources.watch.record_watch(next.clone(), Some(found), announced).await?
            {
                return Ok(());
            }
            resources.metrics.window_closed(R::KIND, alarm);
            (*state, after) = (next, end);
            let mut seen = self.seen();
            *seen.closed.entry(R::KIND).or_default() += 1;
            seen.alarm.insert(R::KIND, alarm);
            seen.waiting.insert(R::KIND, rows.len() as u64);
        }
        Ok(())
    }

    async fn compared<R: window::Row>(
        &self,
        watched: &Arc<WatchedModel>,
        open: OpenWindow,
        rows: Vec<R>,
        previous: Option<&WatchedWindow>,
    ) -> Result<WatchedWindow, EvaluateError> {
        let (watched, tables, control) = (watched.clone(), self.resources.tables.clone(), self.control.clone());
        let failpoints = self.resources.failpoints.clone();
        let previous = previous.map(|previous| previous.drift.clone());
        let compare = move || {
            failpoints.hit("watch");
            window::compared(&watched, open, &rows, previous.as_ref(), &tables, &control)
        };
        self.pool.run(compare).await
    }
}

fn range(after: &WindowEnd, end: &WindowEnd) -> Option<LogRange> {
    match (after, end) {
        (WindowEnd::Prediction(after), WindowEnd::Prediction(upto)) => {
            Some(LogRange { after: after.clone(), upto: upto.clone() })
        }
        _ => None,
    }
}
