//! A drift alarm: what has changed, by how much and since when, in words and as evidence.

use crate::features::title_within;
use crate::ids::ModelId;
use crate::watch::{DriftTest, FeatureDrift, Interval, PROBABILITY, SHARE_ACCEPTED, WindowKind};
use crate::watch_record::WatchedWindow;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Features that the reason names; of more it gives the number.
const NAMED: usize = 5;

/// A feature of an alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmFeature {
    /// The feature.
    pub feature: String,
    /// How its values are compared.
    pub test: DriftTest,
    /// How far the values have moved; null where the alarm is not about the values. Its unit is that of
    /// [`FeatureDrift::effect`].
    pub effect: Option<f64>,
    /// By how much the share of missing values has changed; null where the alarm is not about these.
    pub missing: Option<f64>,
    /// [`FeatureDrift::times_floor`] of the window. Not part of the evidence: 0 in an alarm that was read back.
    #[serde(skip)]
    pub times_floor: f64,
}

/// The alarm of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftAlarm {
    /// The model that was watched.
    pub model_id: ModelId,
    /// The window that raised the alarm.
    pub window_id: String,
    /// Kind of the window.
    pub kind: WindowKind,
    /// The start of the first window that showed the drift.
    pub since: DateTime<Utc>,
    /// The end of the window that raised the alarm.
    pub to: DateTime<Utc>,
    /// Rows of that window.
    pub rows: u64,
    /// The features, in the order of the model.
    pub features: Vec<AlarmFeature>,
    /// How well a classifier tells the window from the training data.
    pub domain_auc: Option<Interval>,
    /// The least share of the predictions, 0 to 1, that would have to change for their distribution to be the
    /// reference's.
    pub predictions_moved: Option<f64>,
}

impl DriftAlarm {
    /// The alarm that this window raises; None if the window has no alarm, or if `previous`, the window before it,
    /// already had one.
    pub fn raised(window: &WatchedWindow, previous: Option<&WatchedWindow>) -> Option<Self> {
        let goes_on = previous.is_some_and(|previous| previous.drift.alarm);
        Self::of(window, previous).filter(|_| !goes_on)
    }

    /// The alarm of this window, whichever window raised it; None if the window has no alarm. `previous` is the window
    /// before it.
    pub fn of(window: &WatchedWindow, previous: Option<&WatchedWindow>) -> Option<Self> {
        let drift = &window.drift;
        drift.alarm.then(|| Self {
            model_id: window.model_id.clone(),
            window_id: drift.id.clone(),
            kind: drift.kind,
            since: previous.map_or(drift.from, |previous| previous.drift.from),
            to: drift.to,
            rows: drift.rows,
            features: drift.features.iter().filter(|feature| feature.alarm).map(|f| of_feature(f, previous)).collect(),
            domain_auc: drift.domain_auc,
            predictions_moved: drift.predictions_moved,
        })
    }

    /// The present alarm according to these windows of one kind, the newest first; `window_id` is the window that
    /// raised it. None if the newest window has no alarm.
    pub fn standing(windows: &[WatchedWindow]) -> Option<Self> {
        let alarms = windows.iter().take_while(|window| window.drift.alarm).count();
        let (newest, raised_by) = (windows.first()?, windows.get(alarms.checked_sub(1)?)?);
        let alarm = Self::of(newest, windows.get(1))?;
        let since = windows.get(alarms).map_or(raised_by.drift.from, |before| before.drift.from);
        Some(Self { window_id: raised_by.drift.id.clone(), since, ..alarm })
    }

    /// What has changed: "GPA moved by 0.31 deviations, 12 points more of GMAT are missing".
    pub fn changes(&self) -> String {
        let named: Vec<String> = self.features.iter().take(NAMED).map(AlarmFeature::words).collect();
        let more = match self.features.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}", named.join(", "))
    }

    /// How many features have changed, and which one most: "12 features, most of all activities and awards". For places
    /// with room for one line.
    pub fn summary(&self) -> String {
        let most = self.features.iter().rev().max_by(|a, b| a.times_floor.total_cmp(&b.times_floor));
        let most = most.map(AlarmFeature::name);
        match (self.features.len(), most) {
            (1, Some(name)) => name,
            (features, Some(name)) => format!("{features} features, most of all {name}"),
            (_, None) => "no single feature".to_owned(),
        }
    }

    /// The kind of the windows, the time since when, and the share of the predictions that moved.
    pub fn course(&self) -> String {
        let moved = self
            .predictions_moved
            .map_or(String::new(), |share| format!("; at least {:.0} % of the predictions moved", 100.0 * share));
        let since = self.since.format("%Y-%m-%d %H:%M UTC");
        format!("in two windows of {} in a row, since {since}{moved}", self.kind)
    }

    /// What has changed, since when, and which share of the predictions moved.
    pub fn reason(&self) -> String {
        format!("{} {}", self.changes(), self.course())
    }
}

fn of_feature(feature: &FeatureDrift, previous: Option<&WatchedWindow>) -> AlarmFeature {
    let before = previous.and_then(|p| p.drift.features.iter().find(|before| before.feature == feature.feature));
    // If the alarm is about missing values, the values may be over for the first time, which is no alarm.
    let by_values = feature.over && (!feature.missing.alarm || before.is_some_and(|before| before.over));
    AlarmFeature {
        feature: feature.feature.clone(),
        test: feature.test,
        effect: feature.effect.filter(|_| by_values),
        missing: feature.missing.alarm.then_some(feature.missing.window - feature.missing.reference),
        times_floor: feature.times_floor(),
    }
}

impl AlarmFeature {
    fn name(&self) -> String {
        match self.feature.as_str() {
            PROBABILITY => "the estimated chance".to_owned(),
            SHARE_ACCEPTED => "the share accepted".to_owned(),
            name => title_within(name).unwrap_or_else(|| name.to_owned()),
        }
    }

    /// What has changed, in words.
    pub fn words(&self) -> String {
        let name = self.name();
        let values = self.effect.map(|effect| match self.test {
            DriftTest::KolmogorovSmirnov => format!("{name} moved by {effect:.2} deviations"),
            DriftTest::ChiSquared => format!("a category of {name} moved by {:.0} points", 100.0 * effect),
            DriftTest::Proportion => format!("{name} moved by {:.0} points", 100.0 * effect),
        });
        let missing = self.missing.map(|change| {
            let way = if change < 0.0 { "fewer" } else { "more" };
            format!("{:.0} points {way} of {name} are missing", 100.0 * change.abs())
        });
        let said: Vec<String> = values.into_iter().chain(missing).collect();
        said.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;
    use crate::watch::{DriftReference, DriftWindow};

    fn window(n: i64, alarm: bool) -> WatchedWindow {
        let at = |n| DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(n);
        WatchedWindow {
            model_id: ModelId::new(Algorithm::Xgboost, DateTime::UNIX_EPOCH, 1),
            closed_at: at(n + 1),
            reference: DriftReference { rows: 9, from: None, to: None },
            range: None,
            drift: DriftWindow {
                id: format!("window_{n}"),
                kind: WindowKind::Points,
                from: at(n),
                to: at(n + 1),
                rows: 500,
                rows_tested: 500,
                reference_rows_tested: 9,
                permutations: 0,
                level: 0.05,
                alarm,
                domain_auc: None,
                predictions_moved: None,
                features: Vec::new(),
                not_compared: Vec::new(),
            },
            performance: None,
        }
    }

    #[test]
    fn an_alarm_is_raised_once_and_stands_until_a_window_has_none() {
        let raised = |alarms: [bool; 2]| {
            let [before, now] = [window(0, alarms[0]), window(1, alarms[1])];
            DriftAlarm::raised(&now, Some(&before)).map(|alarm| alarm.window_id)
        };
        assert_eq!(raised([false, true]).as_deref(), Some("window_1"));
        assert_eq!([raised([true, true]), raised([true, false]), raised([false, false])], [None, None, None]);
        let standing = |alarms: &[bool]| {
            let mut windows: Vec<WatchedWindow> = (0..).zip(alarms).map(|(n, alarm)| window(n, *alarm)).collect();
            windows.reverse();
            DriftAlarm::standing(&windows).map(|alarm| (alarm.window_id, alarm.since, alarm.to))
        };
        assert_eq!(standing(&[]), None);
        assert_eq!(standing(&[false, true, true, false]), None);
        let found = standing(&[true, false, false, true, true]);
        assert_eq!(found, Some(("window_3".to_owned(), window(2, false).drift.from, window(4, true).drift.to)));
    }

    fn feature(name: &str, test: DriftTest, effect: Option<f64>, missing: Option<f64>) -> AlarmFeature {
        AlarmFeature { feature: name.to_owned(), test, effect, missing, times_floor: 0.0 }
    }

    #[test]
    fn the_reason_says_what_moved_by_how_much_and_since_when() {
        let mut alarm = DriftAlarm {
            model_id: ModelId::new(Algorithm::Xgboost, DateTime::UNIX_EPOCH, 1),
            window_id: "window_1".to_owned(),
            kind: WindowKind::Predictions,
            since: DateTime::UNIX_EPOCH,
            to: DateTime::UNIX_EPOCH,
            rows: 500,
            features: vec![
                feature("gpa_normalized", DriftTest::KolmogorovSmirnov, Some(0.312), None),
                feature("gmat_percentile", DriftTest::KolmogorovSmirnov, None, Some(0.12)),
                feature(SHARE_ACCEPTED, DriftTest::Proportion, Some(0.08), None),
            ],
            domain_auc: None,
            predictions_moved: Some(0.18),
        };
        assert_eq!(
            alarm.reason(),
            "GPA moved by 0.31 deviations, 12 points more of GMAT are missing, the share accepted \
             moved by 8 points in two windows of predictions in a row, since 1970-01-01 00:00 UTC; at least 18 % of the \
             predictions moved"
        );
        let one = alarm.features[0].clone();
        alarm.features.extend([one.clone(), one.clone(), one]);
        assert!(alarm.reason().contains(" and 1 more in two windows"), "{}", alarm.reason());

        assert_eq!(alarm.summary(), "6 features, most of all GPA");
        alarm.features[1].times_floor = 2.4;
        assert_eq!(alarm.summary(), "6 features, most of all GMAT");
        alarm.features.drain(..2);
        alarm.features.truncate(1);
        assert_eq!(alarm.summary(), "the share accepted");
        alarm.features.clear();
        assert_eq!(alarm.summary(), "no single feature");
    }
}
