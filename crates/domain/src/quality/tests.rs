#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use serde_json::{Value, json};

fn now() -> DateTime<Utc> {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn point(id: usize, decision: &str) -> AdmissionDataPoint {
    let doc: Value = json!({"data_point_id": format!("p{id}"), "decision": decision, "application_year": 2025, "verified": true,
        "profile": {"gpa": 2.0 + id as f64 * 1e-4, "undergraduate_university_ranking": 30, "research_publications": 0,
            "work_experience_months": 0, "volunteer_hours": 0, "test_scores": [
            {"test_type": "gre", "verbal_score": 155, "quantitative_score": 160}, {"test_type": "gmat", "total_score": 650},
            {"test_type": "toefl", "total_score": 100}]},
        "program": {"university_name": "U", "program_name": "P", "acceptance_rate": 0.3, "average_gpa": 3.2, "gre_quant_avg": 158}});
    AdmissionDataPoint::from_value(doc).unwrap()
}

fn report(points: &[AdmissionDataPoint], strict: bool) -> DataQualityReport {
    let tables = FeatureTables::default();
    let mut acc = QualityAccumulator::new(&tables);
    for p in points {
        acc.add(p, &tables.row(p));
    }
    let config = TrainingConfig { min_samples: 100, ..Default::default() };
    acc.finish(&config, strict, now())
}

fn mixed(accepted: usize, rejected: usize) -> Vec<AdmissionDataPoint> {
    (0..accepted + rejected).map(|i| point(i, if i < accepted { "accepted" } else { "rejected" })).collect()
}

#[test]
fn clean_data_pass_without_a_word() {
    let r = report(&mixed(80, 70), true);
    assert_eq!((r.quality_issues.len(), r.recommendations.len()), (0, 0), "{:?}", r.quality_issues);
    assert!(r.passes_quality_check);
    assert_eq!((r.total_samples, r.usable_samples, r.verified_samples), (150, 150, 150));
    assert_eq!(r.class_balance_ratio, 70.0 / 80.0);
    assert_eq!(r.data_date_range, BTreeMap::from([("min".into(), "2025".into()), ("max".into(), "2025".into())]));
    assert_eq!(r.recent_data_percentage, 100.0);
    assert_eq!(r.samples_by_university, BTreeMap::from([("U".into(), 150)]));
    assert!(r.feature_completeness.values().all(|p| *p == 100.0), "{:?}", r.feature_completeness);
    assert_eq!(r.feature_completeness.len(), 12);
}

#[test]
fn pending_decisions_are_counted_and_left_out() {
    let mut points = mixed(60, 60);
    points.extend((500..530).map(|i| point(i, ["waitlisted", "deferred", "withdrawn"][i % 3])));
    let r = report(&points, false);
    assert_eq!((r.total_samples, r.usable_samples), (150, 120));
    assert_eq!(r.class_distribution["waitlisted"], 10);
    assert_eq!(r.class_distribution["accepted"], 60);
}

#[test]
fn blocking_rules() {
    let blocked = |points: &[AdmissionDataPoint], word: &str| {
        let r = report(points, false);
        assert!(!r.passes_quality_check);
        assert!(r.quality_issues[0].contains(word), "{:?}", r.quality_issues);
        assert!(!r.recommendations.is_empty());
    };
    blocked(&[], "0 rows with an outcome");
    blocked(&mixed(50, 49), "99 rows with an outcome");
    blocked(&mixed(150, 0), "only one class: 150 accepted, 0 rejected");
    blocked(&mixed(0, 150), "only one class: 0 accepted, 150 rejected");
    blocked(&mixed(4, 146), "class balance 0.027 is below 0.05");
    assert!(report(&mixed(5, 100), false).passes_quality_check, "exactly 0.05 does not block");
}

#[test]
fn advice_blocks_only_when_strict() {
    let mut points = mixed(30, 120);
    points[0].program.university_name = Some("Small".into());
    points[1].profile = points[2].profile.clone();
    points[3].profile.test_scores[0].verbal_score = Some(999.0);
    for p in &mut points[20..] {
        p.application_year = Some(2024);
    }
    for p in &mut points {
        p.program.gre_quant_avg = None;
    }
    let r = report(&points, false);
    assert!(r.passes_quality_check);
    assert!(r.quality_issues.iter().all(|i| i.starts_with("advice: ")), "{:?}", r.quality_issues);
    let words = [
        "class balance 0.250 is below 0.3",
        "13.3 % of the samples are recent (application year 2025 or later)",
        "universities with fewer than 50 samples: 1 (Small)",
        "`test_score_vs_avg` is present in 0.0 %",
        "1 samples repeat",
        "1 values are impossible",
    ];
    assert_eq!(r.quality_issues.len(), words.len(), "{:?}", r.quality_issues);
    for (issue, word) in r.quality_issues.iter().zip(words) {
        assert!(issue.contains(word), "{issue} / {word}");
    }
    assert_eq!(r.recommendations.len(), words.len());
    assert_eq!((r.duplicate_count, r.outlier_count), (1, 1));
    assert_eq!(r.universities_below_threshold, ["Small"]);
    let strict = report(&points, true);
    assert!(!strict.passes_quality_check);
    assert!(strict.quality_issues.iter().all(|i| !i.starts_with("advice")));
}

#[test]
fn a_repeated_id_is_no_duplicate() {
    let p = point(1, "accepted");
    assert_eq!(report(&[p.clone(), p.clone()], false).duplicate_count, 0);
    let mut other = p.clone();
    other.data_point_id = "other".into();
    let mut third = p.clone();
    third.data_point_id = "third".into();
    assert_eq!(report(&[p, other, third], false).duplicate_count, 2);
}

#[test]
fn imputed_values_are_not_present() {
    let bare = AdmissionDataPoint::from_value(json!({"data_point_id": "x", "decision": "accepted",
        "profile": {"gpa": 0, "patents": 1}, "program": {}}))
    .unwrap();
    let r = report(&[bare], false);
    let present: Vec<&String> = r.feature_completeness.iter().filter(|(_, p)| **p > 0.0).map(|(n, _)| n).collect();
    assert_eq!(present, ["research_score"]);
    assert!(r.data_date_range.is_empty());
    assert_eq!(r.recent_data_percentage, 0.0);
}

#[test]
fn impossible_years_are_outliers() {
    let mut p = point(1, "accepted");
    p.application_year = Some(20_245);
    let r = report(&[p], false);
    assert_eq!((r.outlier_count, r.recent_data_percentage), (1, 0.0));
}

#[test]
fn spellings_of_one_university_are_counted_together() {
    let points: Vec<AdmissionDataPoint> = [
        "Univ of C\u{f3}rdoba",
        "Univ of C\u{f3}rdoba ",
        "univ of Co\u{301}rdoba",
        "\u{feff}UNIV  OF C\u{f3}RDOBA",
        "Ohio",
        " - ",
    ]
    .iter()
    .enumerate()
    .map(|(i, name)| {
        AdmissionDataPoint::from_value(serde_json::json!({"data_point_id": i.to_string(), "profile": {},
                    "program": {"university_name": name}, "decision": "accepted"}))
        .unwrap()
    })
    .collect();
    let report = report(&points, false);
    let counted: Vec<_> = report.samples_by_university.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(counted, [("Ohio", 1), ("Univ of C\u{f3}rdoba", 4)]);
    assert_eq!(report.universities_below_threshold.len(), 2);
}
