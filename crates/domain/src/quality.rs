//! The data quality report, every field computed from the data points that a configuration selects.

#[cfg(test)]
mod tests;
mod universities;

use crate::config::TrainingConfig;
use crate::features::{FEATURES, FeatureRow, FeatureTables};
use crate::record::{AdmissionDataPoint, Decision};
use crate::verdict::beside;
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use universities::{MINIMUM, Universities};
use utoipa::ToSchema;

/// Whether the data are good enough to train on, and what is wrong with them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct DataQualityReport {
    /// All points that source and `use_verified_only` select, whatever the decision.
    pub total_samples: u64,
    /// Those that are accepted or rejected: the others are no outcomes yet.
    pub usable_samples: u64,
    /// Rows with a verified outcome.
    pub verified_samples: u64,
    /// Per cent of the points in which a feature is really present.
    pub feature_completeness: BTreeMap<String, f64>,
    /// Points that repeat another point's profile, program and decision under an id of their own.
    pub duplicate_count: u64,
    /// Values that are impossible on every scale.
    pub outlier_count: u64,
    /// Points by decision, all five.
    pub class_distribution: BTreeMap<String, u64>,
    /// Minority over majority of accepted and rejected.
    pub class_balance_ratio: f64,
    /// `min` and `max` application year, as strings.
    pub data_date_range: BTreeMap<String, String>,
    /// Per cent of the points whose application year is this one, the one before, or to come.
    pub recent_data_percentage: f64,
    /// Those with the most points; `warnings` says how many others there are.
    pub samples_by_university: BTreeMap<String, u64>,
    /// Those of these with fewer than 50 points.
    pub universities_below_threshold: Vec<String>,
    /// Whether a job may train on these rows.
    pub passes_quality_check: bool,
    /// What was found, blocking first; what does not block starts with `advice: `.
    pub quality_issues: Vec<String>,
    /// What to do about the warnings.
    pub recommendations: Vec<String>,
    /// Rows of a file that are no data points; they are in no other count.
    #[serde(default)]
    pub rejected_rows: u64,
    /// The first of them, each with its line and reason.
    #[serde(default)]
    pub rejected_reasons: Vec<String>,
    /// Fields of the configuration without effect, rejected rows, columns that were not read.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Application years outside of these are typing errors.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2200;

/// Computes the report from points that are added one at a time; it holds only counts and hashes.
#[derive(Debug, Clone, Default)]
pub struct QualityAccumulator {
    total: u64,
    verified: u64,
    outliers: u64,
    present: [u64; FEATURES.len()],
    decisions: BTreeMap<Decision, u64>,
    years: BTreeMap<i32, u64>,
    universities: Universities,
    /// Hash of a point's content to the hash of the first id that had it. Never iterated, so its order does not matter.
    contents: HashMap<u128, u128>,
    duplicates: u64,
}

impl QualityAccumulator {
    /// An empty accumulator. `tables` must be those that the rows are made with.
    pub fn new(_tables: &FeatureTables) -> Self {
        Self::default()
    }

    /// Adds a point. `features` are the point's features as `FeatureTables::row` gives them.
    pub fn add(&mut self, point: &AdmissionDataPoint, features: &FeatureRow) {
        self.total += 1;
        self.verified += u64::from(point.verified);
        self.outliers += u64::from(features.outliers);
        for (i, count) in self.present.iter_mut().enumerate() {
            *count += u64::from(features.is_present(i));
        }
        *self.decisions.entry(point.decision).or_default() += 1;
        match point.application_year {
            Some(year) if YEARS.contains(&year) => *self.years.entry(year).or_default() += 1,
            Some(_) => self.outliers += 1,
            None => {}
        }
        if let Some(name) = point.program.university_name.as_deref() {
            self.universities.add(name);
        }
        let id = point.row_id();
        let first = *self.contents.entry(point.content_key()).or_insert(id);
        self.duplicates += u64::from(first != id);
    }

    /// The report. With `strict`, advice blocks training too, as in the replaced service. `now` decides which years are
    /// recent.
    pub fn finish(self, config: &TrainingConfig, strict: bool, now: DateTime<Utc>) -> DataQualityReport {
        let count = |d: Decision| self.decisions.get(&d).copied().unwrap_or(0);
        let (accepted, rejected) = (count(Decision::Accepted), count(Decision::Rejected));
        let universities = self.universities.named();
        let (minority, majority) = (accepted.min(rejected), accepted.max(rejected));
        let percent = |n: u64| if self.total == 0 { 0.0 } else { 100.0 * n as f64 / self.total as f64 };
        let recent: u64 = self.years.range(now.year() - 1..).map(|(_, n)| n).sum();
        let mut report = DataQualityReport {
            total_samples: self.total,
            usable_samples: accepted + rejected,
            verified_samples: self.verified,
            feature_completeness: FEATURES
                .iter()
                .zip(self.present)
                .map(|(name, n)| ((*name).to_owned(), percent(n)))
                .collect(),
            duplicate_count: self.duplicates,
            outlier_count: self.outliers,
            class_distribution: Decision::ALL.iter().map(|d| (d.as_str().to_owned(), count(*d))).collect(),
            class_balance_ratio: if majority == 0 { 0.0 } else { minority as f64 / majority as f64 },
            data_date_range: BTreeMap::new(),
            recent_data_percentage: percent(recent),
            universities_below_threshold: universities
                .points
                .iter()
                .filter(|(_, n)| **n < MINIMUM)
                .map(|(name, _)| name.clone())
                .collect(),
            samples_by_university: universities.points,
            ..Default::default()
        };
        if let (Some((min, _)), Some((max, _))) = (self.years.first_key_value(), self.years.last_key_value()) {
            report.data_date_range = BTreeMap::from([("min".into(), min.to_string()), ("max".into(), max.to_string())]);
        }
        report.warnings = config.warnings();
        report.warnings.extend(universities.warnings);
        judge(&mut report, config, strict, (now.year(), universities.small));
        report
    }
}

/// Issues and recommendations, from the numbers of the report, the present year and the number of small universities.
fn judge(report: &mut DataQualityReport, config: &TrainingConfig, strict: bool, (year, small): (i32, usize)) {
    let mut findings = Findings::default();
    blocking(report, config, &mut findings);
    let blocked = findings.issues.len();
    advice(report, year, small, &mut findings);
    let advised = findings.issues.len() > blocked;
    for issue in findings.issues.iter_mut().skip(blocked).filter(|_| !strict) {
        issue.insert_str(0, "advice: ");
    }
    report.passes_quality_check = blocked == 0 && !(strict && advised);
    report.quality_issues = findings.issues;
    report.recommendations = findings.recommendations;
}

#[derive(Default)]
struct Findings {
    issues: Vec<String>,
    recommendations: Vec<String>,
}

impl Findings {
    fn add(&mut self, issue: String, recommendation: impl Into<String>) {
        self.issues.push(issue);
        self.recommendations.push(recommendation.into());
    }
}

fn blocking(r: &DataQualityReport, config: &TrainingConfig, findings: &mut Findings) {
    let count = |name: &str| r.class_distribution.get(name).copied().unwrap_or(0);
    let (accepted, rejected) = (count("accepted"), count("rejected"));
    if r.usable_samples < config.min_samples {
        let hint = if config.use_verified_only {
            "; `use_verified_only` is on, so points that are not verified are left out: switch it off if they may count"
        } else {
            ""
        };
        findings.add(
            format!(
                "{} rows with an outcome (accepted or rejected) of {} selected; `min_samples` asks for {}",
                r.usable_samples, r.total_samples, config.min_samples
            ),
            format!(
                "Import {} more accepted or rejected points, or lower `min_samples` (100 at the least){hint}",
                config.min_samples - r.usable_samples
            ),
        );
    }
    if r.usable_samples == 0 {
        return;
    }
    if accepted == 0 || rejected == 0 {
        let (only, missing) = if accepted == 0 { ("rejected", "accepted") } else { ("accepted", "rejected") };
        findings.add(
            format!("only one class: {accepted} accepted, {rejected} rejected"),
            format!("All rows with an outcome are {only}; import {missing} ones too"),
        );
    } else if r.class_balance_ratio < 0.05 {
        findings.add(
            format!(
                "class balance {} is below 0.05: {accepted} accepted, {rejected} rejected",
                beside(r.class_balance_ratio, 0.05, 3)
            ),
            "Import more points of the rarer decision",
        );
    }
}

fn advice(r: &DataQualityReport, year: i32, small: usize, findings: &mut Findings) {
    if r.total_samples == 0 {
        return;
    }
    if r.class_balance_ratio >= 0.05 && r.class_balance_ratio < 0.3 {
        findings.add(
            format!("class balance {} is below 0.3", beside(r.class_balance_ratio, 0.3, 3)),
            "Judge models by `auc_roc` or `f1_score` rather than `accuracy`, and prefer balanced class weights",
        );
    }
    if r.recent_data_percentage < 50.0 {
        let since = year - 1;
        findings.add(
            format!(
                "{} % of the samples are recent (application year {since} or later)",
                beside(r.recent_data_percentage, 50.0, 1)
            ),
            "Import the latest application years; the `temporal` split shows how well the past predicts them",
        );
    }
    if small > 0 {
        let some = r.universities_below_threshold.iter().take(3).cloned().collect::<Vec<_>>();
        let named = match some.len() {
            0 => String::new(),
            n => format!(" ({}{})", some.join(", "), if small > n { ", …" } else { "" }),
        };
        findings.add(
            format!("universities with fewer than {MINIMUM} samples: {small}{named}"),
            "Predictions for these universities lean on the others; import more of their decisions",
        );
    }
    for feature in FEATURES {
        let present = r.feature_completeness.get(feature).copied().unwrap_or(0.0);
        if present < 50.0 {
            let what = if present == 0.0 { "never sent" } else { "mostly missing" };
            findings.add(
                format!("feature `{feature}` is present in {} % of the samples", beside(present, 50.0, 1)),
                format!("The data behind `{feature}` is {what}: have the sources send it, or leave the feature out"),
            );
        }
    }
    if r.duplicate_count > 0 {
        findings.add(
            format!(
                "{} samples repeat another one's profile, program and decision under another id",
                r.duplicate_count
            ),
            "Retract repeated points; until then `split: grouped` keeps repeats on one side of the split",
        );
    }
    if r.outlier_count > 0 {
        findings.add(
            format!("{} values are impossible on every known scale and were read as missing", r.outlier_count),
            "Look at GPA scales and test scores at the sources, and send corrected points with a higher `seq`",
        );
    }
}
