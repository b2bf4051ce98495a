#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::features::FeatureTables;
use serde_json::{Value, json};

fn point(id: &str, decision: &str, rate: f64, seq: u64) -> AdmissionDataPoint {
    let doc: Value = json!({"data_point_id": id, "decision": decision, "application_year": 2024, "seq": seq,
        "profile": {"gpa": 3.0}, "program": {"university_name": "U", "program_name": "P", "acceptance_rate": rate}});
    AdmissionDataPoint::from_value(doc).unwrap()
}

fn snapshot(points: &[AdmissionDataPoint]) -> Snapshot {
    let tables = FeatureTables::default();
    let mut builder = SnapshotBuilder::new();
    for p in points {
        assert_eq!(builder.add(p, &tables.row(p), None), p.decision.label().is_some());
    }
    builder.finish()
}

#[test]
fn order_of_arrival_does_not_matter() {
    let mut points: Vec<_> = (0..50).map(|i| point(&format!("p{i}"), "accepted", 0.3, 0)).collect();
    let forward = snapshot(&points);
    points.reverse();
    assert_eq!(format!("{:?}", snapshot(&points)), format!("{forward:?}"));
    assert!(forward.row_ids.is_sorted());
    assert_eq!(forward.rows(), 50);
    assert_eq!(forward.columns.len(), forward.feature_names.len());
    assert!(forward.columns.iter().all(|c| c.len() == 50));
    assert_eq!(forward.years, [2024; 50]);
    assert!(forward.warnings.is_empty());
}

#[test]
fn only_outcomes_and_only_the_highest_seq() {
    let points = [
        point("a", "accepted", 0.3, 1),
        point("a", "rejected", 0.3, 2),
        point("a", "accepted", 0.3, 0),
        point("b", "waitlisted", 0.3, 0),
    ];
    let s = snapshot(&points);
    assert_eq!(s.labels, [0]);
}

#[test]
fn a_rate_that_varies_within_a_year_is_warned_of() {
    let mut points: Vec<_> = (0..40).map(|i| point(&format!("p{i}"), "accepted", 0.3, 0)).collect();
    points[7].program.acceptance_rate = Some(0.31);
    let s = snapshot(&points);
    assert_eq!(s.warnings.len(), 1);
    assert!(
        s.warnings[0].starts_with("`program.acceptance_rate` has several values within 1 of 1"),
        "{}",
        s.warnings[0]
    );
}

#[test]
fn a_leave_one_out_rate_is_a_leak() {
    let n = 60;
    let accepted = n / 2;
    let points: Vec<_> = (0..n)
        .map(|i| {
            let own = i % 2;
            let rate = f64::from(accepted - own) / f64::from(n - 1);
            point(&format!("p{i}"), if own == 1 { "accepted" } else { "rejected" }, rate, 0)
        })
        .collect();
    let s = snapshot(&points);
    assert_eq!(s.warnings.len(), 1);
    assert!(s.warnings[0].starts_with("leak: ") && s.warnings[0].contains("AUC 0.000"), "{}", s.warnings[0]);
}

#[test]
fn the_extended_columns_follow_the_twelve() {
    let points: Vec<_> =
        (0..9).map(|i| point(&format!("p{i}"), ["accepted", "rejected", "waitlisted"][i % 3], 0.3, 0)).collect();
    let tables = FeatureTables::default();
    let mut builder = SnapshotBuilder::new();
    for p in &points {
        builder.add(p, &tables.row(p), Some(tables.extended(p)));
    }
    let (snapshot, base) = (builder.finish(), snapshot(&points));
    assert_eq!(snapshot.feature_names[..12], base.feature_names[..]);
    assert_eq!(snapshot.feature_names[12..], EXTENDED.map(String::from));
    // Compared as bits: NaN is a value here.
    let bits = |columns: &[Vec<f32>]| -> Vec<Vec<u32>> {
        columns.iter().map(|c| c.iter().map(|v| v.to_bits()).collect()).collect()
    };
    assert_eq!(bits(&snapshot.columns[..12]), bits(&base.columns));
    let usable: Vec<&AdmissionDataPoint> = points.iter().filter(|p| p.decision.label().is_some()).collect();
    let row = snapshot.row_ids.iter().position(|id| *id == usable[0].row_id()).unwrap();
    let expected = tables.extended(usable[0]);
    assert!((0..EXTENDED.len()).all(|j| snapshot.columns[12 + j][row].to_bits() == expected[j].to_bits()));
}
