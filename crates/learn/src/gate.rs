//! The gate's statistics: whether a challenger is better than the champion, or than chance, on rows that neither was
//! trained on.

use crate::bootstrap::{Resampled, quantile};
use crate::metrics::{auc, metric as metric_of};
use crate::stats::t_quantile;
use provost_domain::TargetMetric;
use provost_domain::gate::GateOutcome;

/// Significance level of all decisions of a quarter together.
pub const QUARTERLY_ALPHA: f64 = 0.05;
/// Non-inferiority margin: where it suffices not to be worse, the lower bound of the challenger's difference to the
/// champion may be this far below 0.
pub const NON_INFERIORITY_MARGIN: f64 = 0.005;
/// With fewer clusters the bootstrap cannot estimate how they vary, and there is no bound.
pub const MIN_CLUSTERS: usize = 10;

/// Draws that should lie below the quantile, as far as `MAX_DRAWS` allows.
const TAIL_DRAWS: f64 = 20.0;
const MIN_DRAWS: f64 = 1_000.0;
const MAX_DRAWS: f64 = 20_000.0;
/// A difference of rounded scores (.69 − .67) may fall short of its threshold by this.
const ROUNDING: f64 = 1e-12;

/// A difference in a metric, with its lower bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Improvement {
    /// Challenger minus champion; against chance, the AUC minus .5.
    pub difference: f64,
    /// One-sided lower bound of the difference at level `alpha`; -1 where there are too few clusters or draws for a
    /// bound.
    pub lower_bound: f64,
    /// Significance level of the bound.
    pub alpha: f64,
    /// Number of clusters among the rows: a university and program each.
    pub clusters: usize,
    /// Usable draws of the bootstrap.
    pub draws: u32,
}

/// How much better the challenger scores than the champion on the same rows, with a one-sided lower bound at level
/// `alpha` by a paired bootstrap over whole clusters (Field and Welsh 2007). `y` and `clusters` have one entry per row:
/// the label 0 or 1, and the cluster; each model is given as its probabilities of these rows and its threshold.
///
/// There are 20/`alpha` draws, at least 1,000 and at most 20,000. The bound is the smaller of two: the draws' `alpha`
/// quantile, and the difference less t·√(G/(G−1))·s with G clusters, their G−1 degrees of freedom and the draws'
/// standard deviation s. The second bound corrects two faults of the first: 20,000 draws may be too few for a quantile
/// far in the tail, and a resample of few clusters underestimates the spread (Cameron, Gelbach and Miller 2008). The
/// same seed gives the same answer at any thread count.
pub fn improvement(
    metric: TargetMetric,
    y: &[u8],
    (challenger, at): (&[f64], f64),
    (champion, champion_at): (&[f64], f64),
    clusters: &[u64],
    alpha: f64,
    seed: u64,
) -> Improvement {
    let difference = metric_of(metric, y, challenger, at) - metric_of(metric, y, champion, champion_at);
    let rows = Resampled::pair(metric, y, (challenger, at), (champion, champion_at), clusters);
    bounded(difference, &rows, 0.0, alpha, seed)
}

/// How far a model's AUC is above .5, the AUC of a random ranking; bounded as in `improvement`.
pub fn above_chance(y: &[u8], p: &[f64], clusters: &[u64], alpha: f64, seed: u64) -> Improvement {
    bounded(auc(y, p) - 0.5, &Resampled::auc(y, p, clusters), 0.5, alpha, seed)
}

fn bounded(difference: f64, rows: &Resampled, chance: f64, alpha: f64, seed: u64) -> Improvement {
    let alpha = if alpha.is_nan() { 0.0 } else { alpha.clamp(0.0, 0.5) };
    let clusters = rows.clusters();
    let none = Improvement { difference, lower_bound: -1.0, alpha, clusters, draws: 0 };
    if clusters < MIN_CLUSTERS || alpha == 0.0 {
        return none;
    }
    let asked = (TAIL_DRAWS / alpha).ceil().clamp(MIN_DRAWS, MAX_DRAWS) as u32;
    let drawn = rows.draw(seed, asked);
    // Where a class is so rare that half of the draws lack it, the other draws are biased.
    if drawn.len() * 2 <= asked as usize {
        return Improvement { draws: drawn.len() as u32, ..none };
    }
    let n = drawn.len() as f64;
    let mean = drawn.iter().sum::<f64>() / n;
    let deviation = (drawn.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / (n - 1.0)).sqrt();
    let freedom = clusters as f64 - 1.0;
    let reach = t_quantile(1.0 - alpha, freedom) * deviation * (clusters as f64 / freedom).sqrt();
    let lower_bound = (quantile(&drawn, alpha) - chance).min(difference - reach).max(-1.0);
    Improvement { lower_bound, draws: drawn.len() as u32, ..none }
}

/// The significance level of the k-th decision of a quarter (from 1): .05·6/(π²k²). The levels sum to .05 over any
/// number of decisions, so by Bonferroni's inequality the probability of any false activation in the quarter is at most
/// .05, although the decisions use much the same rows. Neither the number of decisions nor the amount of data that each
/// adds must be planned, as the spending functions of Lan and DeMets (1983) require. 1/k² leaves most of the level to
/// the first decisions, which are the common ones: .0304, .0076, .0034, .0019 (as Javanmard and Montanari 2018
/// suggest).
pub fn alpha_of_look(k: u32) -> f64 {
    let k = f64::from(k.max(1));
    QUARTERLY_ALPHA * 6.0 / (std::f64::consts::PI * k).powi(2)
}

/// Whether a challenger passes, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Whether the challenger may replace the champion.
    pub passed: bool,
    /// A clause: "f1_score rose by 0.004, and 0.02 is needed".
    pub because: String,
    /// Whether there is a champion to keep.
    champion: bool,
}

impl Verdict {
    /// The verdict that the challenger does not pass, whatever its metric is; `because` says why.
    pub fn failed(because: String) -> Self {
        Self { passed: false, because, champion: true }
    }

    /// The verdict on models that cannot be compared; `because` says why, `champion` whether there is a champion.
    pub fn not_comparable(because: String, champion: bool) -> Self {
        Self { passed: false, because, champion }
    }

    /// A sentence about the outcome: "kept the active model, because f1_score rose by 0.004, and 0.02 is needed".
    pub fn reason(&self, outcome: GateOutcome) -> String {
        let what = match (outcome, self.champion) {
            (GateOutcome::Activated, _) => "activated",
            (GateOutcome::Kept, true) => "kept the active model",
            (GateOutcome::Kept, false) => "activated nothing",
            (GateOutcome::AwaitsApproval, _) => "awaits an approval",
            (GateOutcome::NotComparable, true) => "kept the active model, not comparable",
            (GateOutcome::NotComparable, false) => "activated nothing, not comparable",
        };
        format!("{what}, because {}", self.because)
    }
}

/// A challenger passes when the metric rose by `needed` or more and the lower bound of the rise is above 0. Where
/// `not_worse_suffices` it also passes with a lower bound above −.005.
pub fn verdict(metric: TargetMetric, found: &Improvement, needed: f64, not_worse_suffices: bool) -> Verdict {
    let Improvement { difference, lower_bound, .. } = *found;
    let rose = match difference {
        d if d > 0.0 => format!("{metric} rose by {}", beside(d, needed)),
        d if d < 0.0 => format!("{metric} fell by {}", beside(-d, 0.0)),
        _ => format!("{metric} is the same"),
    };
    let enough = difference >= needed - ROUNDING;
    let (passed, because) = if enough && lower_bound > 0.0 {
        let bound = beside(lower_bound, 0.0);
        (true, format!("{rose} ({needed} is needed), with a lower bound of {bound}"))
    } else if let Some(unknown) = nothing_known(found) {
        (false, format!("{rose}, but {unknown}"))
    } else if not_worse_suffices {
        let bound = beside(lower_bound, -NON_INFERIORITY_MARGIN);
        let passed = lower_bound > -NON_INFERIORITY_MARGIN;
        let compared =
            if passed { "which is enough for the successor of an old model: it is above" } else { "not above" };
        (passed, format!("{rose}, with a lower bound of {bound}, {compared} -{NON_INFERIORITY_MARGIN}"))
    } else if enough {
        let bound = beside(lower_bound, 0.0);
        (false, format!("{rose}, but that could be chance: its lower bound is {bound}, and above 0 is needed"))
    } else {
        (false, format!("{rose}, and {needed} is needed"))
    };
    Verdict { passed, because, champion: true }
}

/// Without a champion, a challenger passes when the lower bound of its AUC is above .5. `found`: the result of
/// `above_chance`.
pub fn verdict_without_champion(found: &Improvement) -> Verdict {
    let (score, bound) = (beside(found.difference + 0.5, 0.5), beside(found.lower_bound + 0.5, 0.5));
    let passed = found.lower_bound > 0.0;
    let because = match nothing_known(found) {
        Some(unknown) if !passed => format!("auc_roc is {score}, but {unknown}"),
        _ if passed => format!("no model was active and auc_roc is {score}, with a lower bound of {bound}"),
        _ => {
            format!("auc_roc is {score}, but that could be chance: its lower bound is {bound}, and above 0.5 is needed")
        }
    };
    Verdict { passed, because, champion: false }
}

/// Why there is no bound; None where there is one.
fn nothing_known(found: &Improvement) -> Option<String> {
    if found.clusters < MIN_CLUSTERS {
        return Some(format!(
            "{} universities and programs do not tell that from chance; at least {MIN_CLUSTERS} are needed",
            found.clusters
        ));
    }
    (found.lower_bound <= -1.0).then(|| "the rows are too few of a class to tell that from chance".to_owned())
}

/// With three digits, or as many more as are needed to differ from `limit`.
fn beside(value: f64, limit: f64) -> String {
    provost_domain::verdict::beside(value, limit, 3)
}

#[cfg(test)]
mod tests;
