//! Results of watching a model, as clients read them: drift of the data and of the predictions, and the performance
//! that is estimated without outcomes.

use crate::ids::ModelId;
use crate::words::word_enum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Name in [`DriftWindow::features`] of the calibrated probability that the model answered, compared as a numeric
/// feature.
pub const PROBABILITY: &str = "probability";
/// Name in [`DriftWindow::features`] of the share of rows that the model accepts.
pub const SHARE_ACCEPTED: &str = "share_accepted";

word_enum!(
/// Of what a window consists. `predictions`: the applications that were predicted. `points`: the points that were recorded.
WindowKind {
    Predictions = "predictions",
    Points = "points",
});

word_enum!(
/// How the values of a feature are compared with the reference. `kolmogorov_smirnov`: numeric features; the p-value is of the
/// Kolmogorov-Smirnov and the Wasserstein distance together. `chi_squared`: categories, against the reference's proportions.
/// `proportion`: the share of rows that have a property.
DriftTest {
    KolmogorovSmirnov = "kolmogorov_smirnov",
    ChiSquared = "chi_squared",
    Proportion = "proportion",
});

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

/// What windows are compared with: rows of the active model's training snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DriftReference {
    /// Rows of the reference.
    pub rows: u64,
    /// The first application year among the rows; null where no row has a year.
    pub from: Option<i32>,
    /// The last application year among the rows; null where no row has a year.
    pub to: Option<i32>,
}

/// How the share of missing values of a feature has changed, by the two-proportion statistic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MissingDrift {
    /// Share of the reference's rows without a value, 0 to 1.
    pub reference: f64,
    /// Share of the window's rows without a value, 0 to 1.
    pub window: f64,
    /// Absolute difference of the two shares.
    pub effect: f64,
    /// Effects up to this are never an alarm: a share of rows.
    pub floor: f64,
    /// By permuting applicants between window and reference; null where nothing can be permuted.
    pub p: Option<f64>,
    /// The p-value after Benjamini and Hochberg's correction over all tests of the window.
    pub q: Option<f64>,
    /// Whether q is at most the window's level and the effect above the floor, in this window.
    pub over: bool,
    /// Whether this was so in this window and in the one before.
    pub alarm: bool,
}

/// One feature of a window compared with the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FeatureDrift {
    /// The feature; [`PROBABILITY`] and [`SHARE_ACCEPTED`] stand for the predictions.
    pub feature: String,
    /// How its values are compared.
    pub test: DriftTest,
    /// `kolmogorov_smirnov`: the largest difference of the two distribution functions, 0 to 1. `chi_squared`: Pearson's
    /// statistic against the reference's proportions, over the categories that the reference has. `proportion`: z of the two
    /// shares. Null where either side has no value.
    pub statistic: Option<f64>,
    /// `kolmogorov_smirnov`: the Wasserstein distance (order 1) in standard deviations of the reference, or the share of the
    /// window's values that differ from the only value of the reference. `chi_squared`: the largest change of a category's
    /// proportion. `proportion`: the change of the share. Never negative; null where either side has no value.
    pub effect: Option<f64>,
    /// Effects up to this are never an alarm, in the effect's unit: the larger of 0.1 of a deviation or 0.05 of a proportion
    /// and the spread between the cycles of the reference.
    pub floor: f64,
    /// By permuting applicants between window and reference; null where nothing can be permuted.
    pub p: Option<f64>,
    /// The p-value after Benjamini and Hochberg's correction over all tests of the window.
    pub q: Option<f64>,
    /// The share of missing values.
    pub missing: MissingDrift,
    /// `chi_squared`: the share of the window's values whose category the reference does not have; null for other tests, and
    /// where the window has no value.
    pub new_categories: Option<f64>,
    /// Whether q is at most the window's level and the effect above the floor, in this window.
    pub over: bool,
    /// Whether the values or the share of missing values were over in this window and in the one before.
    pub alarm: bool,
}

impl FeatureDrift {
    /// The larger of two effects, of the values and of missing values, each as a multiple of its floor. An effect
    /// counts if it is above 1.
    pub fn times_floor(&self) -> f64 {
        let share = |effect: f64, floor: f64| if floor > 0.0 { effect / floor } else { effect };
        share(self.effect.unwrap_or(0.0), self.floor).max(share(self.missing.effect, self.missing.floor))
    }
}

/// A window compared with the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DriftWindow {
    /// The window's id.
    pub id: String,
    /// Of what it consists.
    pub kind: WindowKind,
    /// The time of its first row.
    pub from: DateTime<Utc>,
    /// The time of its last row.
    pub to: DateTime<Utc>,
    /// Rows of the window.
    pub rows: u64,
    /// Rows of the window that p-values and the domain classifier are computed on: a large window is sampled, by whole
    /// applicants. Statistics and effects are of all rows.
    pub rows_tested: u64,
    /// Rows of the reference that p-values and the domain classifier are computed on.
    pub reference_rows_tested: u64,
    /// Permutations of the p-value that took the most; 0 where nothing can be permuted.
    pub permutations: u32,
    /// The false-discovery rate that q is held against: 0.05, and less where the reference is small beside the window, since two
    /// windows in a row then err together.
    pub level: f64,
    /// Whether a feature is over in this window and in the one before.
    pub alarm: bool,
    /// Area under the ROC curve of a classifier that tells the window's rows from the reference's by their features, out of
    /// fold: 0.5 where they are alike. Null with too few rows.
    pub domain_auc: Option<Interval>,
    /// The least share of the predictions that would have to move for their distribution to be the reference's: the
    /// Kolmogorov-Smirnov distance of the probabilities. Null without predictions.
    pub predictions_moved: Option<f64>,
    /// The model's features in their order, less those of `not_compared`; then [`PROBABILITY`] and [`SHARE_ACCEPTED`] where
    /// there are predictions.
    pub features: Vec<FeatureDrift>,
    /// Features of the model that are not compared, since they tell when the application was made: those of new applications
    /// always differ.
    #[serde(default)]
    pub not_compared: Vec<String>,
}

/// The result of comparing rows with the reference, before it is assigned to a window. The fields are those of
/// [`DriftWindow`].
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// Rows of the window.
    pub rows: u64,
    /// Rows of the window that p-values and the domain classifier are computed on.
    pub rows_tested: u64,
    /// Rows of the reference that p-values and the domain classifier are computed on.
    pub reference_rows_tested: u64,
    /// Permutations of the p-value that took the most.
    pub permutations: u32,
    /// The false-discovery rate that q is held against.
    pub level: f64,
    /// Area under the ROC curve of a classifier that tells the window from the reference.
    pub domain_auc: Option<Interval>,
    /// The least share of the predictions, 0 to 1, that would have to change for their distribution to be the
    /// reference's.
    pub predictions_moved: Option<f64>,
    /// The features; their alarms are not set yet.
    pub features: Vec<FeatureDrift>,
    /// Features that are not compared.
    pub not_compared: Vec<String>,
}

impl Drift {
    /// The window of this id and kind, with the times of its first and last row. Alarms are set by comparing with
    /// `previous`, the window before it of the same kind.
    pub fn into_window(
        self,
        id: String,
        kind: WindowKind,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        previous: Option<&DriftWindow>,
    ) -> DriftWindow {
        let mut window = DriftWindow {
            id,
            kind,
            from,
            to,
            rows: self.rows,
            rows_tested: self.rows_tested,
            reference_rows_tested: self.reference_rows_tested,
            permutations: self.permutations,
            level: self.level,
            alarm: false,
            domain_auc: self.domain_auc,
            predictions_moved: self.predictions_moved,
            features: self.features,
            not_compared: self.not_compared,
        };
        window.follow(previous);
        window
    }
}

/// What has changed since the active model's training, as `GET /drift` answers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DriftReport {
    /// The active model.
    pub model_id: ModelId,
    /// What windows are compared with.
    pub reference: DriftReference,
    /// Whether the newest window of a kind has an alarm.
    pub alarm: bool,
    /// The start of the first window since which the alarm's features have been over without a break; null without an alarm.
    pub since: Option<DateTime<Utc>>,
    /// The windows, the newest first.
    pub windows: Vec<DriftWindow>,
}

impl DriftWindow {
    /// Sets the alarms. A feature has an alarm if it is over in this window and in `previous`, the window before it of
    /// the same kind, in the same respect (values or missing values).
    pub fn follow(&mut self, previous: Option<&Self>) {
        for feature in &mut self.features {
            let before = previous.and_then(|window| window.feature(&feature.feature));
            feature.missing.alarm = feature.missing.over && before.is_some_and(|b| b.missing.over);
            feature.alarm = feature.missing.alarm || (feature.over && before.is_some_and(|b| b.over));
        }
        self.alarm = self.features.iter().any(|feature| feature.alarm);
    }

    fn feature(&self, name: &str) -> Option<&FeatureDrift> {
        self.features.iter().find(|feature| feature.feature == name)
    }
}

impl DriftReport {
    /// The report of windows of both kinds, the newest first, with their alarms set.
    pub fn new(model_id: ModelId, reference: DriftReference, windows: Vec<DriftWindow>) -> Self {
        let since = WindowKind::ALL.iter().filter_map(|kind| since(&windows, *kind)).min();
        Self { model_id, reference, alarm: since.is_some(), since, windows }
    }
}

/// If the newest window of a kind has an alarm: the start of the first window since which a feature of the alarm has
/// been over in every window.
fn since(windows: &[DriftWindow], kind: WindowKind) -> Option<DateTime<Utc>> {
    let of_kind = || windows.iter().filter(|window| window.kind == kind);
    let newest = of_kind().next().filter(|window| window.alarm)?;
    let first =
        |over: &dyn Fn(&DriftWindow) -> bool| of_kind().take_while(|w| over(w)).last().map(|window| window.from);
    let of_feature = |feature: &FeatureDrift| {
        let name = &feature.feature;
        let values = |window: &DriftWindow| window.feature(name).is_some_and(|f| f.over);
        let missing = |window: &DriftWindow| window.feature(name).is_some_and(|f| f.missing.over);
        let by_values = if feature.over { first(&values) } else { None };
        let by_missing = if feature.missing.alarm { first(&missing) } else { None };
        by_values.into_iter().chain(by_missing).min()
    };
    newest.features.iter().filter(|feature| feature.alarm).filter_map(of_feature).min()
}

/// The metrics of a window's predictions; each is null where it is undefined, as the AUC of one class.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct PerformanceMetrics {
    /// Area under the ROC curve.
    pub auc_roc: Option<Interval>,
    /// Harmonic mean of precision and recall, at the model's threshold.
    pub f1_score: Option<Interval>,
    /// Share of rows whose outcome is predicted, at the model's threshold.
    pub accuracy: Option<Interval>,
    /// Mean squared error of the probabilities.
    pub brier_score: Option<Interval>,
}

/// What a window's predictions are worth: as the probabilities let expect, and as the outcomes say where they have come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PerformanceWindow {
    /// The window's id.
    pub id: String,
    /// The time of its first row.
    pub from: DateTime<Utc>,
    /// The time of its last row.
    pub to: DateTime<Utc>,
    /// Rows of the window.
    pub rows: u64,
    /// Rows of the window whose outcome is known.
    pub outcomes: u64,
    /// Expected from the calibrated probabilities alone (CBPE). An interval is for the value that the window's outcomes will
    /// realise, so that it is wider where rows are few.
    pub estimated: PerformanceMetrics,
    /// On the rows whose outcome is known; null without any.
    pub realised: Option<PerformanceMetrics>,
    /// Whether the outcomes agree with the probabilities, so that estimates may be believed: by the window's own outcomes where
    /// there are 30 and 5 are expected of each kind, else as the newest window before it says. False where a realised metric is
    /// outside the central 95 % of what outcomes drawn from the probabilities give. Null where no window says anything.
    pub calibration_holds: Option<bool>,
}

/// The performance of the predictions of a window, before it is assigned to a window. The fields are those of
/// [`PerformanceWindow`].
#[derive(Debug, Clone, PartialEq)]
pub struct Performance {
    /// Rows of the window.
    pub rows: u64,
    /// Rows of the window whose outcome is known.
    pub outcomes: u64,
    /// Metrics that the calibrated probabilities alone lead to expect.
    pub estimated: PerformanceMetrics,
    /// Metrics on the rows whose outcome is known.
    pub realised: Option<PerformanceMetrics>,
    /// Whether calibration holds by the window's own outcomes; None if it has too few.
    pub calibration_holds: Option<bool>,
}

impl Performance {
    /// The window of this id, with the times of its first and last row.
    pub fn into_window(self, id: String, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> PerformanceWindow {
        let Self { rows, outcomes, estimated, realised, calibration_holds } = self;
        PerformanceWindow { id, from, to, rows, outcomes, estimated, realised, calibration_holds }
    }
}

/// The performance of the active model's predictions, as `GET /performance` answers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PerformanceReport {
    /// The active model.
    pub model_id: ModelId,
    /// The windows, the newest first.
    pub windows: Vec<PerformanceWindow>,
}

impl PerformanceReport {
    /// The report of windows, the newest first. A window that cannot tell by its own outcomes whether calibration holds
    /// takes the answer of the newest window before it that can; `before` is the answer that came before all of these
    /// windows.
    pub fn new(model_id: ModelId, mut windows: Vec<PerformanceWindow>, before: Option<bool>) -> Self {
        let mut known = before;
        for window in windows.iter_mut().rev() {
            known = window.calibration_holds.or(known);
            window.calibration_holds = known;
        }
        Self { model_id, windows }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::algorithm::Algorithm;
    use chrono::TimeDelta;
    use serde_json::json;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hour)
    }

    fn feature(name: &str, over: bool, missing: bool) -> FeatureDrift {
        FeatureDrift {
            feature: name.to_owned(),
            test: DriftTest::KolmogorovSmirnov,
            statistic: Some(0.2),
            effect: Some(0.3),
            floor: 0.1,
            p: Some(0.001),
            q: Some(0.01),
            missing: MissingDrift {
                reference: 0.0,
                window: 0.5,
                effect: 0.5,
                floor: 0.05,
                p: None,
                q: None,
                over: missing,
                alarm: false,
            },
            new_categories: None,
            over,
            alarm: false,
        }
    }

    fn window(hour: i64, kind: WindowKind, features: Vec<FeatureDrift>) -> DriftWindow {
        DriftWindow {
            id: format!("w-{hour}"),
            kind,
            from: at(hour),
            to: at(hour + 1),
            rows: 500,
            rows_tested: 500,
            reference_rows_tested: 2_000,
            permutations: 2_000,
            level: 0.05,
            alarm: false,
            domain_auc: Some(Interval { value: 0.6, low: 0.5, high: 0.7 }),
            predictions_moved: None,
            features,
            not_compared: vec!["application_year".to_owned()],
        }
    }

    fn model() -> ModelId {
        ModelId::new(Algorithm::RandomForest, DateTime::UNIX_EPOCH, 1)
    }

    /// Windows of one kind in order of time, each with what is over for `gpa`: its values, its missing values.
    fn report(over: &[(bool, bool)]) -> DriftReport {
        let mut windows: Vec<DriftWindow> = Vec::new();
        for (hour, (values, missing)) in over.iter().enumerate() {
            let features = vec![feature("gpa", *values, *missing), feature("gre", hour % 2 == 0, false)];
            let mut next = window(hour as i64, WindowKind::Points, features);
            next.follow(windows.last());
            windows.push(next);
        }
        windows.reverse();
        DriftReport::new(model(), DriftReference { rows: 9_000, from: Some(2012), to: Some(2015) }, windows)
    }

    #[test]
    fn an_alarm_takes_two_windows_in_a_row_of_the_same_feature_in_the_same_respect() {
        let (yes, no) = ((true, false), (false, false));
        for quiet in [&[][..], &[yes], &[yes, no], &[yes, yes, no], &[no, yes, no, yes], &[yes, (false, true)]] {
            let report = report(quiet);
            assert_eq!((report.alarm, report.since), (false, None), "{quiet:?}");
        }
        let found = report(&[yes, no, yes, yes, yes]);
        assert_eq!((found.alarm, found.since), (true, Some(at(2))));
        let alarms: Vec<bool> = found.windows.iter().map(|w| w.alarm).collect();
        assert_eq!(alarms, [true, true, false, false, false]);
        assert!(found.windows[0].features[0].alarm && !found.windows[0].features[1].alarm);
        // By missing values alone.
        let found = report(&[no, (false, true), (true, true)]);
        assert_eq!(found.since, Some(at(1)));
        assert!(found.windows[0].features[0].missing.alarm);
    }

    #[test]
    fn windows_of_the_other_kind_do_not_stand_between() {
        let of = |hour, kind| window(hour, kind, vec![feature("gpa", true, false)]);
        let first = of(0, WindowKind::Points);
        let mut second = of(2, WindowKind::Points);
        second.follow(Some(&first));
        let windows = vec![of(3, WindowKind::Predictions), second, of(1, WindowKind::Predictions), first];
        let report = DriftReport::new(model(), DriftReference { rows: 1, from: None, to: None }, windows);
        assert_eq!((report.alarm, report.since), (true, Some(at(0))));
    }

    #[test]
    fn the_shape_is_the_contracts() {
        let report = serde_json::to_value(report(&[(true, true)])).unwrap();
        let names: std::collections::BTreeSet<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["alarm", "model_id", "reference", "since", "windows"].into());
        assert_eq!(report["reference"], json!({"rows": 9000, "from": 2012, "to": 2015}));
        let window = &report["windows"][0];
        for name in ["id", "kind", "from", "to", "rows", "alarm", "domain_auc", "features"] {
            assert!(window.get(name).is_some(), "{name}");
        }
        assert_eq!(window["not_compared"], json!(["application_year"]));
        assert_eq!((&window["kind"], &window["domain_auc"]["low"]), (&json!("points"), &json!(0.5)));
        let feature = &window["features"][0];
        for name in ["feature", "test", "statistic", "effect", "floor", "p", "q", "missing", "new_categories", "alarm"]
        {
            assert!(feature.get(name).is_some(), "{name}");
        }
        assert_eq!(feature["test"], "kolmogorov_smirnov");
        // A window that an older version closed does not say what it left out.
        let mut older = window.clone();
        older.as_object_mut().unwrap().remove("not_compared");
        let read: DriftWindow = serde_json::from_value(older).unwrap();
        assert_eq!((read.rows, read.not_compared.len()), (500, 0));
    }

    #[test]
    fn a_window_without_outcomes_trusts_the_newest_one_before_it() {
        let of = |hour, calibration_holds| PerformanceWindow {
            id: format!("w-{hour}"),
            from: at(hour),
            to: at(hour + 1),
            rows: 10,
            outcomes: 0,
            estimated: PerformanceMetrics::default(),
            realised: None,
            calibration_holds,
        };
        let answers = [None, Some(false), None, None, Some(true), None, None];
        let known = |before| -> Vec<Option<bool>> {
            let windows = answers.iter().enumerate().map(|(i, holds)| of(9 - i as i64, *holds)).collect();
            PerformanceReport::new(model(), windows, before).windows.iter().map(|w| w.calibration_holds).collect()
        };
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(known(None), [no, no, yes, yes, yes, None, None]);
        assert_eq!(known(no), [no, no, yes, yes, yes, no, no]);
    }
}
