#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::record::Decision;
use proptest::prelude::*;
use serde_json::{Value, json};

fn point(profile: Value, program: Value) -> AdmissionDataPoint {
    AdmissionDataPoint::from_value(json!({
        "data_point_id": "a", "decision": Decision::Accepted, "profile": profile, "program": program}))
    .unwrap()
}

fn row(profile: Value, program: Value) -> FeatureRow {
    FeatureTables::default().row(&point(profile, program))
}

fn value(name: &str, profile: Value, program: Value) -> f32 {
    row(profile, program).values[FEATURES.iter().position(|f| *f == name).unwrap()]
}

fn test(kind: &str, field: &str, score: f64) -> Value {
    json!({"test_scores": [{"test_type": kind, field: score}]})
}

/// Anchors, a point between the first two, and both flat ends.
fn check_table(name: &str, kind: &str, field: &str, table: &[(f64, f64)]) {
    for (score, percentile) in table {
        assert_eq!(value(name, test(kind, field, *score), json!({})), *percentile as f32, "{kind} {score}");
    }
    for pair in table.windows(2) {
        let (score, percentile) = ((pair[0].0 + pair[1].0) / 2.0, (pair[0].1 + pair[1].1) / 2.0);
        let got = value(name, test(kind, field, score), json!({}));
        assert!((f64::from(got) - percentile).abs() < 1e-5, "{kind} {score}: {got} {percentile}");
    }
}

const GRE: [(f64, f64); 11] = [
    (340.0, 99.0),
    (335.0, 95.0),
    (330.0, 90.0),
    (325.0, 80.0),
    (320.0, 70.0),
    (315.0, 60.0),
    (310.0, 50.0),
    (305.0, 40.0),
    (300.0, 30.0),
    (295.0, 20.0),
    (290.0, 10.0),
];

#[test]
fn gre_sections() {
    let sections = GRE.map(|(total, p)| (total / 2.0, p));
    check_table("gre_verbal_percentile", "gre", "verbal_score", &sections);
    check_table("gre_quant_percentile", "gre", "quantitative_score", &sections);
    assert_eq!(value("gre_quant_percentile", test("gre", "quantitative_score", 130.0), json!({})), 10.0);
    assert_eq!(value("gre_quant_percentile", test("gre", "quantitative_score", 141.0), json!({})), 10.0);
}

#[test]
fn old_gre_scale() {
    let verbal = [
        (200.0, 0.0),
        (300.0, 4.0),
        (350.0, 14.0),
        (400.0, 29.0),
        (450.0, 44.0),
        (500.0, 61.0),
        (550.0, 74.0),
        (600.0, 85.0),
        (650.0, 92.0),
        (700.0, 97.0),
        (750.0, 99.0),
    ];
    let quant = [
        (200.0, 0.0),
        (300.0, 2.0),
        (400.0, 8.0),
        (500.0, 20.0),
        (550.0, 31.0),
        (600.0, 43.0),
        (650.0, 56.0),
        (700.0, 67.0),
        (750.0, 81.0),
        (780.0, 88.0),
        (800.0, 94.0),
    ];
    check_table("gre_verbal_percentile", "gre", "verbal_score", &verbal);
    check_table("gre_quant_percentile", "gre", "quantitative_score", &quant);
    assert_eq!(value("gre_verbal_percentile", test("gre", "verbal_score", 800.0), json!({})), 99.0);
}

#[test]
fn other_tests() {
    let percentiles = [99.0, 95.0, 90.0, 80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0];
    let table = |scores: [f64; 11]| -> Vec<(f64, f64)> { scores.into_iter().zip(percentiles).collect() };
    let gmat = table([760., 740., 720., 700., 680., 660., 640., 620., 600., 580., 560.]);
    check_table("gmat_percentile", "gmat", "total_score", &gmat);
    let toefl = table([118., 115., 110., 105., 100., 95., 90., 85., 80., 75., 70.]);
    check_table("english_proficiency", "toefl", "total_score", &toefl);
    let ielts = table([9., 8.5, 8., 7.5, 7., 6.5, 6., 5.5, 5., 4.5, 4.]);
    check_table("english_proficiency", "ielts", "total_score", &ielts);
    let english = |kind: &str, score: f64| value("english_proficiency", test(kind, "total_score", score), json!({}));
    assert_eq!(english("toefl", 120.0), 99.0);
    assert_eq!(english("toefl", 0.0), 10.0);
    assert_eq!(english("toefl", 250.0), 70.0, "computer test: 250 is 100");
    assert_eq!(english("toefl", 300.0), 99.0);
    assert_eq!(english("toefl", 677.0), 99.0, "paper test");
    let paper: f64 = (600.0 - 310.0) / 367.0 * 120.0;
    assert!((f64::from(english("toefl", 600.0)) - (50.0 + (paper - 90.0) * 2.0)).abs() < 1e-3);
    assert!(english("gmat", 700.0).is_nan());
}

#[test]
fn impossible_values_are_missing_and_counted() {
    let cases: Vec<(&str, Value, Value)> = vec![
        ("gre_verbal_percentile", test("gre", "verbal_score", 129.0), json!({})),
        ("gre_verbal_percentile", test("gre", "verbal_score", 171.0), json!({})),
        ("gre_quant_percentile", test("gre", "quantitative_score", 801.0), json!({})),
        ("gre_quant_percentile", test("gre", "quantitative_score", 1e308), json!({})),
        ("gmat_percentile", test("gmat", "total_score", 100.0), json!({})),
        ("english_proficiency", test("toefl", "total_score", 305.0), json!({})),
        ("english_proficiency", test("toefl", "total_score", 678.0), json!({})),
        ("english_proficiency", test("ielts", "total_score", 9.5), json!({})),
        ("gpa_normalized", json!({"gpa": 4.1, "gpa_scale": 4.0}), json!({})),
        ("gpa_normalized", json!({"gpa": 3.0, "gpa_scale": 0}), json!({})),
        ("gpa_normalized", json!({"gpa": 0.4, "gpa_scale": 0.5}), json!({})),
        ("gpa_normalized", json!({"gpa": 3.0, "gpa_scale": 1e308}), json!({})),
        ("gpa_normalized", json!({"gpa": 1e308}), json!({})),
    ];
    for (name, profile, program) in cases {
        let row = row(profile.clone(), program);
        let i = FEATURES.iter().position(|f| *f == name).unwrap();
        assert!(row.values[i].is_nan() && !row.is_present(i), "{profile}");
        assert_eq!(row.outliers, 1, "{profile}");
    }
    let odd = row(
        json!({"undergraduate_university_ranking": 0, "volunteer_hours": 1e308, "patents": 1e308, "work_experience_months": 1e9}),
        json!({"acceptance_rate": 74.6, "university_ranking": 1e308, "average_gpa": 99, "gre_quant_avg": 1}),
    );
    assert_eq!(odd.outliers, 8);
    assert_eq!(odd.values[5..], [0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0]);
    assert_eq!(odd.present, 0);
}

#[test]
fn gpa_scales_and_zero() {
    for (gpa, scale, expected) in
        [(3.0, 4.0, 0.75), (8.5, 10.0, 0.85), (62.0, 100.0, 0.62), (4.3, 4.3, 1.0), (4.0, 5.0, 0.8)]
    {
        assert_eq!(value("gpa_normalized", json!({"gpa": gpa, "gpa_scale": scale}), json!({})), expected as f32);
    }
    let zero = row(json!({"gpa": 0, "gpa_scale": 10}), json!({"average_gpa": 3.0}));
    assert!(zero.values[0].is_nan());
    assert_eq!((zero.values[10], zero.outliers, zero.present), (0.0, 0, 0), "0 means missing, and is no outlier");
}

#[test]
fn scores_of_activity() {
    let research = |p: f64, c: f64, t: f64| {
        value("research_score", json!({"research_publications": p, "conference_papers": c, "patents": t}), json!({}))
    };
    assert_eq!(research(2.0, 0.0, 0.0), 0.4);
    assert_eq!(research(0.0, 2.0, 0.0), 0.3);
    assert_eq!(research(0.0, 10.0, 0.0), 0.5);
    assert_eq!(research(0.0, 0.0, 1.0), 0.25);
    assert_eq!(research(0.0, 0.0, 9.0), 0.5);
    assert_eq!(research(9.0, 9.0, 9.0), 1.0);
    let professional = |w: f64, r: f64, i: f64| {
        let profile =
            json!({"work_experience_months": w, "relevant_work_experience_months": r, "internships_count": i});
        f64::from(value("professional_score", profile, json!({})))
    };
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
    near(professional(30.0, 0.0, 0.0), 0.15);
    near(professional(600.0, 0.0, 0.0), 0.3);
    near(professional(0.0, 12.0, 0.0), 0.125);
    near(professional(0.0, 480.0, 0.0), 0.5);
    near(professional(0.0, 0.0, 1.0), 0.04);
    near(professional(0.0, 0.0, 5.0), 0.08);
    near(professional(600.0, 480.0, 5.0), 0.88);
    let extra = |l: f64, a: f64, c: f64, v: f64| {
        let profile = json!({"leadership_positions": l, "academic_awards": a, "professional_certifications": c, "volunteer_hours": v});
        f64::from(value("extracurricular_score", profile, json!({})))
    };
    near(extra(1.0, 0.0, 0.0, 0.0), 0.15);
    near(extra(9.0, 0.0, 0.0, 0.0), 0.4);
    near(extra(0.0, 1.0, 0.0, 0.0), 0.15);
    near(extra(0.0, 9.0, 0.0, 0.0), 0.3);
    near(extra(0.0, 0.0, 2.0, 0.0), 0.2);
    near(extra(0.0, 0.0, 9.0, 0.0), 0.3);
    near(extra(0.0, 0.0, 0.0, 40.0), 0.2);
    near(extra(0.0, 0.0, 0.0, 4000.0), 0.3);
    near(extra(9.0, 9.0, 9.0, 900.0), 1.0);
}

#[test]
fn prestige_and_competitiveness() {
    let steps = [(1, 1.0), (10, 1.0), (11, 0.9), (50, 0.9), (51, 0.8), (100, 0.8), (101, 0.7), (200, 0.7), (201, 0.5)];
    for (rank, prestige) in steps.into_iter().chain([(500, 0.5), (501, 0.3), (90_000, 0.3)]) {
        let profile = json!({"undergraduate_university_ranking": rank});
        assert_eq!(value("undergrad_prestige", profile, json!({})), prestige, "{rank}");
        let expected = (0.7 * (1.0 - 0.2) + 0.3 * f64::from(prestige)) as f32;
        let got =
            value("program_competitiveness", json!({}), json!({"acceptance_rate": 0.2, "university_ranking": rank}));
        assert!((got - expected).abs() < 1e-6, "{rank}");
    }
    assert_eq!(value("undergrad_prestige", json!({}), json!({})), 0.5);
    assert_eq!(value("program_competitiveness", json!({}), json!({})), 0.5);
    assert_eq!(value("program_competitiveness", json!({}), json!({"acceptance_rate": 0.25})), 0.75);
    let ranked = value("program_competitiveness", json!({}), json!({"university_ranking": 30}));
    assert!((ranked - 0.62).abs() < 1e-6);
}

#[test]
fn gaps_to_the_programs_averages() {
    let gap = |profile: Value, program: Value| value("gpa_vs_avg", profile, program);
    assert_eq!(gap(json!({"gpa": 9, "gpa_scale": 10}), json!({"average_gpa": 3.1})), (3.6 - 3.1) as f32);
    assert_eq!(gap(json!({"gpa": 9, "gpa_scale": 10}), json!({"average_gpa": 8.5})), (3.6 - 3.4) as f32);
    assert_eq!(gap(json!({"gpa": 9, "gpa_scale": 10}), json!({})), 0.0);
    assert_eq!(gap(json!({}), json!({"average_gpa": 3.1})), 0.0);
    let tests = test("gre", "quantitative_score", 165.0);
    let row = row(tests.clone(), json!({"gre_quant_avg": 157.5}));
    assert!((row.values[11] - 0.3).abs() < 1e-6);
    assert!(row.is_present(11));
    let unknown = FeatureTables::default().row(&point(tests, json!({})));
    assert_eq!((unknown.values[11], unknown.is_present(11)), (0.0, false));
}

#[test]
fn latest_result_counts_else_the_highest() {
    let quant = |tests: Value| value("gre_quant_percentile", json!({"test_scores": tests}), json!({}));
    let t = |score: f64, day: Option<&str>| json!({"test_type": "gre", "quantitative_score": score, "date_taken": day});
    assert_eq!(quant(json!([t(150.0, None), t(160.0, None), t(155.0, None)])), 70.0);
    assert_eq!(quant(json!([t(160.0, Some("2020-01-01")), t(150.0, Some("2021-01-01"))])), 30.0);
    assert_eq!(quant(json!([t(150.0, Some("2021-01-01")), t(160.0, Some("2020-01-01"))])), 30.0);
    assert_eq!(quant(json!([t(160.0, None), t(150.0, Some("2021-01-01"))])), 30.0);
    assert_eq!(quant(json!([t(150.0, Some("2021-01-01")), t(999.0, Some("2022-01-01"))])), 30.0);
    // A later result without this section leaves the earlier one standing; scales are compared by percentile.
    let verbal_only = json!({"test_type": "gre", "verbal_score": 150, "date_taken": "2022-01-01"});
    assert_eq!(quant(json!([t(150.0, Some("2021-01-01")), verbal_only])), 30.0);
    assert_eq!(quant(json!([t(300.0, None), t(150.0, None)])), 30.0);
}

#[test]
fn tables_are_configuration() {
    let tables: FeatureTables =
        serde_json::from_value(json!({"gmat": [[200, 1], [800, 99]], "prestige": {"unranked": 0.4}})).unwrap();
    let row = tables.row(&point(test("gmat", "total_score", 500.0), json!({})));
    assert_eq!((row.values[3], row.values[8]), (50.0, 0.4));
    tables.check().unwrap();
    let back: FeatureTables = serde_json::from_str(&serde_json::to_string(&FeatureTables::default()).unwrap()).unwrap();
    assert_eq!(back, FeatureTables::default());
    serde_json::from_value::<FeatureTables>(json!({"gmatt": []})).unwrap_err();
    let bad: FeatureTables = serde_json::from_value(json!({"gmat": [], "toefl": [[5, 1], [4, 2]]})).unwrap();
    let pointers: Vec<String> = bad.check().unwrap_err().0.into_iter().map(|f| f.pointer).collect();
    assert_eq!(pointers, ["/gmat", "/toefl"]);
}

proptest! {
    /// Whatever sound values arrive, features are missing or in their range, and percentiles never fall as scores rise.
    #[test]
    fn features_stay_in_range(x in prop_oneof![0.0f64..10.0, 0.0f64..1e3, 0.0f64..f64::MAX], y in 0.0f64..900.0) {
        let profile = json!({"gpa": x, "gpa_scale": y, "research_publications": x, "patents": y, "work_experience_months": x,
            "volunteer_hours": x, "internships_count": y, "undergraduate_university_ranking": x,
            "test_scores": [{"test_type": "gre", "verbal_score": x, "quantitative_score": y}, {"test_type": "toefl", "total_score": y}]});
        let program = json!({"acceptance_rate": x, "average_gpa": y, "gre_quant_avg": x, "university_ranking": y});
        let row = row(profile, program);
        let high = [1.0, 99.0, 99.0, 99.0, 99.0, 1.0, 1.0, 1.0, 1.0, 1.0, 4.0, 1.0f32];
        for (i, v) in row.values.iter().enumerate() {
            let low = if i >= 10 { -high[i] } else { 0.0 };
            prop_assert!(v.is_nan() || (low..=high[i]).contains(v), "{} = {}", FEATURES[i], v);
            prop_assert!(!(v.is_nan() && row.is_present(i)));
        }
    }

    #[test]
    fn percentiles_are_monotone(a in 130.0f64..170.0, b in 130.0f64..170.0) {
        let p = |s| value("gre_quant_percentile", test("gre", "quantitative_score", s), json!({}));
        prop_assert!((a <= b) == (p(a) <= p(b)) || p(a) == p(b));
    }
}
