//! What the watching of a model stores: the closed windows with their results, and how far the log was read.

use crate::hash::Content;
use crate::ids::ModelId;
use crate::watch::{DriftReference, DriftWindow, PerformanceWindow, WindowKind};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A position in the log of one model's predictions, which is sorted by time and then by id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogPosition {
    /// When the prediction was made.
    pub at: DateTime<Utc>,
    /// The prediction's id; the empty id is before all predictions of that time.
    pub id: String,
}

impl LogPosition {
    /// The position before all predictions of this time.
    pub fn before(at: DateTime<Utc>) -> Self {
        Self { at, id: String::new() }
    }
}

/// A part of the log of one model's predictions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRange {
    /// The range begins after this position.
    pub after: LogPosition,
    /// The range ends with this position, which is part of it.
    pub upto: LogPosition,
}

/// A position in the order in which points were first recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PointPosition {
    /// Grows with every point, or with every step that records some.
    pub number: i64,
    /// The point's id, where points of one step have the same number.
    pub id: String,
}

/// Windows of one kind that follow each other without a gap. An alarm needs two of these in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRun {
    /// The end of the run's last window; before the first window, the start of the run.
    pub until: DateTime<Utc>,
    /// Windows of this kind that were closed so far, of all models and runs.
    pub closed: u64,
    /// The last window of the run; None before the first one.
    pub last: Option<String>,
}

/// How far watching has read predictions and points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchState {
    /// Grows with every change.
    pub revision: u64,
    /// The model that is watched.
    pub model_id: ModelId,
    /// Windows of predictions.
    pub predictions: WindowRun,
    /// Predictions up to here are in closed windows.
    pub predictions_read: LogPosition,
    /// Windows of points.
    pub points: WindowRun,
    /// Points up to here are in closed windows.
    pub points_read: PointPosition,
}

/// A closed window with what was found in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchedWindow {
    /// The model that was watched.
    pub model_id: ModelId,
    /// When the window was closed.
    pub closed_at: DateTime<Utc>,
    /// The reference that the window was compared with.
    pub reference: DriftReference,
    /// The range of the window's predictions; None for a window of points.
    pub range: Option<LogRange>,
    /// Drift of the window.
    pub drift: DriftWindow,
    /// Performance of the window's predictions; None for a window of points.
    pub performance: Option<PerformanceWindow>,
}

impl WatchedWindow {
    /// The window's id.
    pub fn id(&self) -> &str {
        &self.drift.id
    }
}

/// The id of a window. The same model, kind and number always give the same id, so that a window that is recorded again
/// replaces itself.
pub fn window_id(model: &ModelId, kind: WindowKind, number: u64) -> String {
    let mut content = Content::new();
    content.text(Some(model.as_str())).text(Some(kind.as_str())).text(Some(&number.to_string()));
    format!("window_{:032x}", content.u128())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;

    #[test]
    fn an_id_hangs_on_model_kind_and_number() {
        let model = |n| ModelId::new(Algorithm::Xgboost, DateTime::UNIX_EPOCH, n);
        let id = window_id(&model(1), WindowKind::Points, 7);
        assert_eq!(id, window_id(&model(1), WindowKind::Points, 7));
        assert_ne!(id, window_id(&model(2), WindowKind::Points, 7));
        assert_ne!(id, window_id(&model(1), WindowKind::Predictions, 7));
        assert_ne!(id, window_id(&model(1), WindowKind::Points, 8));
        assert!(id.len() == 39 && id.starts_with("window_"), "{id}");
    }

    #[test]
    fn positions_are_in_order_of_time_and_then_of_id() {
        let at = |seconds| DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds);
        let place = |seconds, id: &str| LogPosition { at: at(seconds), id: id.to_owned() };
        assert!(LogPosition::before(at(1)) < place(1, "a") && place(1, "a") < place(1, "b"));
        assert!(place(1, "b") < place(2, "a"));
    }
}
