#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::stats::delong;
use provost_domain::rng::SplitMix64;

/// Rows of two models that err together within a cluster: clusters differ in their rate, and each model adds an error
/// of its own to every cluster.
struct Rows {
    y: Vec<u8>,
    challenger: Vec<f64>,
    champion: Vec<f64>,
    clusters: Vec<u64>,
}

impl Rows {
    /// `gain` is what the challenger's signal is stronger by.
    fn draw(clusters: u64, gain: f64, seed: u64) -> Self {
        let mut r = SplitMix64::new(seed);
        let mut rows = Rows { y: vec![], challenger: vec![], champion: vec![], clusters: vec![] };
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        for cluster in 0..clusters {
            let (a, b, rate) = (1.2 * r.normal(), 1.2 * r.normal(), r.unit());
            for _ in 0..4 + r.below(16) {
                let label = u8::from(r.unit() < rate);
                let signal = 1.4 * (f64::from(label) - 0.5);
                rows.y.push(label);
                rows.challenger.push(sigmoid(signal * (1.0 + gain) + a + r.normal()));
                rows.champion.push(sigmoid(signal + b + r.normal()));
                rows.clusters.push(cluster);
            }
        }
        rows
    }

    fn improvement(&self, metric: TargetMetric, clusters: &[u64], alpha: f64) -> Improvement {
        improvement(metric, &self.y, (&self.challenger, 0.5), (&self.champion, 0.5), clusters, alpha, 3)
    }
}

fn passes(rows: u64, metric: TargetMetric, clusters: u64, gain: f64, alpha: f64, needed: f64) -> f64 {
    let passed = (0..rows).filter(|seed| {
        let rows = Rows::draw(clusters, gain, 1000 + seed);
        verdict(metric, &rows.improvement(metric, &rows.clusters, alpha), needed, false).passed
    });
    passed.count() as f64 / rows as f64
}

#[test]
fn without_a_difference_chance_passes_as_rarely_as_alpha_says() {
    // 1,000 trials at .05 and its standard error of .007; nothing beyond the bound is asked for.
    for (metric, clusters, trials) in
        [(TargetMetric::F1Score, 12, 1000), (TargetMetric::F1Score, 60, 1000), (TargetMetric::AucRoc, 40, 400)]
    {
        let rate = passes(trials, metric, clusters, 0.0, 0.05, 0.0);
        println!("{metric}, {clusters} clusters: {rate}");
        assert!((0.015..0.065).contains(&rate), "{metric}, {clusters} clusters: {rate}");
    }
    let strict = passes(1000, TargetMetric::Accuracy, 60, 0.0, alpha_of_look(2), 0.0);
    assert!(strict < 0.016, "{strict}");
    // Rows taken for independent would pass far more often: the clusters matter here.
    let naive = (0..300).filter(|seed| {
        let rows = Rows::draw(60, 0.0, 1000 + seed);
        let alone: Vec<u64> = (0..rows.y.len() as u64).collect();
        rows.improvement(TargetMetric::Accuracy, &alone, 0.05).lower_bound > 0.0
    });
    let naive = naive.count();
    assert!(naive > 24, "{naive} of 300");
}

#[test]
fn a_large_difference_passes() {
    for metric in [TargetMetric::F1Score, TargetMetric::AucRoc] {
        let rate = passes(40, metric, 60, 2.0, alpha_of_look(1), 0.02);
        assert!(rate > 0.95, "{metric}: {rate}");
    }
}

#[test]
fn the_bound_agrees_with_delongs_where_rows_are_independent() {
    let rows = Rows::draw(90, 0.5, 4);
    let alone: Vec<u64> = (0..rows.y.len() as u64).collect();
    let found = rows.improvement(TargetMetric::AucRoc, &alone, 0.025);
    let theory = delong(&rows.y, &rows.challenger, &rows.champion);
    let (ours, theirs) = (found.difference - found.lower_bound, theory.difference - theory.interval_95[0]);
    assert!((found.difference - theory.difference).abs() < 1e-12);
    assert!((ours / theirs - 1.0).abs() < 0.1, "{ours} {theirs}");
}

#[test]
fn a_small_alpha_goes_beyond_the_draws() {
    let rows = Rows::draw(40, 0.4, 5);
    let of = |alpha| rows.improvement(TargetMetric::Accuracy, &rows.clusters, alpha);
    assert_eq!([0.05, 0.01, 1e-3, 1e-9].map(|a| of(a).draws), [1_000, 2_000, 20_000, 20_000]);
    let bounds = [0.05, 0.01, 1e-3, 1e-9, 1e-12].map(|a| of(a).lower_bound);
    assert!(bounds.windows(2).all(|w| w[1] < w[0]), "{bounds:?}");
    // Six standard deviations of the normal one: far below the lowest of 20,000 draws, some four deviations down.
    let deviation = (of(0.025).difference - of(0.025).lower_bound) / 1.96;
    assert!(of(1e-9).difference - of(1e-9).lower_bound > 5.5 * deviation);
    for alpha in [0.0, -1.0, f64::NAN] {
        assert_eq!((of(alpha).lower_bound, of(alpha).draws), (-1.0, 0), "{alpha}");
    }
}

#[test]
fn threads_change_nothing_and_the_seed_does() {
    let rows = Rows::draw(30, 0.2, 6);
    let on = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (a, b) = ((&rows.challenger[..], 0.4), (&rows.champion[..], 0.6));
        pool.install(|| {
            let paired = improvement(TargetMetric::F1Score, &rows.y, a, b, &rows.clusters, 0.03, seed);
            (paired, above_chance(&rows.y, &rows.challenger, &rows.clusters, 0.03, seed))
        })
    };
    assert_eq!(on(1, 8), on(3, 8));
    assert_ne!(on(1, 8), on(1, 9));
}

#[test]
fn too_few_clusters_or_a_rare_class_bound_nothing() {
    let rows = Rows::draw(9, 3.0, 7);
    let found = rows.improvement(TargetMetric::AucRoc, &rows.clusters, 0.05);
    assert_eq!((found.lower_bound, found.clusters), (-1.0, 9));
    let verdict = verdict(TargetMetric::AucRoc, &found, 0.02, true);
    assert!(!verdict.passed && verdict.because.contains("9 universities and programs"), "{verdict:?}");
    // A single positive row: the draws of 37 % lack it, so a majority is there, and they say how wide it is.
    let y: Vec<u8> = (0..200).map(|i| u8::from(i == 0)).collect();
    let (p, clusters): (Vec<f64>, Vec<u64>) = (0..200).map(|i| (f64::from(i % 7) / 7.0, i as u64)).unzip();
    let rare = above_chance(&y, &p, &clusters, 0.05, 1);
    assert!(rare.draws < 700 && rare.lower_bound < 0.0, "{rare:?}");
    let none = above_chance(&[0; 200], &p, &clusters, 0.05, 1);
    assert_eq!((none.difference, none.lower_bound, none.draws), (0.0, -1.0, 0));
    assert!(!verdict_without_champion(&none).passed);
}

#[test]
fn a_models_own_auc_is_told_from_chance() {
    let rows = Rows::draw(60, 0.0, 8);
    let good = above_chance(&rows.y, &rows.champion, &rows.clusters, 0.03, 1);
    assert!((good.difference + 0.5 - auc(&rows.y, &rows.champion)).abs() < 1e-12);
    assert!(good.lower_bound > 0.0 && good.lower_bound < good.difference, "{good:?}");
    let passed = verdict_without_champion(&good);
    assert!(
        passed.passed && passed.reason(GateOutcome::Activated).starts_with("activated, because no model was active")
    );
    // 400 rankings that say nothing.
    let mut r = SplitMix64::new(9);
    let lucky = (0..400).filter(|_| {
        let p: Vec<f64> = rows.y.iter().map(|_| r.unit()).collect();
        above_chance(&rows.y, &p, &rows.clusters, 0.05, 1).lower_bound > 0.0
    });
    let lucky = lucky.count();
    assert!((5..33).contains(&lucky), "{lucky} of 400");
}

#[test]
fn a_quarters_looks_spend_five_hundredths() {
    let looks: Vec<f64> = (1..=100_000).map(alpha_of_look).collect();
    assert!(looks.windows(2).all(|w| w[1] < w[0] && w[1] > 0.0));
    let sum: f64 = looks.iter().sum();
    assert!(sum < QUARTERLY_ALPHA && sum > 0.0499, "{sum}");
    assert!((alpha_of_look(1) - 0.030_396_355_092_701_33).abs() < 1e-15);
    assert_eq!(alpha_of_look(0), alpha_of_look(1));
}

fn found(difference: f64, lower_bound: f64) -> Improvement {
    Improvement { difference, lower_bound, alpha: 0.03, clusters: 40, draws: 1000 }
}

#[test]
fn both_conditions_are_needed_and_the_reason_names_the_one_that_failed() {
    let of = |difference, bound, not_worse| {
        let v = verdict(TargetMetric::F1Score, &found(difference, bound), 0.02, not_worse);
        (v.passed, v.reason(if v.passed { GateOutcome::Activated } else { GateOutcome::Kept }))
    };
    let (yes, no) = (true, false);
    let cases = [
        (
            of(0.031, 0.012, no),
            yes,
            "activated, because f1_score rose by 0.031 (0.02 is needed), with a lower bound of 0.012",
        ),
        (of(0.004, 0.001, no), no, "kept the active model, because f1_score rose by 0.004, and 0.02 is needed"),
        (of(-0.004, -0.02, no), no, "kept the active model, because f1_score fell by 0.004, and 0.02 is needed"),
        (of(0.0, 0.0, no), no, "kept the active model, because f1_score is the same, and 0.02 is needed"),
        (
            of(0.03, -0.002, no),
            no,
            "kept the active model, because f1_score rose by 0.030, but that could be chance: its lower bound is -0.002, and above 0 is needed",
        ),
        // Nothing is rounded to the other side.
        (of(0.01996, 0.01, no), no, "kept the active model, because f1_score rose by 0.01996, and 0.02 is needed"),
        (
            of(0.03, -0.0001, no),
            no,
            "kept the active model, because f1_score rose by 0.030, but that could be chance: its lower bound is -0.0001, and above 0 is needed",
        ),
        (
            of(0.0, 0.0, yes),
            yes,
            "activated, because f1_score is the same, with a lower bound of 0.000, which is enough for the successor of an old model: it is above -0.005",
        ),
        (
            of(-0.001, -0.0049, yes),
            yes,
            "activated, because f1_score fell by 0.001, with a lower bound of -0.0049, which is enough for the successor of an old model: it is above -0.005",
        ),
        (
            of(0.004, -0.006, yes),
            no,
            "kept the active model, because f1_score rose by 0.004, with a lower bound of -0.006, not above -0.005",
        ),
        (
            of(0.004, -0.005, yes),
            no,
            "kept the active model, because f1_score rose by 0.004, with a lower bound of -0.005, not above -0.005",
        ),
    ];
    for ((passed, reason), expected, text) in cases {
        assert_eq!((passed, reason.as_str()), (expected, text));
    }
    // .69 − .67 is a hair below .02.
    assert!(verdict(TargetMetric::AucRoc, &found(0.69 - 0.67, 0.01), 0.02, false).passed);
    assert!(!verdict(TargetMetric::AucRoc, &found(0.69 - 0.67 - 1e-9, 0.01), 0.02, false).passed);
}

#[test]
fn without_a_champion_the_bound_alone_decides() {
    let v = verdict_without_champion(&found(0.02, -0.0001));
    assert_eq!(
        (v.passed, v.reason(GateOutcome::Kept).as_str()),
        (
            false,
            "activated nothing, because auc_roc is 0.520, but that could be chance: its lower bound is 0.4999, and above 0.5 is needed"
        )
    );
    assert!(verdict_without_champion(&found(0.02, 0.0001)).passed);
}
