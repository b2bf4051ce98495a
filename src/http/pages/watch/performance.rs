//! Estimated and realised performance over time.

use crate::http::pages::chart::{Figure, Moment as Value, Timeline, Track, timeline};
use crate::http::pages::text::{count, counted, three};
use provost_domain::watch::{Interval, PerformanceMetrics, PerformanceReport, PerformanceWindow};
use provost_domain::watch_record::WatchedWindow;

type Metric = fn(&PerformanceMetrics) -> Option<Interval>;

/// The metrics that are drawn, and the range of each that is shown at least.
const METRICS: [(&str, Metric, (f64, f64)); 2] =
    [("AUC", |m| m.auc_roc, (0.5, 1.0)), ("Brier score", |m| m.brier_score, (0.0, 0.3))];

/// The windows in order of time, the oldest first, each with whether its calibration holds.
fn report(windows: &[WatchedWindow]) -> Vec<PerformanceWindow> {
    let Some(newest) = windows.first() else { return Vec::new() };
    let all = windows.iter().filter_map(|window| window.performance.clone()).collect();
    let mut windows = PerformanceReport::new(newest.model_id.clone(), all, None).windows;
    windows.reverse();
    windows
}

/// A sentence on whether the newest estimate is reliable.
pub fn summary(windows: &[WatchedWindow]) -> String {
    let windows = report(windows);
    let Some(newest) = windows.last() else { return String::new() };
    let outcomes: u64 = windows.iter().map(|window| window.outcomes).sum();
    let known = counted(outcomes, "outcome");
    match newest.calibration_holds {
        Some(true) => format!("{known} have come in, and the chances agree with them: the estimates may be believed."),
        Some(false) => {
            format!("{known} have come in, and the chances do not agree with them: do not rely on the estimates.")
        }
        None => format!("{known} have come in, too few to say whether the estimates may be believed."),
    }
}

fn text(value: Option<Interval>) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{} ({} to {})", three(v.value), three(v.low), three(v.high)))
}

/// `windows` are those of predictions, the newest first.
pub fn figures(windows: &[WatchedWindow]) -> Vec<Figure> {
    let windows = report(windows);
    if windows.is_empty() {
        return Vec::new();
    }
    let figure = |(name, metric, range): (&str, Metric, (f64, f64))| {
        let value = |window: &PerformanceWindow, of: Option<PerformanceMetrics>| {
            let found = metric(&of?)?;
            Some(Value { at: window.to, value: found.value, interval: Some((found.low, found.high)) })
        };
        let estimated = windows.iter().filter_map(|window| value(window, Some(window.estimated))).collect();
        let realised = windows.iter().filter_map(|window| value(window, window.realised)).collect();
        let tracks = [
            Track { name: "estimated".to_owned(), moments: estimated },
            Track { name: "realised".to_owned(), moments: realised },
        ];
        let rows = windows.iter().map(|window| {
            let holds = window.calibration_holds.map_or("unknown", |holds| if holds { "yes" } else { "no" });
            vec![
                window.to.format("%Y-%m-%d %H:%M").to_string(),
                count(window.rows),
                text(metric(&window.estimated)),
                text(window.realised.as_ref().and_then(metric)),
                count(window.outcomes),
                holds.to_owned(),
            ]
        });
        let chart = Timeline {
            title: name,
            description: "What the probabilities let expect of each window, and what was realised on the rows whose outcome is known, with 95 % intervals.",
            note: "● estimated from the chances alone · ▲ realised, where outcomes are known".to_owned(),
            y_name: name,
            level: None,
            range,
            columns: ["Until", "Rows", "Estimated", "Realised", "Outcomes", "Estimates believable"]
                .map(str::to_owned)
                .into(),
            rows: rows.collect(),
        };
        timeline(&tracks, chart)
    };
    METRICS.map(figure).into()
}
