#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::features::FEATURES;
use std::collections::{BTreeMap, BTreeSet};

fn labelled(drawn: &[Drawn]) -> Vec<(f64, u8)> {
    drawn.iter().filter_map(|d| Some((d.probability, d.point.decision.label()?))).collect()
}

#[test]
fn prefixes_and_seeds() {
    let long: Vec<Drawn> = draw(300, 7).collect();
    let short: Vec<Drawn> = draw(120, 7).collect();
    assert_eq!(long[..120], short);
    let other: Vec<Drawn> = draw(120, 8).collect();
    assert_ne!(short, other);
    let ids: BTreeSet<&str> = long.iter().map(|d| d.point.data_point_id.as_str()).collect();
    assert_eq!(ids.len(), 300);
}

#[test]
fn points_are_sound_and_keep_their_features_through_json() {
    let tables = FeatureTables::default();
    for d in draw(500, 1) {
        let bytes = serde_json::to_vec(&d.point).unwrap();
        let back = AdmissionDataPoint::from_json(&bytes).unwrap();
        assert_eq!(back, d.point);
        let row = tables.row(&back);
        assert_eq!(row.outliers, 0, "{:?}", d.point);
        assert_eq!(sigmoid(score(&row.values)), d.probability);
    }
}

#[test]
fn the_sample_is_what_its_documentation_says() {
    let drawn: Vec<Drawn> = draw(20_000, 42).collect();
    let rows = labelled(&drawn);
    let positives = rows.iter().filter(|r| r.1 == 1).count() as f64 / rows.len() as f64;
    let auc = bayes_auc(&rows);
    let expected: f64 = rows.iter().map(|r| r.0).sum::<f64>() / rows.len() as f64;
    println!("positives {positives:.3}, expected {expected:.3}, Bayes AUC {auc:.4}");
    assert!((0.35..=0.60).contains(&positives), "{positives}");
    assert!((positives - expected).abs() < 0.015);
    assert!((0.80..=0.85).contains(&auc), "{auc}");
    assert!((0.03..0.05).contains(&(1.0 - rows.len() as f64 / drawn.len() as f64)));
    let verified = drawn.iter().filter(|d| d.point.verified).count() as f64 / drawn.len() as f64;
    assert!(verified > 0.95);
    let mut universities: BTreeMap<&str, usize> = BTreeMap::new();
    for d in &drawn {
        *universities.entry(d.point.program.university_name.as_deref().unwrap()).or_default() += 1;
        let year = d.point.application_year.unwrap();
        assert!((REFERENCE_YEAR - 5..=REFERENCE_YEAR).contains(&year));
    }
    assert_eq!(universities.len(), UNIVERSITIES as usize);
    println!("smallest university {:?}", universities.values().min());
    let tables = FeatureTables::default();
    let mut present = [0usize; 12];
    for d in &drawn {
        let row = tables.row(&d.point);
        for (i, n) in present.iter_mut().enumerate() {
            *n += usize::from(row.is_present(i));
        }
    }
    for (name, n) in FEATURES.iter().zip(present) {
        println!("{name} {:.3}", n as f64 / drawn.len() as f64);
        assert!(n > drawn.len() / 10, "{name} is hardly ever there");
    }
}

#[test]
fn one_program_has_one_rate() {
    let mut rates: BTreeMap<(String, String), Option<f64>> = BTreeMap::new();
    for d in draw(3_000, 3) {
        let p = d.point.program;
        let rate = rates.entry((p.university_name.unwrap(), p.program_name.unwrap())).or_insert(p.acceptance_rate);
        assert_eq!(*rate, p.acceptance_rate);
    }
}

#[test]
fn auc_counts_ties_half() {
    assert_eq!(bayes_auc(&[(0.1, 0), (0.9, 1)]), 1.0);
    assert_eq!(bayes_auc(&[(0.9, 0), (0.1, 1)]), 0.0);
    assert_eq!(bayes_auc(&[(0.5, 0), (0.5, 1), (0.5, 1)]), 0.5);
    assert!(bayes_auc(&[(0.5, 1)]).is_nan());
    // Against the definition, pair by pair.
    let mut r = SplitMix64::new(1);
    let rows: Vec<(f64, u8)> = (0..200).map(|_| (f64::from(r.below(20)) / 20.0, r.below(2) as u8)).collect();
    let (mut above, mut pairs) = (0.0, 0.0);
    for a in rows.iter().filter(|a| a.1 == 1) {
        for b in rows.iter().filter(|b| b.1 == 0) {
            pairs += 1.0;
            above += if a.0 > b.0 { 1.0 } else { f64::from(u8::from(a.0 == b.0)) / 2.0 };
        }
    }
    assert!((bayes_auc(&rows) - above / pairs).abs() < 1e-12);
}
