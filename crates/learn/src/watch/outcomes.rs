//! Metrics of predictions: expected or drawn by their probabilities, and realised by outcomes.

use provost_domain::rng::SplitMix64;
use provost_predict::calibration::logit;

/// Probabilities are clipped this far from 0 and 1 for their log-odds.
const CLIP: f64 = 1e-6;

/// Rows in ascending order of probability.
#[derive(Debug)]
pub(super) struct RankedRows {
    rows: Vec<RankedRow>,
}

#[derive(Debug, Clone, Copy)]
struct RankedRow {
    p: f64,
    log_odds: f64,
    /// Index of the row as it was given.
    row: usize,
    accepted: bool,
    /// Whether the row's probability equals that of the row before.
    tied: bool,
}

/// Metrics of rows with outcomes; None where one is undefined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Metrics {
    pub auc_roc: Option<f64>,
    pub f1_score: Option<f64>,
    pub accuracy: Option<f64>,
    pub brier_score: Option<f64>,
    /// Mean of outcome minus probability.
    pub excess: Option<f64>,
    /// Mean of outcome minus probability, times the log-odds: positive where probabilities are not extreme enough.
    pub slope: Option<f64>,
}

impl Metrics {
    /// The metrics that are estimated without outcomes.
    pub(super) fn estimated(&self) -> [Option<f64>; 4] {
        [self.auc_roc, self.f1_score, self.accuracy, self.brier_score]
    }

    /// In the order of the fields.
    pub(super) fn all(&self) -> [Option<f64>; 6] {
        [self.auc_roc, self.f1_score, self.accuracy, self.brier_score, self.excess, self.slope]
    }
}

impl RankedRows {
    /// From calibrated probabilities; the model accepts from `threshold` on.
    pub(super) fn new(probabilities: &[f64], threshold: f64) -> Self {
        let mut order: Vec<(f64, usize)> = probabilities.iter().copied().zip(0..).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut before = None;
        let row = |(p, row): (f64, usize)| {
            let tied = before == Some(p);
            before = Some(p);
            RankedRow { p, log_odds: logit(p.clamp(CLIP, 1.0 - CLIP)), row, accepted: p >= threshold, tied }
        };
        Self { rows: order.into_iter().map(row).collect() }
    }

    /// The metrics that are expected if each outcome is as likely as its probability says (confidence-based performance
    /// estimation, as in NannyML): those of the expected counts. Each pair of different rows counts in the AUC by the
    /// probability that the one is accepted and the other is not.
    pub(super) fn expected(&self) -> Metrics {
        self.metrics(|row| (row.p, 1.0 - row.p), true)
    }

    /// The metrics with these outcomes (0 or 1), by the index of the row.
    pub(super) fn realised(&self, outcomes: &[u8]) -> Metrics {
        let of = |row: &RankedRow| if outcomes.get(row.row) == Some(&1) { (1.0, 0.0) } else { (0.0, 1.0) };
        self.metrics(of, false)
    }

    /// The metrics with outcomes drawn by the probabilities; a row is drawn as many times as `times` says for its
    /// index.
    pub(super) fn drawn(&self, times: impl Fn(usize) -> u32, mut random: SplitMix64) -> Metrics {
        let of = |row: &RankedRow| {
            let n = times(row.row);
            let positives = (0..n).filter(|_| random.unit() < row.p).count() as f64;
            (positives, f64::from(n) - positives)
        };
        self.metrics(of, false)
    }

    /// `of`: how many positives and negatives a row counts as. With `alone`, these are parts of one row and no pair.
    fn metrics(&self, mut of: impl FnMut(&RankedRow) -> (f64, f64), alone: bool) -> Metrics {
        // `below` and `level`: the negatives below and at the current probability.
        let (mut below, mut level, mut level_positives, mut won) = (0.0, 0.0, 0.0, 0.0);
        let (mut positives, mut negatives, mut own_pairs) = (0.0, 0.0, 0.0);
        let (mut true_positives, mut accepted) = (0.0, 0.0);
        let (mut squares, mut excess, mut slope) = (0.0, 0.0, 0.0);
        for row in &self.rows {
            if !row.tied {
                won += level_positives * (below + level / 2.0);
                below += level;
                (level, level_positives) = (0.0, 0.0);
            }
            let (yes, no) = of(row);
            level += no;
            level_positives += yes;
            positives += yes;
            negatives += no;
            own_pairs += yes * no;
            if row.accepted {
                true_positives += yes;
                accepted += yes + no;
            }
            squares += yes * (1.0 - row.p) * (1.0 - row.p) + no * row.p * row.p;
            let gap = yes - (yes + no) * row.p;
            excess += gap;
            slope += gap * row.log_odds;
        }
        won += level_positives * (below + level / 2.0);
        let mut pairs = positives * negatives;
        if alone {
            pairs -= own_pairs;
            won -= own_pairs / 2.0;
        }
        let n: f64 = positives + negatives;
        let of_all = |sum: f64| (n > 0.0).then(|| sum / n);
        let either = accepted + positives;
        Metrics {
            // Where there is a single row, only a rounding error is left of the pairs.
            auc_roc: (pairs > 1e-9).then(|| (won / pairs).clamp(0.0, 1.0)),
            f1_score: (either > 0.0).then(|| 2.0 * true_positives / either),
            accuracy: of_all(negatives - accepted + 2.0 * true_positives),
            brier_score: of_all(squares),
            excess: of_all(excess),
            slope: of_all(slope),
        }
    }
}
