//! The bootstrap over whole clusters: rows of one university and program are correlated, so they are drawn together.

use crate::counts::Counts;
use crate::stats::no_evidence;
use provost_domain::TargetMetric;
use provost_domain::evaluation::Difference;
use provost_domain::rng::SplitMix64;
use rayon::prelude::*;

/// Paired bootstrap of a metric's difference a − b over whole clusters (Field and Welsh 2007): each of `draws` draws
/// takes as many clusters as there are, with replacement, and scores both models on their rows. `y`, `pa`, `pb` and
/// `clusters` have one entry per row: the label 0 or 1, both models' probabilities and the cluster; `ta` and `tb` are
/// the models' decision thresholds. The interval is a percentile interval; the p-value is twice the smaller share of
/// draws on either side of zero, with the observed difference counted as one more draw. The same seed gives the same
/// answer at any thread count. Draws with one class only have no AUC and are left out. With fewer than two clusters or
/// no usable draw the interval is [-1, 1] and p is 1.
#[allow(clippy::too_many_arguments)] // two models with a threshold each, on the same rows
pub fn clustered_bootstrap(
    metric: TargetMetric,
    y: &[u8],
    pa: &[f64],
    ta: f64,
    pb: &[f64],
    tb: f64,
    clusters: &[u64],
    seed: u64,
    draws: u32,
) -> Difference {
    let of = |p, threshold| Draws::of(metric, y, p, threshold, clusters, seed, draws);
    of(pa, ta).minus(&of(pb, tb))
}

/// One model's metric on its rows and on every draw of their clusters. The draws of one seed take the same clusters for
/// every model on these rows, so that the differences of two models' draws are those of the paired bootstrap. Comparing
/// n models then takes n scorings instead of one for each pair.
pub struct Draws {
    observed: f64,
    /// By draw; None where the metric is undefined on the draw.
    scores: Vec<Option<f64>>,
}

impl Draws {
    /// The metric of one model over all draws of clusters; the same draws for the same seed.
    pub fn of(
        metric: TargetMetric,
        y: &[u8],
        p: &[f64],
        threshold: f64,
        clusters: &[u64],
        seed: u64,
        draws: u32,
    ) -> Self {
        let observed = crate::metrics::metric(metric, y, p, threshold);
        Self { observed, scores: Resampled::one(metric, y, (p, threshold), clusters).scores(seed, draws) }
    }

    /// As [`clustered_bootstrap`]: this model's metric minus that of the other model on the same rows.
    pub fn minus(&self, other: &Self) -> Difference {
        let difference = self.observed - other.observed;
        let drawn: Vec<f64> = self.scores.iter().zip(&other.scores).filter_map(|(a, b)| Some((*a)? - (*b)?)).collect();
        let drawn = ascending(drawn);
        if drawn.is_empty() {
            return Difference { difference, ..no_evidence() };
        }
        let at_most = drawn.iter().filter(|d| **d <= 0.0).count();
        let at_least = drawn.iter().filter(|d| **d >= 0.0).count();
        let p_value = (2.0 * (at_most.min(at_least) + 1) as f64 / (drawn.len() + 1) as f64).min(1.0);
        Difference { difference, interval_95: [quantile(&drawn, 0.025), quantile(&drawn, 0.975)], p_value }
    }
}

fn ascending(mut drawn: Vec<f64>) -> Vec<f64> {
    drawn.sort_unstable_by(f64::total_cmp);
    drawn
}

/// Rows prepared for drawing their clusters.
pub(crate) struct Resampled {
    clusters: usize,
    scored: Scored,
}

/// What a draw needs, computed once: counts per cluster for a metric at a threshold, else the rows in order of
/// probability.
enum Scored {
    Decided {
        metric: TargetMetric,
        a: Vec<Counts>,
        b: Vec<Counts>,
    },
    Ranked {
        a: Vec<RankedRow>,
        b: Vec<RankedRow>,
    },
    /// One model's AUC.
    RankedAlone(Vec<RankedRow>),
    DecidedAlone {
        metric: TargetMetric,
        counts: Vec<Counts>,
    },
}

struct RankedRow {
    cluster: usize,
    positive: bool,
    /// Whether the row's probability equals that of the row before.
    tied: bool,
}

impl Resampled {
    /// The difference a − b of a metric, each model at its threshold.
    pub(crate) fn pair(
        metric: TargetMetric,
        y: &[u8],
        (pa, ta): (&[f64], f64),
        (pb, tb): (&[f64], f64),
        clusters: &[u64],
    ) -> Self {
        let (of_row, count) = numbered(clusters);
        if metric == TargetMetric::AucRoc {
            let scored = Scored::Ranked { a: ranked(y, pa, &of_row), b: ranked(y, pb, &of_row) };
            return Self { clusters: count, scored };
        }
        let per_cluster = |p: &[f64], threshold: f64| counted(y, p, threshold, &of_row, count);
        Self { clusters: count, scored: Scored::Decided { metric, a: per_cluster(pa, ta), b: per_cluster(pb, tb) } }
    }

    /// One model's metric, at its threshold.
    fn one(metric: TargetMetric, y: &[u8], (p, threshold): (&[f64], f64), clusters: &[u64]) -> Self {
        let (of_row, count) = numbered(clusters);
        let scored = if metric == TargetMetric::AucRoc {
            Scored::RankedAlone(ranked(y, p, &of_row))
        } else {
            Scored::DecidedAlone { metric, counts: counted(y, p, threshold, &of_row, count) }
        };
        Self { clusters: count, scored }
    }

    /// One model's AUC.
    pub(crate) fn auc(y: &[u8], p: &[f64], clusters: &[u64]) -> Self {
        Self::one(TargetMetric::AucRoc, y, (p, 0.5), clusters)
    }

    pub(crate) fn clusters(&self) -> usize {
        self.clusters
    }

    /// Draws as many clusters as there are, `draws` times; returns the scores, ascending. Draws with one class only
    /// have no AUC and are left out; fewer than two clusters give an empty list.
    pub(crate) fn draw(&self, seed: u64, draws: u32) -> Vec<f64> {
        ascending(self.scores(seed, draws).into_iter().flatten().collect())
    }

    /// The score of each draw. Each draw has a random stream of its own.
    fn scores(&self, seed: u64, draws: u32) -> Vec<Option<f64>> {
        if self.clusters < 2 {
            return Vec::new();
        }
        (0..draws)
            .into_par_iter()
            .map(|draw| {
                let mut random = SplitMix64::keyed(seed, &[u64::from(draw)]);
                let mut weights = vec![0u64; self.clusters];
                for _ in 0..self.clusters {
                    weights[random.below(self.clusters as u32) as usize] += 1;
                }
                self.score(&weights)
            })
            .collect()
    }

    fn score(&self, weights: &[u64]) -> Option<f64> {
        match &self.scored {
            Scored::Decided { metric, a, b } => Some(decided(*metric, a, weights)? - decided(*metric, b, weights)?),
            Scored::Ranked { a, b } => Some(weighted_auc(a, weights)? - weighted_auc(b, weights)?),
            Scored::RankedAlone(rows) => weighted_auc(rows, weights),
            Scored::DecidedAlone { metric, counts } => decided(*metric, counts, weights),
        }
    }
}

/// Each row's cluster as a number from 0, and how many there are.
pub(crate) fn numbered(clusters: &[u64]) -> (Vec<usize>, usize) {
    let mut keys = clusters.to_vec();
    keys.sort_unstable();
    keys.dedup();
    (clusters.iter().map(|c| keys.partition_point(|k| k < c)).collect(), keys.len())
}

/// Counts of decisions at a threshold, by cluster.
fn counted(y: &[u8], p: &[f64], threshold: f64, of_row: &[usize], clusters: usize) -> Vec<Counts> {
    let mut counts = vec![Counts::default(); clusters];
    for ((y, p), cluster) in y.iter().zip(p).zip(of_row) {
        counts[*cluster].add(*y, *p >= threshold, 1);
    }
    counts
}

fn decided(metric: TargetMetric, clusters: &[Counts], weights: &[u64]) -> Option<f64> {
    let mut sum = Counts::default();
    for (c, w) in clusters.iter().zip(weights) {
        sum.tn += w * c.tn;
        sum.fp += w * c.fp;
        sum.fn_ += w * c.fn_;
        sum.tp += w * c.tp;
    }
    sum.metric(metric)
}

/// Rows in ascending order of probability.
fn ranked(y: &[u8], p: &[f64], of_row: &[usize]) -> Vec<RankedRow> {
    let mut order: Vec<usize> = (0..y.len().min(p.len()).min(of_row.len())).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let rows = order.iter().enumerate().map(|(at, row)| RankedRow {
        cluster: of_row[*row],
        positive: y[*row] == 1,
        tied: at > 0 && p[order[at - 1]] == p[*row],
    });
    rows.collect()
}

fn weighted_auc(rows: &[RankedRow], weights: &[u64]) -> Option<f64> {
    // All sums are integers: `below` and `level` count the negatives below and at the current probability.
    let (mut below, mut level, mut positives, mut twice_won) = (0u64, 0u64, 0u64, 0u128);
    let mut level_positives = 0u64;
    for row in rows {
        if !row.tied {
            twice_won += u128::from(level_positives) * u128::from(2 * below + level);
            below += level;
            (level, level_positives) = (0, 0);
        }
        let weight = weights[row.cluster];
        if row.positive {
            positives += weight;
            level_positives += weight;
        } else {
            level += weight;
        }
    }
    twice_won += u128::from(level_positives) * u128::from(2 * below + level);
    let pairs = u128::from(positives) * u128::from(below + level);
    (pairs > 0).then(|| twice_won as f64 / (2 * pairs) as f64)
}

/// Linear between the order statistics of a sorted slice (numpy's default); NaN of an empty one.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = q.clamp(0.0, 1.0) * last as f64;
    let low = at.floor() as usize;
    let high = (low + 1).min(last);
    sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::stats::delong;

    /// Rows in clusters, one model better than the other by `gap`.
    fn sample(n: usize, gap: f64) -> (Vec<u8>, Vec<f64>, Vec<f64>, Vec<u64>) {
        let mut random = SplitMix64::new(5);
        let y: Vec<u8> = (0..n).map(|_| u8::from(random.unit() < 0.4)).collect();
        let mut noisy = |shift: f64| -> Vec<f64> {
            y.iter().map(|l| 1.0 / (1.0 + (-(f64::from(*l) - 0.5) * shift - random.normal()).exp())).collect()
        };
        let (a, b) = (noisy(1.0 + gap), noisy(1.0));
        let clusters = (0..n as u64).map(|i| i % 40).collect();
        (y, a, b, clusters)
    }

    #[test]
    fn the_bootstrap_agrees_with_delong_on_independent_rows() {
        let (y, a, b, _) = sample(600, 0.5);
        let rows: Vec<u64> = (0..600).collect();
        let by_draws = clustered_bootstrap(TargetMetric::AucRoc, &y, &a, 0.5, &b, 0.5, &rows, 1, 2000);
        let by_theory = delong(&y, &a, &b);
        assert!((by_draws.difference - by_theory.difference).abs() < 1e-12);
        let width = |d: &Difference| d.interval_95[1] - d.interval_95[0];
        assert!((width(&by_draws) / width(&by_theory) - 1.0).abs() < 0.1, "{by_draws:?} {by_theory:?}");
    }

    #[test]
    fn a_better_model_is_found_and_draws_are_repeatable() {
        let (y, a, b, clusters) = sample(2000, 1.5);
        for metric in TargetMetric::ALL {
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| clustered_bootstrap(metric, &y, &a, 0.5, &b, 0.5, &clusters, 9, 200))
            };
            let d = run(1);
            assert_eq!(d, run(2));
            assert!(d.p_value < 0.02 && d.interval_95[0] > 0.0, "{metric}: {d:?}");
            let swapped = clustered_bootstrap(metric, &y, &b, 0.5, &a, 0.5, &clusters, 9, 200);
            assert_eq!((swapped.difference, swapped.p_value), (-d.difference, d.p_value));
        }
    }

    /// The gate draws pairs, a comparison draws each model once: both are of the same clusters.
    #[test]
    fn differences_of_single_draws_are_those_of_a_pair() {
        let (y, a, b, clusters) = sample(400, 0.3);
        for metric in TargetMetric::ALL {
            let pair = Resampled::pair(metric, &y, (&a, 0.5), (&b, 0.4), &clusters).draw(3, 200);
            let by = clustered_bootstrap(metric, &y, &a, 0.5, &b, 0.4, &clusters, 3, 200);
            assert_eq!(by.interval_95, [quantile(&pair, 0.025), quantile(&pair, 0.975)], "{metric}");
        }
    }

    #[test]
    fn weights_of_one_reproduce_the_plain_auc() {
        let (y, a, _, _) = sample(300, 0.5);
        let rounded: Vec<f64> = a.iter().map(|p| (p * 8.0).round() / 8.0).collect();
        let of_row: Vec<usize> = (0..300).collect();
        let auc = weighted_auc(&ranked(&y, &rounded, &of_row), &[1; 300]).unwrap();
        assert!((auc - crate::metrics::auc(&y, &rounded)).abs() < 1e-12);
    }

    #[test]
    fn models_that_agree_do_not_differ() {
        let (y, p) = ([0, 1, 0, 1, 1], [0.1, 0.9, 0.6, 0.4, 0.8]);
        for metric in TargetMetric::ALL {
            let d = clustered_bootstrap(metric, &y, &p, 0.5, &p, 0.5, &[1, 1, 2, 2, 3], 7, 50);
            assert_eq!(d, Difference { difference: 0.0, interval_95: [0.0, 0.0], p_value: 1.0 });
        }
    }

    #[test]
    fn one_cluster_or_none_is_no_evidence() {
        let one =
            clustered_bootstrap(TargetMetric::Accuracy, &[1, 0], &[0.9, 0.1], 0.5, &[0.1, 0.9], 0.5, &[4, 4], 7, 50);
        assert_eq!((one.difference, one.p_value), (1.0, 1.0));
        assert_eq!(clustered_bootstrap(TargetMetric::AucRoc, &[], &[], 0.5, &[], 0.5, &[], 7, 50).p_value, 1.0);
    }
}
