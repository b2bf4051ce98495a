//! Drift over time, and alarms with their evidence.

use super::KindView;
use crate::http::BASE;
use crate::http::pages::State;
use crate::http::pages::chart::{Figure, Moment as Value, Timeline, Track, key, timeline};
use crate::http::pages::text::{Moment, count, counted, percent, three, words};
use chrono::{DateTime, Utc};
use provost_domain::ModelId;
use provost_domain::watch::{DriftTest, FeatureDrift, PROBABILITY, SHARE_ACCEPTED, WindowKind};
use provost_domain::watch_alarm::DriftAlarm;
use provost_domain::watch_record::WatchedWindow;
use provost_store::StoreError;

/// How many features the chart shows: those that moved most, relative to the smallest change that counts.
const SERIES: usize = 4;

/// A feature of a window with an alarm.
pub struct AlarmRow {
    pub feature: String,
    pub change: String,
    pub evidence: String,
    pub until: Moment,
    pub address: String,
}

/// What operators call a feature.
fn named(feature: &str) -> String {
    match feature {
        PROBABILITY => "Estimated chance".to_owned(),
        SHARE_ACCEPTED => "Share accepted".to_owned(),
        name => words(name),
    }
}

/// `windows` come the newest first.
pub(super) fn view(kind: WindowKind, windows: &[WatchedWindow], now: DateTime<Utc>) -> KindView {
    let (heading, id, one) = match kind {
        WindowKind::Predictions => ("Predictions", "h-predictions", "prediction"),
        WindowKind::Points => ("Recorded points", "h-points", "point"),
    };
    let summary = match windows.first() {
        None => "No window was closed yet.".to_owned(),
        Some(newest) => format!(
            "{}, the last of {}{}",
            counted(windows.len() as u64, "window"),
            counted(newest.drift.rows, one),
            newest.drift.domain_auc.map_or(String::new(), |auc| format!(
                ". A classifier tells it from the training data with an AUC of {} ({} to {}; 0.5 is by chance)",
                three(auc.value),
                three(auc.low),
                three(auc.high)
            ))
        ),
    };
    let names = moved_most(windows);
    let alarms = windows.iter().flat_map(|window| {
        window.drift.features.iter().filter(|feature| feature.alarm).map(move |feature| row(window, feature, now))
    });
    KindView {
        heading,
        id,
        summary,
        figure: (!windows.is_empty()).then(|| figure(heading, windows, &names)),
        names: (1..).zip(&names).map(|(series, name)| (key(series), named(name))).collect(),
        alarms: alarms.collect(),
        record: windows.first().map(address),
    }
}

fn address(window: &WatchedWindow) -> String {
    format!("{BASE}/drift/windows/{}", window.id())
}

fn row(window: &WatchedWindow, feature: &FeatureDrift, now: DateTime<Utc>) -> AlarmRow {
    let values = feature.effect.filter(|_| feature.over).map(|value| match feature.test {
        DriftTest::KolmogorovSmirnov => {
            format!("{} standard deviations (counts above {})", three(value), three(feature.floor))
        }
        DriftTest::ChiSquared | DriftTest::Proportion => {
            format!("{} of the rows (counts above {})", percent(value), percent(feature.floor))
        }
    });
    let missing = feature.missing.alarm.then(|| {
        let [now, before] = [feature.missing.window, feature.missing.reference].map(percent);
        format!("missing in {now} of the rows, {before} in training")
    });
    let level = window.drift.level;
    let chance = |q: Option<f64>| q.map(|q| format!("q {} (counts up to {})", three(q), three(level)));
    let q = chance(feature.q.filter(|_| feature.over)).or_else(|| chance(feature.missing.q));
    AlarmRow {
        feature: named(&feature.feature),
        change: values.into_iter().chain(missing).collect::<Vec<_>>().join("; "),
        evidence: format!("{}, {} rows", q.unwrap_or_default(), count(window.drift.rows)),
        until: Moment::new(window.drift.to, now),
        address: address(window),
    }
}

/// The features that moved most in any of the windows, most first.
fn moved_most(windows: &[WatchedWindow]) -> Vec<String> {
    let mut most: Vec<(f64, &str)> = Vec::new();
    for feature in windows.iter().flat_map(|window| &window.drift.features) {
        let moved = feature.times_floor();
        match most.iter_mut().find(|(_, name)| *name == feature.feature) {
            Some((known, _)) => *known = known.max(moved),
            None => most.push((moved, &feature.feature)),
        }
    }
    most.sort_by(|a, b| b.0.total_cmp(&a.0));
    most.into_iter().take(SERIES).map(|(_, name)| name.to_owned()).collect()
}

fn figure(heading: &str, windows: &[WatchedWindow], names: &[String]) -> Figure {
    let in_time = || windows.iter().rev();
    let of = |window: &WatchedWindow, name: &str| {
        window.drift.features.iter().find(|feature| feature.feature == *name).map(FeatureDrift::times_floor)
    };
    let track = |name: &String| Track {
        name: named(name),
        moments: in_time()
            .filter_map(|window| Some(Value { at: window.drift.to, value: of(window, name)?, interval: None }))
            .collect(),
    };
    let all: Vec<String> = windows
        .first()
        .map(|newest| newest.drift.features.iter().map(|feature| feature.feature.clone()).collect())
        .unwrap_or_default();
    let rows = in_time().map(|window| {
        let alarm = if window.drift.alarm { "alarm" } else { "–" };
        let time = window.drift.to.format("%Y-%m-%d %H:%M").to_string();
        let first = [time, count(window.drift.rows), alarm.to_owned()];
        let values = all.iter().map(|name| of(window, name).map_or_else(|| "–".to_owned(), three));
        first.into_iter().chain(values).collect()
    });
    let columns = ["Until", "Rows", "Alarm"].map(str::to_owned).into_iter().chain(all.iter().map(|name| named(name)));
    let title = format!("Drift of {}", heading.to_lowercase());
    let chart = Timeline {
        title: &title,
        description: "How far the features have moved from the training data, window by window, as multiples of the smallest change that counts, which is the dashed line. The features that moved most are drawn; the table has all.",
        note: "1 is the smallest change that counts; a larger one is an alarm if it is not by chance and is there in two windows in a row"
            .to_owned(),
        y_name: "change / smallest that counts",
        level: Some(1.0),
        range: (0.0, 1.5),
        columns: columns.collect(),
        rows: rows.collect(),
    };
    timeline(&names.iter().map(track).collect::<Vec<_>>(), chart)
}

/// A sentence on a model's drift, and whether there is an alarm. None if none of the model's windows is kept.
pub async fn since(state: &State, model: &ModelId) -> Result<Option<(String, bool)>, StoreError> {
    let (mut seen, mut alarms) = (0, Vec::new());
    for kind in WindowKind::ALL {
        let windows = super::windows(state, model, *kind).await?;
        seen += windows.len() as u64;
        alarms.extend(DriftAlarm::standing(&windows));
    }
    Ok(match alarms.first() {
        Some(alarm) => Some((format!("{} {}", alarm.summary(), alarm.course()), true)),
        None => (seen > 0).then(|| (format!("none, by {}", counted(seen, "window")), false)),
    })
}
