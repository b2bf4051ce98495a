//! Two models on the same rows: which is better, and how sure that is.

use super::text::Mark;
use provost_domain::ModelId;
use provost_domain::evaluation::{ModelComparisonResponse, PairSignificance};

/// The tests of two models, and whether the second model is `model_a` in them.
pub fn pair_of<'a>(
    compared: &'a ModelComparisonResponse,
    first: &ModelId,
    second: &ModelId,
) -> Option<(&'a PairSignificance, bool)> {
    compared.statistical_significance.values().find_map(|pair| {
        match (pair.model_a == *second && pair.model_b == *first, pair.model_a == *first && pair.model_b == *second) {
            (true, _) => Some((pair, true)),
            (_, true) => Some((pair, false)),
            _ => None,
        }
    })
}

/// The second model's AUC minus the first's, with its interval.
pub fn auc_difference(pair: &PairSignificance, is_a: bool) -> Option<(f64, [f64; 2])> {
    let delong = pair.delong.as_ref()?;
    let [low, high] = delong.interval_95;
    Some(if is_a { (delong.difference, [low, high]) } else { (-delong.difference, [-high, -low]) })
}

/// Whether a difference is better or worse beyond chance, or unclear.
pub fn mark_of(difference: Option<(f64, [f64; 2])>) -> Mark {
    match difference {
        Some((_, [low, _])) if low > 0.0 => Mark::BETTER,
        Some((_, [_, high])) if high < 0.0 => Mark::WORSE,
        _ => Mark::UNCLEAR,
    }
}
