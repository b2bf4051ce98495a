//! Has a model grown worse on newly labelled rows, against its own figures on the last years of its data?

use crate::stats::{Estimate, auc_with_error, log_loss_with_error, normal_cdf};
use provost_domain::model::TemporalFigures;
use serde::Serialize;
use std::ops::Range;

/// A window closes with this many rows and as many of each class; a temporal reference needs them too.
pub const WINDOW_ROWS: usize = 300;
/// Rows of each class that a window needs.
pub const WINDOW_ROWS_OF_CLASS: usize = 50;
/// Of a window's test, shared by its two measures.
pub const DROP_ALPHA: f64 = 0.05;
/// Windows in a row that must show it.
const CONSECUTIVE: usize = 2;

/// Cuts rows in order of time into consecutive windows, each closing as soon as it has 300 rows and 50 of each class. An
/// incomplete tail is no window. `labels`: 0 or 1.
pub fn windows(labels: &[u8]) -> Vec<Range<usize>> {
    let (mut windows, mut start, mut seen) = (Vec::new(), 0, [0usize; 2]);
    for (at, label) in labels.iter().enumerate() {
        seen[usize::from(*label == 1)] += 1;
        if enough(seen) {
            windows.push(start..at + 1);
            (start, seen) = (at + 1, [0; 2]);
        }
    }
    windows
}

/// Whether so many rows of class 0 and 1 make a window.
pub(crate) fn enough(of_class: [usize; 2]) -> bool {
    of_class[0] + of_class[1] >= WINDOW_ROWS && of_class.iter().all(|n| *n >= WINDOW_ROWS_OF_CLASS)
}

/// One measure of a window beside the reference's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shift {
    /// On the reference rows.
    pub reference: Estimate,
    /// On the new rows.
    pub observed: Estimate,
    /// How much worse, in standard errors of the difference; negative where it is better.
    pub z: f64,
    /// One-sided: the chance of such a difference, or a worse one, if nothing has changed.
    pub p_value: f64,
    /// Whether the fall is more than chance explains.
    pub dropped: bool,
}

/// A window's two measures beside the reference's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shifts {
    /// Rows of the window.
    pub rows: usize,
    /// Those of class 1.
    pub positives: usize,
    /// Of the area under the ROC curve.
    pub auc: Shift,
    /// Of the mean log loss.
    pub log_loss: Shift,
}

/// The two-sample test of new rows against a model's temporal figures, with both standard errors: z of the difference in
/// the AUC (lower is worse) and in the log loss (higher is worse), each one-sided at .025, so that alpha is .05 for
/// both together (Bonferroni). The AUC notices a ranking that fails, the log loss also probabilities that do, as when
/// more are accepted than were; less so where they are about one half, which costs little whatever comes. `None` with fewer than two rows of a class. `p`: the model's probabilities.
pub fn shifts(reference: &TemporalFigures, y: &[u8], p: &[f64]) -> Option<Shifts> {
    let (auc, log_loss) = (auc_with_error(y, p)?, log_loss_with_error(y, p)?);
    let of_auc = Estimate { value: reference.auc, error: reference.auc_error };
    let of_loss = Estimate { value: reference.log_loss, error: reference.log_loss_error };
    Some(Shifts {
        rows: y.len(),
        positives: y.iter().filter(|l| **l == 1).count(),
        auc: shift(of_auc, auc, of_auc.value - auc.value),
        log_loss: shift(of_loss, log_loss, log_loss.value - of_loss.value),
    })
}

fn shift(reference: Estimate, observed: Estimate, worse_by: f64) -> Shift {
    let error = reference.error.hypot(observed.error);
    // Without any error (a perfect ranking on both sides) equal figures are no drop, and others are certain.
    let z = if worse_by == 0.0 { 0.0 } else { worse_by / error };
    let p_value = normal_cdf(-z);
    Shift { reference, observed, z, p_value, dropped: p_value < DROP_ALPHA / 2.0 }
}

/// What the newest windows say of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PerformanceDrop {
    /// Whether two consecutive windows fell.
    pub dropped: bool,
    /// "AUC fell from 0.741 to 0.688 and 0.675 in two consecutive windows", or why there is no drop.
    pub reason: String,
    /// Complete windows in all.
    pub windows: usize,
    /// The last two of them, the older first.
    pub latest: Vec<Shifts>,
}

/// Cuts rows in order of time into windows and tests the last two complete ones: performance has dropped when both show it
/// in the same measure. Of a model that has not changed, one window says so in less than 5 % of cases, and two in less
/// than 1 % (more than the square, because they share the reference's error).
pub fn performance_drop(reference: &TemporalFigures, y: &[u8], p: &[f64]) -> PerformanceDrop {
    let all = windows(&y[..y.len().min(p.len())]);
    if y.is_empty() {
        let reason = "there are no new rows with settled outcomes: nothing was tested".to_owned();
        return PerformanceDrop { dropped: false, reason, windows: 0, latest: Vec::new() };
    }
    let tail = &all[all.len().saturating_sub(CONSECUTIVE)..];
    let latest: Vec<Shifts> =
        tail.iter().filter_map(|rows| shifts(reference, &y[rows.clone()], &p[rows.clone()])).collect();
    let mut found = PerformanceDrop { dropped: false, reason: String::new(), windows: all.len(), latest };
    let [older, newer] = found.latest[..] else {
        found.reason = format!(
            "{} complete windows of new rows ({WINDOW_ROWS} rows, {WINDOW_ROWS_OF_CLASS} of each class); two are needed",
            found.windows
        );
        return found;
    };
    let measures = [("AUC", "fell", older.auc, newer.auc), ("log loss", "rose", older.log_loss, newer.log_loss)];
    let said: Vec<String> = measures
        .iter()
        .filter(|(_, _, older, newer)| older.dropped && newer.dropped)
        .map(|(name, went, older, newer)| {
            let values = [older.reference.value, older.observed.value, newer.observed.value];
            let [from, then, now] = values.map(|v| format!("{v:.3}"));
            format!("{name} {went} from {from} to {then} and {now}")
        })
        .collect();
    found.dropped = !said.is_empty();
    found.reason = if found.dropped {
        format!("{} in two consecutive windows", said.join(", and "))
    } else {
        "no measure is worse in both of the last two windows".to_owned()
    };
    found
}

#[cfg(test)]
mod tests;
