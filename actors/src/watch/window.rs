//! A window that closes: its rows, of either kind, become what was found in them.

use super::reference::WatchedModel;
use super::rows;
use crate::error::EvaluateError;
use chrono::{DateTime, Utc};
use provost_domain::AdmissionDataPoint;
use provost_domain::features::FeatureTables;
use provost_domain::prediction::PredictionRecord;
use provost_domain::record::Decision;
use provost_domain::watch::{DriftWindow, PerformanceWindow, WindowKind};
use provost_domain::watch_record::{LogRange, WatchedWindow};
use provost_learn::watch::{PredictedRows, WatchedRows, performance};
use provost_learn::{Control, Model};

/// What is known of a window before its rows are compared.
#[derive(Debug, Clone)]
pub(super) struct OpenWindow {
    pub id: String,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub closed_at: DateTime<Utc>,
    /// Its predictions.
    pub range: Option<LogRange>,
}

/// What windows of a kind consist of.
pub(super) trait Row: Sized + Send + 'static {
    const KIND: WindowKind;
    /// The start of a window, of its first row's time and the end of the window before.
    fn start(first: DateTime<Utc>, until: DateTime<Utc>) -> DateTime<Utc>;
    fn watched(rows: &[Self], model: &Model, tables: &FeatureTables) -> Result<WatchedRows, EvaluateError>;
    /// What the rows' predictions are worth.
    fn performance(
        window: &OpenWindow,
        rows: &[Self],
        model: &Model,
        control: &Control,
    ) -> Result<Option<PerformanceWindow>, EvaluateError>;
}

impl Row for PredictionRecord {
    const KIND: WindowKind = WindowKind::Predictions;

    fn start(first: DateTime<Utc>, _: DateTime<Utc>) -> DateTime<Utc> {
        first
    }

    fn watched(rows: &[Self], _: &Model, _: &FeatureTables) -> Result<WatchedRows, EvaluateError> {
        rows::of_predictions(rows)
    }

    fn performance(
        window: &OpenWindow,
        rows: &[Self],
        model: &Model,
        control: &Control,
    ) -> Result<Option<PerformanceWindow>, EvaluateError> {
        performance_of(&window.id, (window.from, window.to), rows, model, control).map(Some)
    }
}

impl Row for AdmissionDataPoint {
    const KIND: WindowKind = WindowKind::Points;

    fn start(_: DateTime<Utc>, until: DateTime<Utc>) -> DateTime<Utc> {
        until
    }

    fn watched(rows: &[Self], model: &Model, tables: &FeatureTables) -> Result<WatchedRows, EvaluateError> {
        rows::of_points(rows, tables, model)
    }

    fn performance(
        _: &OpenWindow,
        _: &[Self],
        _: &Model,
        _: &Control,
    ) -> Result<Option<PerformanceWindow>, EvaluateError> {
        Ok(None)
    }
}

/// Compares the rows of a window. `previous`: the window before it in its run.
pub(super) fn compared<R: Row>(
    watched: &WatchedModel,
    window: OpenWindow,
    rows: &[R],
    previous: Option<&DriftWindow>,
    tables: &FeatureTables,
    control: &Control,
) -> Result<WatchedWindow, EvaluateError> {
    let seed = seed(&window.id);
    let of_window = R::watched(rows, &watched.model, tables)?;
    let drift = watched.reference.compare(&of_window, seed, control)?;
    let performance = R::performance(&window, rows, &watched.model, control)?;
    Ok(WatchedWindow {
        model_id: watched.record.version.model_id.clone(),
        closed_at: window.closed_at,
        reference: watched.reference.summary(),
        range: window.range,
        drift: drift.into_window(window.id, R::KIND, (window.from, window.to), previous),
        performance,
    })
}

/// What predictions are worth, as their probabilities let expect and as the outcomes say that are known by now.
pub(super) fn performance_of(
    id: &str,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    predictions: &[PredictionRecord],
    model: &Model,
    control: &Control,
) -> Result<PerformanceWindow, EvaluateError> {
    let probabilities: Vec<f64> = predictions.iter().map(|p| p.probability).collect();
    let accepted = |p: &PredictionRecord| p.outcome.map(|outcome| outcome == Decision::Accepted);
    let outcomes: Vec<Option<bool>> = predictions.iter().map(accepted).collect();
    let applicants = rows::applicants(predictions);
    let rows = PredictedRows { probabilities: &probabilities, outcomes: &outcomes, applicants: &applicants };
    let found = performance(&rows, model.threshold, seed(id), control)?;
    Ok(found.into_window(id.to_owned(), (from, to)))
}

/// Of the random numbers of a window: its id, so that each has others and comparing it again gives the same.
fn seed(id: &str) -> u64 {
    rows::number_of(id.as_bytes())
}
