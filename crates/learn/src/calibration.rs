//! Fits the calibration, which maps a learner's scores to probabilities, on out-of-fold predictions.

mod platt;

use crate::error::LearnError;
use crate::sorting::sort_by;
use provost_predict::calibration::{Calibration, logit};
use provost_predict::control::Control;

/// Below this many rows isotonic regression overfits.
const ISOTONIC_MIN_ROWS: usize = 2_000;
const CROSS_FITS: usize = 5;
/// A slope below this would (nearly) reverse the ranking; such scores are mapped to an almost constant probability
/// instead.
const MIN_SLOPE: f64 = 1e-3;

/// Platt scaling below 2,000 rows, else the better of Platt and isotonic by cross-fitted log loss. `oof`: out-of-fold
/// probabilities, `y`: labels 0 or 1 of the same rows. `Calibration::None` where nothing can be fitted: fewer than two
/// rows, a single class, or a search that does not converge.
///
/// # Errors
///
/// `Stopped`.
pub fn fit(oof: &[f64], y: &[u8], control: &Control) -> Result<Calibration, LearnError> {
    let n = oof.len().min(y.len());
    let (oof, y) = (&oof[..n], &y[..n]);
    let positives = y.iter().filter(|l| **l == 1).count();
    if positives == 0 || positives == n {
        return Ok(Calibration::None);
    }
    if n < ISOTONIC_MIN_ROWS || cross_fitted(platt, oof, y, control)? <= cross_fitted(isotonic, oof, y, control)? {
        platt(oof, y, control)
    } else {
        isotonic(oof, y, control)
    }
}

fn platt(p: &[f64], y: &[u8], control: &Control) -> Result<Calibration, LearnError> {
    let mut scores: Vec<f64> = Vec::with_capacity(p.len());
    control.in_blocks(p, |p| scores.extend(p.iter().map(|p| logit(*p))))?;
    // `newton` fits 1 / (1 + exp(a·f + b)); `Calibration::Platt` has the opposite signs.
    let Some((a, b)) = platt::newton(&scores, y, control)?.map(|(a, b)| (-a, -b)) else {
        return Ok(Calibration::None);
    };
    if a.is_finite() && b.is_finite() && a >= MIN_SLOPE {
        return Ok(Calibration::Platt { a, b });
    }
    let mean = y.iter().map(|l| f64::from(*l)).sum::<f64>() / y.len() as f64;
    let centre = ndarray::ArrayView1::from(&scores[..]).sum() / scores.len() as f64;
    Ok(Calibration::Platt { a: MIN_SLOPE, b: logit(mean) - MIN_SLOPE * centre })
}

/// Centred isotonic regression (Oron and Flournoy 2017): pool adjacent violators, then linear between the blocks'
/// centres, which keeps the ranking inside a block.
fn isotonic(p: &[f64], y: &[u8], control: &Control) -> Result<Calibration, LearnError> {
    #[derive(Clone, Copy)]
    struct Block {
        rows: f64,
        positives: f64,
        scores: f64,
    }
    let mut order: Vec<usize> = (0..p.len()).collect();
    sort_by(&mut order, |i, j| p[*i].total_cmp(&p[*j]).then(i.cmp(j)), control)?;
    let mut blocks: Vec<Block> = Vec::new();
    let mut last = f64::NAN;
    control.in_blocks(&order, |order| {
        for i in order {
            let (score, label) = (p[*i], f64::from(y[*i]));
            match blocks.last_mut() {
                // Rows with the same score form one block.
                Some(b) if score == last => {
                    b.rows += 1.0;
                    b.positives += label;
                    b.scores = b.rows * last;
                }
                _ => blocks.push(Block { rows: 1.0, positives: label, scores: score }),
            }
            last = score;
        }
    })?;
    let mut pooled: Vec<Block> = Vec::new();
    control.in_blocks(&blocks, |blocks| {
        for block in blocks {
            pooled.push(*block);
            while let [.., a, b] = pooled.as_slice() {
                if a.positives * b.rows < b.positives * a.rows {
                    break;
                }
                let (rows, positives, scores) = (a.rows + b.rows, a.positives + b.positives, a.scores + b.scores);
                pooled.truncate(pooled.len() - 2);
                pooled.push(Block { rows, positives, scores });
            }
        }
    })?;
    // Never quite 0 or 1: n rows cannot tell these from 1 / (n + 2).
    let low = 1.0 / (p.len() as f64 + 2.0);
    let (mut xs, mut ys) = (vec![0.0], vec![low]);
    for block in &pooled {
        let (x, y) = (block.scores / block.rows, (block.positives / block.rows).clamp(low, 1.0 - low));
        if xs.last().is_some_and(|last| x > *last) && x < 1.0 {
            xs.push(x);
            ys.push(y);
        }
    }
    xs.push(1.0);
    ys.push(1.0 - low);
    Ok(Calibration::Isotonic { x: xs, y: ys })
}

/// A method that fits a calibration to scores and labels.
type Method = fn(&[f64], &[u8], &Control) -> Result<Calibration, LearnError>;

/// Mean log loss when each fifth of the rows (stratified, interleaved) is calibrated by the other four.
fn cross_fitted(method: Method, p: &[f64], y: &[u8], control: &Control) -> Result<f64, LearnError> {
    let mut seen = [0usize; 2];
    let fold: Vec<usize> = y
        .iter()
        .map(|l| {
            let class = usize::from(*l == 1);
            seen[class] += 1;
            seen[class] % CROSS_FITS
        })
        .collect();
    let mut sum = 0.0;
    for k in 0..CROSS_FITS {
        control.check()?;
        let kept = || (0..p.len()).filter(|i| fold[*i] != k);
        let (ps, ys): (Vec<f64>, Vec<u8>) = kept().map(|i| (p[i], y[i])).unzip();
        let map = method(&ps, &ys, control)?;
        let mut at = 0;
        control.in_blocks(p, |block| {
            for p in block {
                if fold[at] == k {
                    let q = map.apply(*p).clamp(1e-15, 1.0 - 1e-15);
                    sum -= if y[at] == 1 { q.ln() } else { (1.0 - q).ln() };
                }
                at += 1;
            }
        })?;
    }
    Ok(sum / p.len() as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;
    use provost_domain::rng::SplitMix64;
    use provost_predict::calibration::sigmoid;

    /// Scores distorted by `warp` from the true probabilities.
    fn draw(n: usize, warp: fn(f64) -> f64) -> (Vec<f64>, Vec<u8>, Vec<f64>) {
        let mut r = SplitMix64::new(7);
        let truth: Vec<f64> = (0..n).map(|_| r.unit()).collect();
        let y = truth.iter().map(|t| u8::from(r.unit() < *t)).collect();
        (truth.iter().map(|t| warp(*t)).collect(), y, truth)
    }

    fn fitted(p: &[f64], y: &[u8]) -> Calibration {
        fit(p, y, &Control::default()).unwrap()
    }

    fn rms(c: &Calibration, p: &[f64], truth: &[f64]) -> f64 {
        let sum: f64 = p.iter().zip(truth).map(|(p, t)| (c.apply(*p) - t).powi(2)).sum();
        (sum / p.len() as f64).sqrt()
    }

    #[test]
    fn platt_undoes_a_change_of_slope_and_offset() {
        let (p, y, truth) = draw(1_500, |t| sigmoid(3.0 * logit(t) + 1.0));
        let c = fitted(&p, &y);
        let Calibration::Platt { a, b } = c else { panic!("{c:?}") };
        assert!((a - 1.0 / 3.0).abs() < 0.05 && (b + 1.0 / 3.0).abs() < 0.15, "{a} {b}");
        assert!(rms(&Calibration::Platt { a, b }, &p, &truth) < 0.03);
    }

    #[test]
    fn isotonic_wins_where_no_sigmoid_fits() {
        let (p, y, truth) = draw(8_000, |t| if t < 0.5 { 0.2 * t } else { 0.9 + 0.2 * (t - 0.5) });
        let c = fitted(&p, &y);
        assert!(matches!(c, Calibration::Isotonic { .. }), "{c:?}");
        assert!(rms(&c, &p, &truth) < 0.04, "{}", rms(&c, &p, &truth));
        c.check().unwrap();
    }

    #[test]
    fn scores_that_rank_backwards_are_flattened_not_reversed() {
        let (p, y, _) = draw(1_000, |t| 1.0 - t);
        let c = fitted(&p, &y);
        assert!(c.apply(0.9) > c.apply(0.1) && c.apply(0.9) - c.apply(0.1) < 0.01);
        assert_eq!(fitted(&[0.2, 0.4], &[1, 1]), Calibration::None);
    }

    proptest! {
        #[test]
        fn rises_and_stays_inside(rows in prop::collection::vec((0u32..=20, 0u8..=1), 2..400)) {
            let (p, y): (Vec<f64>, Vec<u8>) = rows.into_iter().map(|(p, y)| (f64::from(p) / 20.0, y)).unzip();
            let control = Control::default();
            for map in [platt(&p, &y, &control).unwrap(), isotonic(&p, &y, &control).unwrap(), fitted(&p, &y)] {
                if let Err(e) = map.check() { prop_assert!(false, "{e}") }
                let out: Vec<f64> = (0..=100).map(|i| map.apply(f64::from(i) / 100.0)).collect();
                prop_assert!(out.iter().all(|v| (0.0..=1.0).contains(v)));
                prop_assert!(out.windows(2).all(|w| w[0] <= w[1]), "{:?}", out);
            }
        }
    }
}
