//! How long one explanation takes, of models with random trees: 12 features, 100 background rows, one thread.
//!
//! `cargo run --release -p provost-predict --example explain`

#![allow(clippy::unwrap_used, clippy::print_stdout)] // no product code

use provost_domain::Algorithm;
use provost_domain::features::{CATEGORY_RULE, FEATURES, FeatureTables};
use provost_domain::rng::SplitMix64;
use provost_predict::boosting::Boosting;
use provost_predict::evidence::Evidence;
use provost_predict::forest::Forest;
use provost_predict::ranges::FeatureRange;
use provost_predict::score_counts::ScoreCounts;
use provost_predict::serving::ServingModel;
use provost_predict::trees::{Node, Tree};
use provost_predict::{Calibration, Model, Predictor};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

fn row(r: &mut SplitMix64) -> Vec<f32> {
    FEATURES.iter().map(|_| if r.below(20) == 0 { f32::NAN } else { r.unit() as f32 }).collect()
}

/// Splits to this depth, but for some leaves above it.
fn tree(r: &mut SplitMix64, depth: u32, early: f64, leaf: fn(&mut SplitMix64) -> f32) -> Tree {
    let mut nodes = vec![Node::leaf(0.0)];
    let mut parts = vec![(0usize, 0u32)];
    while let Some((at, level)) = parts.pop() {
        if level == depth || (level > 3 && r.unit() < early) {
            nodes[at] = Node::leaf(leaf(r));
            continue;
        }
        let child = nodes.len();
        nodes[at] = Node::split(r.below(12) as usize, r.unit() as f32, r.unit() < 0.5, child);
        parts.extend([(child, level + 1), (child + 1, level + 1)]);
        nodes.extend([Node::leaf(0.0); 2]);
    }
    nodes
}

fn served(algorithm: Algorithm, predictor: Predictor, calibration: Calibration, r: &mut SplitMix64) -> ServingModel {
    let evidence = Evidence {
        scores: ScoreCounts::new(&[0.2, 0.8], &[0, 1]),
        background: (0..100).map(|_| row(r)).collect(),
        ranges: FEATURES.map(|_| FeatureRange::Numbers { low: 0.0, high: 1.0 }).to_vec(),
    };
    let model = Model {
        algorithm,
        feature_names: FEATURES.map(str::to_owned).to_vec(),
        columns: (0..12).collect(),
        predictor,
        calibration,
        threshold: 0.5,
        category_rule: CATEGORY_RULE,
        evidence: Some(Arc::new(evidence)),
    };
    ServingModel::new(model, FeatureTables::default()).unwrap()
}

fn main() {
    let mut r = SplitMix64::new(7);
    let platt = Calibration::Platt { a: 1.1, b: -0.1 };
    let points: Vec<f64> = (0..=300).map(|i| f64::from(i) / 300.0).collect();
    let isotonic = Calibration::Isotonic { x: points.clone(), y: points };
    let boosted = |r: &mut SplitMix64, depth| {
        let trees = (0..300).map(|_| tree(r, depth, 0.0, |r| (r.normal() * 0.05) as f32)).collect();
        Predictor::Boosting(Boosting::new(0.1, trees))
    };
    let forest = |r: &mut SplitMix64| {
        Predictor::Forest(Forest::new((0..100).map(|_| tree(r, 14, 0.18, |r| r.unit() as f32)).collect()))
    };
    let models = [
        ("boosted, 300 trees of depth 5, Platt", Algorithm::GradientBoosting, boosted(&mut r, 5), platt.clone()),
        ("boosted, 300 trees of depth 5, isotonic", Algorithm::GradientBoosting, boosted(&mut r, 5), isotonic),
        ("boosted, 300 trees of depth 7, Platt", Algorithm::GradientBoosting, boosted(&mut r, 7), platt.clone()),
        ("forest, 100 trees of depth up to 14, Platt", Algorithm::RandomForest, forest(&mut r), platt),
    ];
    for (name, algorithm, predictor, calibration) in models {
        let model = served(algorithm, predictor, calibration, &mut r);
        let rows: Vec<Vec<f32>> = (0..20).map(|_| row(&mut r)).collect();
        let mut times: Vec<f64> = rows
            .iter()
            .map(|row| {
                let began = Instant::now();
                black_box(model.explain_features(row)).unwrap();
                began.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{name}: median {:.1} ms, longest {:.1} ms", times[times.len() / 2], times[times.len() - 1]);
    }
}
