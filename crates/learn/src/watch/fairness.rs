//! Fairness audits: how a model treats each group compared with all other rows, on rows that it was not trained on.

mod few;
mod figures;
mod holm;
mod partition;
mod resample;
mod slope;

pub use holm::holm;
pub use partition::AuditColumn;
pub use slope::{Slope, calibration_slope};

use crate::counts::Counts;
use crate::intervals::{auc_interval, wilson};
use crate::stats::{normal_cdf, normal_quantile};
use few::{difference_interval, ratio_interval};
use figures::{Share, Split};
use partition::Partition;
use provost_domain::fairness::{
    AttributeFairness, FairnessDifference, FairnessDifferences, FairnessFigure, FairnessFigures, FairnessMeasure,
    FairnessVerdict, GroupFairness, LEVEL, MIN_OUTCOMES, MIN_ROWS,
};
use provost_domain::limits::FAIRNESS_GROUPS;
use resample::{Drawn, Resampled};

/// With fewer rows on either side of a share, its intervals are Wilson's, Newcombe's and MOVER's, else the bootstrap's.
const FEW: u64 = 10;

/// Held-out rows with a model's predictions.
#[derive(Debug, Clone, Copy)]
pub struct AuditRows<'a> {
    /// Outcomes, 0 or 1.
    pub y: &'a [u8],
    /// Probabilities of class 1.
    pub p: &'a [f64],
    /// The model accepts from this probability on.
    pub threshold: f64,
    /// The applicant of each row; rows of one applicant are drawn together.
    pub applicants: &'a [u64],
}

/// Audits each column, and each pair of columns that some row has both of.
///
/// Figures of a group are compared with those of all other rows that have the attribute. Intervals are 95 % percentile
/// intervals of a bootstrap that draws applicants within each group (Davison and Hinkley 1997, section 3.2), of 1,000
/// draws, fewer with more than 200,000 rows. Shares with fewer than 10 rows on either side have Wilson's interval
/// (1927), their differences Newcombe's (1998, method 10), their ratios that of Donner and Zou (2012, MOVER).
/// Calibration slopes have Wald's interval. p-values are by the normal distribution, with the larger of the bootstrap's
/// and the pooled standard error; Holm's method (1979) adjusts them over all groups and measures of the audit. The same
/// rows and seed give the same answer at any thread count.
pub fn audit(rows: &AuditRows<'_>, columns: &[AuditColumn], seed: u64) -> Vec<AttributeFairness> {
    let mut all: Vec<AttributeFairness> =
        partition::all(columns).iter().map(|partition| attribute(rows, partition, seed)).collect();
    adjust(&mut all);
    all
}

/// Holm's adjustment over every difference that was tested, and the verdicts that follow from it.
fn adjust(all: &mut [AttributeFairness]) {
    let mut tested: Vec<&mut FairnessDifference> = Vec::new();
    let differences = all.iter_mut().flat_map(|a| &mut a.groups).filter_map(|g| g.difference.as_mut());
    for d in differences {
        let FairnessDifferences {
            selection_rate,
            true_positive_rate,
            false_positive_rate,
            precision,
            auc_roc,
            calibration_slope,
        } = d;
        let each = [selection_rate, true_positive_rate, false_positive_rate, precision, auc_roc, calibration_slope];
        tested.extend(each.into_iter().filter(|d| d.p_value.is_some()));
    }
    let adjusted = holm(&tested.iter().filter_map(|d| d.p_value).collect::<Vec<_>>());
    for (difference, p) in tested.into_iter().zip(adjusted) {
        difference.p_holm = Some(p);
    }
    for group in all.iter_mut().flat_map(|a| &mut a.groups) {
        let Some(difference) = &group.difference else { continue };
        let differs = |m: &FairnessMeasure| difference.of(*m).p_holm.is_some_and(|p| p <= LEVEL);
        group.differs_in = FairnessMeasure::ALL.iter().copied().filter(differs).collect();
        let found = !group.differs_in.is_empty();
        group.verdict = if found { FairnessVerdict::Differs } else { FairnessVerdict::NoDifference };
    }
}

fn attribute(rows: &AuditRows<'_>, partition: &Partition, seed: u64) -> AttributeFairness {
    let split = Split::new(rows, partition);
    let shown: Vec<u32> = split.by_size(partition).into_iter().take(FAIRNESS_GROUPS).collect();
    let compared: Vec<u32> = shown.iter().copied().filter(|g| split.verdict(*g).is_none()).collect();
    let drawn = Resampled::new(&split).draw(&compared, seed);
    let groups = shown.iter().map(|group| {
        let at = compared.iter().position(|other| other == group);
        of_group(rows, &split, *group, partition, at.map(|at| &drawn[at]))
    });
    let groups: Vec<GroupFairness> = groups.collect();
    let present = split.rows.len() as u64;
    AttributeFairness {
        attribute: partition.name.clone(),
        rows: present,
        missing: rows.y.len() as u64 - present,
        groups_not_shown: (split.groups() - shown.len()) as u64,
        groups,
    }
}

/// `drawn` is given for a group that is compared with the rest.
fn of_group(
    rows: &AuditRows<'_>,
    split: &Split,
    group: u32,
    partition: &Partition,
    drawn: Option<&Drawn>,
) -> GroupFairness {
    let (own, rest) = split.point(group);
    let mut found = GroupFairness {
        group: partition.words.get(group as usize).cloned().unwrap_or_default(),
        rows: own.counts.total(),
        accepted: own.counts.tp + own.counts.fn_,
        figures: FairnessFigures::default(),
        difference: None,
        ratio: None,
        verdict: split.verdict(group).unwrap_or(FairnessVerdict::NoDifference),
        differs_in: Vec::new(),
    };
    let (y, p) = split.of_group(rows, |g| g == group);
    for measure in FairnessMeasure::ALL {
        *found.figures.of_mut(*measure) = match (Share::of(own.counts, *measure), drawn) {
            (Some(share), Some(drawn)) if !share.is_few() => figure(share.value(), drawn.interval(*measure)),
            (Some(share), _) => figure(share.value(), wilson(share.part, share.whole)),
            (None, Some(drawn)) if *measure == FairnessMeasure::AucRoc => figure(own.auc, drawn.interval(*measure)),
            (None, None) if *measure == FairnessMeasure::AucRoc => figure(own.auc, auc_interval(&y, &p)),
            _ => FairnessFigure::default(),
        };
    }
    let Some(drawn) = drawn else { return found };
    let (mut differences, mut ratios) = (FairnessDifferences::default(), FairnessFigures::default());
    for measure in FairnessMeasure::ALL {
        let (difference, ratio) = match (Share::of(own.counts, *measure), Share::of(rest.counts, *measure)) {
            (Some(a), Some(b)) => compared_shares(a, b, drawn, *measure),
            _ if *measure == FairnessMeasure::AucRoc => compared_aucs(own.auc, rest.auc, drawn),
            _ => continue,
        };
        *differences.of_mut(*measure) = difference;
        *ratios.of_mut(*measure) = ratio;
    }
    let others = split.of_group(rows, |g| g != group);
    let slopes = (calibration_slope(&y, &p), calibration_slope(&others.0, &others.1));
    if let Some(own) = &slopes.0 {
        found.figures.calibration_slope = figure(Some(own.value), Some(own.interval()));
    }
    if let (Some(a), Some(b)) = slopes {
        (differences.calibration_slope, ratios.calibration_slope) = compared_slopes(&a, &b);
    }
    (found.difference, found.ratio) = (Some(differences), Some(ratios));
    found
}

fn figure(value: Option<f64>, interval: Option<[f64; 2]>) -> FairnessFigure {
    let ends = interval.filter(|_| value.is_some());
    FairnessFigure { value, low: ends.map(|e| e[0]), high: ends.map(|e| e[1]) }
}

fn difference(value: Option<f64>, interval: Option<[f64; 2]>, p_value: Option<f64>) -> FairnessDifference {
    let FairnessFigure { value, low, high } = figure(value, interval);
    FairnessDifference { value, low, high, p_value: p_value.filter(|_| value.is_some()), p_holm: None }
}

/// The two-sided p-value by a normal distribution around 0.
fn p_of(value: f64, error: f64) -> f64 {
    // Without an error there is no difference either: the pooled error is 0 where all decisions agree.
    if error > 0.0 { (2.0 * normal_cdf(-(value / error).abs())).min(1.0) } else { 1.0 }
}

fn compared_shares(a: Share, b: Share, drawn: &Drawn, m: FairnessMeasure) -> (FairnessDifference, FairnessFigure) {
    let (Some(of_a), Some(of_b)) = (a.value(), b.value()) else { return Default::default() };
    let gap = of_a - of_b;
    let ratio = (of_b > 0.0).then(|| of_a / of_b);
    let (gap_interval, ratio_ends) = if a.is_few() || b.is_few() {
        (difference_interval(a, b), ratio_interval(a, b))
    } else {
        (drawn.difference_interval(m), drawn.ratio_interval(m))
    };
    let pooled = (a.part + b.part) as f64 / (a.whole + b.whole) as f64;
    let pooled_error = (pooled * (1.0 - pooled) * (1.0 / a.whole as f64 + 1.0 / b.whole as f64)).sqrt();
    let p = p_of(gap, drawn.difference_error(m).unwrap_or(0.0).max(pooled_error));
    (difference(Some(gap), gap_interval, Some(p)), figure(ratio, ratio_ends))
}

fn compared_aucs(a: Option<f64>, b: Option<f64>, drawn: &Drawn) -> (FairnessDifference, FairnessFigure) {
    let m = FairnessMeasure::AucRoc;
    let (Some(a), Some(b)) = (a, b) else { return Default::default() };
    let p = drawn.difference_error(m).map(|error| p_of(a - b, error));
    let ratio = (b > 0.0).then(|| a / b);
    (difference(Some(a - b), drawn.difference_interval(m), p), figure(ratio, drawn.ratio_interval(m)))
}

/// The interval of the ratio is by the delta method.
fn compared_slopes(a: &Slope, b: &Slope) -> (FairnessDifference, FairnessFigure) {
    let reach = normal_quantile(0.975);
    let (gap, error) = (a.value - b.value, a.error.hypot(b.error));
    let of_gap = difference(Some(gap), Some([gap - reach * error, gap + reach * error]), Some(p_of(gap, error)));
    if b.value <= 0.0 {
        return (of_gap, FairnessFigure::default());
    }
    let ratio = a.value / b.value;
    let half = reach * (a.error / b.value).hypot(ratio * b.error / b.value);
    (of_gap, figure(Some(ratio), Some([ratio - half, ratio + half])))
}

/// Why a group is not compared; None where it is.
fn too_little(own: Counts, rest: Counts) -> Option<FairnessVerdict> {
    let few = |c: Counts| c.total() < MIN_ROWS || c.tp + c.fn_ < MIN_OUTCOMES || c.tn + c.fp < MIN_OUTCOMES;
    match (few(own), rest.total()) {
        (true, _) => Some(FairnessVerdict::TooFew),
        (false, 0) => Some(FairnessVerdict::NoOther),
        (false, _) => few(rest).then_some(FairnessVerdict::TooFew),
    }
}

#[cfg(test)]
mod tests;
