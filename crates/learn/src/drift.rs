//! Tests whether a model performs worse on newly labelled rows than it did on the last years of its own data.

use crate::stats::{Estimate, auc_with_error, log_loss_with_error, normal_cdf};
use provost_domain::model::TemporalFigures;
use serde::Serialize;
use std::ops::Range;

/// Rows that a window needs; a temporal reference needs as many.
pub const WINDOW_ROWS: usize = 300;
/// Rows of each class that a window needs.
pub const WINDOW_ROWS_OF_CLASS: usize = 50;
/// Significance level of a window's test, shared by its two measures.
pub const DROP_ALPHA: f64 = 0.05;
/// Number of consecutive windows that must be worse.
const CONSECUTIVE: usize = 2;

/// Cuts rows in order of time into consecutive windows, each closing as soon as it has 300 rows and 50 of each class.
/// An incomplete tail is not a window. `labels`: 0 or 1.
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

/// Whether so many rows of class 0 and 1 complete a window.
pub(crate) fn enough(of_class: [usize; 2]) -> bool {
    of_class[0] + of_class[1] >= WINDOW_ROWS && of_class.iter().all(|n| *n >= WINDOW_ROWS_OF_CLASS)
}

/// One measure, of the reference and of a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shift {
    /// On the reference rows.
    pub reference: Estimate,
    /// On the new rows.
    pub observed: Estimate,
    /// How much worse the observed value is, in standard errors of the difference; negative where it is better.
    pub z: f64,
    /// One-sided p-value: the probability of such a difference, or a worse one, if nothing has changed.
    pub p_value: f64,
    /// Whether the observed value is significantly worse.
    pub dropped: bool,
}

/// Both measures of a window, each with that of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shifts {
    /// Rows of the window.
    pub rows: usize,
    /// Rows of the window that are of class 1.
    pub positives: usize,
    /// The area under the ROC curve.
    pub auc: Shift,
    /// The mean log loss.
    pub log_loss: Shift,
}

/// The two-sample test of new rows against a model's temporal figures, with both standard errors: z of the difference
/// in the AUC (lower is worse) and in the log loss (higher is worse), each one-sided at .025, so that alpha is .05 for
/// both together (Bonferroni). The AUC detects a ranking that has become worse. The log loss also detects probabilities
/// that have, for example when more applicants are accepted than before; it hardly detects this where the probabilities
/// are about one half, because the loss is then nearly the same for both outcomes. `y`: labels 0 or 1, `p`: the model's
/// probabilities of the same rows. `None` with fewer than two rows of a class.
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
    // Where both errors are 0 (a perfect ranking on both sides), equal figures are no drop, and z of different ones is
    // infinite.
    let z = if worse_by == 0.0 { 0.0 } else { worse_by / error };
    let p_value = normal_cdf(-z);
    Shift { reference, observed, z, p_value, dropped: p_value < DROP_ALPHA / 2.0 }
}

/// The result of testing the newest windows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PerformanceDrop {
    /// Whether both of the last two windows are worse in the same measure.
    pub dropped: bool,
    /// What dropped, as in "AUC fell from 0.741 to 0.688 and 0.675 in two consecutive windows", or why there is no
    /// drop.
    pub reason: String,
    /// Number of complete windows.
    pub windows: usize,
    /// The last two windows, the older first.
    pub latest: Vec<Shifts>,
}

/// Cuts rows in order of time into windows and tests the last two complete ones: performance has dropped when both are
/// worse in the same measure. For a model that has not changed, one window is significant in less than 5 % of cases,
/// and two are in less than 1 % (more than the square of 5 %, because both are compared with the same reference). `y`:
/// labels 0 or 1, `p`: the model's probabilities of the same rows.
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
