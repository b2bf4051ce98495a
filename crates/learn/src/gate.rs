//! The gate's statistics: is a challenger better than the champion, or than chance, on rows that neither has seen?

use crate::bootstrap::{Resampled, quantile};
use crate::metrics::{auc, metric as metric_of};
use crate::stats::t_quantile;
use provost_domain::TargetMetric;
use provost_domain::gate::GateOutcome;

/// Spent on a quarter's decisions in all.
pub const QUARTERLY_ALPHA: f64 = 0.05;
/// How much worse than the champion a challenger may be, at the lower bound, where not being worse is enough.
pub const NON_INFERIORITY_MARGIN: f64 = 0.005;
/// With fewer clusters the bootstrap says too little of how they vary, and there is no bound.
pub const MIN_CLUSTERS: usize = 10;

/// Draws below the quantile sought, where `MAX_DRAWS` leaves room for them.
const TAIL_DRAWS: f64 = 20.0;
const MIN_DRAWS: f64 = 1_000.0;
const MAX_DRAWS: f64 = 20_000.0;
/// A difference of rounded scores (.69 − .67) may miss its threshold by this.
const ROUNDING: f64 = 1e-12;

/// A difference in a metric, with what is known of its chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Improvement {
    /// Challenger minus champion; against chance, the AUC minus .5.
    pub difference: f64,
    /// One-sided lower bound of it at `alpha`; -1, which says nothing, where there is too little to draw from.
    pub lower_bound: f64,
    /// The level of each test.
    pub alpha: f64,
    /// Universities and programs among the rows.
    pub clusters: usize,
    /// Usable draws of the bootstrap.
    pub draws: u32,
}

/// How much better the challenger scores than the champion on the same rows, each as (probabilities, threshold), with a
/// one-sided lower bound at level `alpha` by a paired bootstrap over whole clusters (Field and Welsh 2007).
///
/// There are 20/`alpha` draws, at least 1,000 and at most 20,000. The bound is the smaller of two: the draws' `alpha`
/// quantile, and the difference less t·√(G/(G−1))·s with G clusters, their G−1 degrees of freedom and the draws'
/// standard deviation s. The second covers what the first lacks: depth of the tail where 20,000 draws are too few, and
/// the spread that a resample of few clusters misses (Cameron, Gelbach and Miller 2008).
/// The same seed gives the same answer at any thread count.
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

/// How far a model's AUC is above .5, which is what a ranking that says nothing scores; bounded as `improvement` is.
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
    // A class so rare that half of the draws lack it leaves a biased half.
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

/// What of the quarter's .05 the k-th decision of a quarter (from 1) may spend: .05·6/(π²k²), which sums to .05 however
/// many there are, and by Bonferroni's inequality bounds the chance of any false activation in the quarter, though all
/// of its decisions rest on much the same rows. Nothing need be planned: neither how many decisions there will be, nor
/// how much data each adds, as the spending functions of Lan and DeMets (1983) want to know. 1/k² lets the first looks,
/// which are the common ones, keep most of it: .0304, .0076, .0034, .0019 (as Javanmard and Montanari 2018 suggest).
pub fn alpha_of_look(k: u32) -> f64 {
    let k = f64::from(k.max(1));
    QUARTERLY_ALPHA * 6.0 / (std::f64::consts::PI * k).powi(2)
}

/// Whether a challenger passes, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Whether the candidate may replace the champion.
    pub passed: bool,
    /// A clause: "f1_score rose by 0.004, and 0.02 is needed".
    pub because: String,
    /// There is a champion to keep.
    champion: bool,
}

impl Verdict {
    /// That the challenger does not pass, whatever its metric; `because` says why.
    pub fn failed(because: String) -> Self {
        Self { passed: false, because, champion: true }
    }

    /// Of models that cannot be compared; `because` says why.
    pub fn not_comparable(because: String, champion: bool) -> Self {
        Self { passed: false, because, champion }
    }

    /// As a sentence about what came of it: "kept the active model, because f1_score rose by 0.004, and 0.02 is needed".
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

/// A challenger passes when the metric rose by `needed` or more and the rise's lower bound is above 0. Where
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

/// Without a champion a challenger passes when the lower bound of its AUC is above .5. `found` is of `above_chance`.
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

/// Why there is no bound, if so.
fn nothing_known(found: &Improvement) -> Option<String> {
    if found.clusters < MIN_CLUSTERS {
        return Some(format!(
            "{} universities and programs do not tell that from chance; at least {MIN_CLUSTERS} are needed",
            found.clusters
        ));
    }
    (found.lower_bound <= -1.0).then(|| "the rows are too few of a class to tell that from chance".to_owned())
}

/// With three digits, or as many more as it takes not to look like `limit`.
fn beside(value: f64, limit: f64) -> String {
    provost_domain::verdict::beside(value, limit, 3)
}

#[cfg(test)]
mod tests;
