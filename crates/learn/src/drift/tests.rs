#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::metrics::{auc, log_loss};
use proptest::prelude::*;
use provost_domain::rng::SplitMix64;

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// Labels and the probabilities of a model for whose data `signal` was 1 and `shift`, in log-odds, 0.
fn rows(n: usize, signal: f64, shift: f64, random: &mut SplitMix64) -> (Vec<u8>, Vec<f64>) {
    let drawn = (0..n).map(|_| {
        let z = 1.2 * random.normal();
        (u8::from(random.unit() < sigmoid(signal * z + shift - 1.0)), sigmoid(z - 1.0))
    });
    drawn.unzip()
}

fn reference(n: usize, random: &mut SplitMix64) -> TemporalFigures {
    let (y, p) = rows(n, 1.0, 0.0, random);
    let (auc, loss) = (auc_with_error(&y, &p).unwrap(), log_loss_with_error(&y, &p).unwrap());
    TemporalFigures {
        year: 2016,
        rows: n as u64,
        positives: y.iter().filter(|l| **l == 1).count() as u64,
        auc: auc.value,
        auc_error: auc.error,
        log_loss: loss.value,
        log_loss_error: loss.error,
    }
}

proptest! {
    #[test]
    fn windows_are_consecutive_and_close_at_once(seed in 0u64..500, n in 0usize..3_000, rate in 0.02f64..0.98) {
        let mut r = SplitMix64::new(seed);
        let labels: Vec<u8> = (0..n).map(|_| u8::from(r.unit() < rate)).collect();
        let counts = |rows: Range<usize>| {
            let ones = labels[rows.clone()].iter().filter(|l| **l == 1).count();
            [rows.len() - ones, ones]
        };
        let found = windows(&labels);
        let mut start = 0;
        for w in &found {
            prop_assert_eq!(w.start, start);
            let [zeros, ones] = counts(w.clone());
            prop_assert!(w.len() >= 300 && zeros >= 50 && ones >= 50);
            let [zeros, ones] = counts(w.start..w.end - 1);
            prop_assert!(w.len() - 1 < 300 || zeros < 50 || ones < 50);
            start = w.end;
        }
        let [zeros, ones] = counts(start..n);
        prop_assert!(n - start < 300 || zeros < 50 || ones < 50);
    }
}

#[test]
fn the_errors_are_those_of_repeated_samples() {
    let mut r = SplitMix64::new(1);
    let (mut aucs, mut losses, mut errors) = (vec![], vec![], [0.0; 2]);
    for _ in 0..2_000 {
        let (y, p) = rows(400, 1.0, 0.0, &mut r);
        let (a, l) = (auc_with_error(&y, &p).unwrap(), log_loss_with_error(&y, &p).unwrap());
        assert!((a.value - auc(&y, &p)).abs() < 1e-12 && (l.value - log_loss(&y, &p)).abs() < 1e-12);
        aucs.push(a.value);
        losses.push(l.value);
        errors = [errors[0] + a.error / 2_000.0, errors[1] + l.error / 2_000.0];
    }
    let spread = |values: &[f64]| crate::metrics::mean_std(values).1;
    assert!((errors[0] / spread(&aucs) - 1.0).abs() < 0.05, "{errors:?} {}", spread(&aucs));
    assert!((errors[1] / spread(&losses) - 1.0).abs() < 0.05, "{errors:?} {}", spread(&losses));
}

#[test]
fn nothing_is_estimated_from_one_row_of_a_class() {
    assert_eq!(auc_with_error(&[1, 0, 0], &[0.9, 0.1, 0.2]), None);
    assert_eq!(log_loss_with_error(&[1], &[0.9]), None);
    let figures = reference(500, &mut SplitMix64::new(2));
    assert_eq!(shifts(&figures, &[1, 1, 1], &[0.9, 0.1, 0.2]), None);
    // A perfect ranking has no error, and equal figures are no drop.
    let perfect = auc_with_error(&[1, 1, 0, 0], &[0.9, 0.8, 0.1, 0.2]).unwrap();
    assert_eq!(perfect, Estimate { value: 1.0, error: 0.0 });
    assert!(!shift(perfect, perfect, 0.0).dropped);
    assert!(shift(perfect, Estimate { value: 0.9, error: 0.0 }, 0.1).dropped);
}

/// The share of trials with a drop in one window, and in two consecutive ones.
fn rates(signal: f64, shift: f64, trials: u32) -> (f64, f64) {
    let mut r = SplitMix64::new(3);
    let (mut single, mut both) = (0, 0);
    for _ in 0..trials {
        let figures = reference(600, &mut r);
        let (y, p) = rows(640, signal, shift, &mut r);
        let found = performance_drop(&figures, &y, &p);
        assert_eq!((found.windows, found.latest.len()), (2, 2));
        single += u32::from(found.latest[1].auc.dropped || found.latest[1].log_loss.dropped);
        both += u32::from(found.dropped);
    }
    (f64::from(single) / f64::from(trials), f64::from(both) / f64::from(trials))
}

#[test]
fn a_model_that_keeps_its_quality_rarely_raises_the_alarm() {
    let (single, both) = rates(1.0, 0.0, 2_000);
    println!("one window {single}, two {both}");
    assert!((0.02..0.06).contains(&single), "{single}");
    assert!(both < 0.02, "{both}");
}

#[test]
fn a_lost_ranking_and_a_shifted_rate_are_found() {
    let (_, lost) = rates(0.3, 0.0, 200);
    assert!(lost > 0.9, "{lost}");
    let (_, shifted) = rates(1.0, 1.3, 200);
    assert!(shifted > 0.9, "{shifted}");
    let (_, better) = rates(1.8, 0.0, 200);
    assert!(better < 0.01, "{better}");
}

#[test]
fn two_windows_must_show_it_and_in_the_same_measure() {
    let mut r = SplitMix64::new(4);
    let figures = reference(2_000, &mut r);
    let (good, bad) = (rows(300, 1.0, 0.0, &mut r), rows(300, 0.0, 0.0, &mut r));
    // The rate has moved, but the ranking is even better.
    let moved = rows(300, 3.0, 2.0, &mut r);
    // The ranking is lost, but probabilities near one half cost little.
    let (y, _) = rows(300, 1.0, 0.0, &mut r);
    let timid: Vec<f64> = y.iter().map(|_| 0.5 + 0.001 * r.unit()).collect();
    let shown = |y: &[u8], p: &[f64]| shifts(&figures, y, p).map(|s| (s.auc.dropped, s.log_loss.dropped)).unwrap();
    assert_eq!((shown(&good.0, &good.1), shown(&bad.0, &bad.1)), ((false, false), (true, true)));
    assert_eq!(shown(&moved.0, &moved.1), (false, true));
    let lenient = TemporalFigures { log_loss: 0.69, ..figures };
    let s = shifts(&lenient, &y, &timid).unwrap();
    assert_eq!((s.auc.dropped, s.log_loss.dropped), (true, false));
    let over = |parts: &[(&[u8], &[f64])]| {
        let y: Vec<u8> = parts.iter().flat_map(|(y, _)| y.iter().copied()).collect();
        let p: Vec<f64> = parts.iter().flat_map(|(_, p)| p.iter().copied()).collect();
        performance_drop(&figures, &y, &p)
    };
    let (good, bad) = ((&good.0[..], &good.1[..]), (&bad.0[..], &bad.1[..]));
    for kept in [vec![], vec![bad], vec![good, bad], vec![bad, bad, good], vec![bad, good, bad]] {
        let found = over(&kept);
        assert!(!found.dropped, "{found:?}");
        assert_eq!((found.windows, found.latest.len()), (kept.len(), kept.len().min(2)));
    }
    let found = over(&[good, bad, bad]);
    assert!(found.dropped && found.reason.starts_with("AUC fell from 0."), "{}", found.reason);
    assert!(
        found.reason.contains(", and log loss rose from 0.") && found.reason.ends_with("in two consecutive windows")
    );
    // An incomplete tail changes nothing.
    assert_eq!(over(&[good, bad, bad, (&good.0[..299], &good.1[..299])]), found);
    assert!(over(&[bad]).reason.starts_with("1 complete windows"), "{}", over(&[bad]).reason);
    let json = serde_json::to_value(&found).unwrap();
    assert!(json["latest"][1]["auc"]["p_value"].as_f64().unwrap() < 0.025, "{json}");
}
