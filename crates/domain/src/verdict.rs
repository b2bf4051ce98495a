//! Verdicts on the difference between two models. They follow from the interval of the difference, not from the rounded
//! digits that are shown.

use crate::evaluation::{Difference, ModelComparisonResponse, PairSignificance};
use crate::ids::ModelId;
use std::cmp::Ordering;

/// The value with `decimals` decimals, or with as many more as are needed to show it on its own side of `limit`: a
/// lower bound of .0004 is not shown as 0.
pub fn beside(value: f64, limit: f64, decimals: usize) -> String {
    let side = value.partial_cmp(&limit);
    (decimals..17)
        .map(|digits| format!("{value:.digits$}"))
        .find(|text| text.parse().is_ok_and(|shown: f64| shown.partial_cmp(&limit) == side))
        .unwrap_or_else(|| value.to_string())
}

/// A difference of scores as `+.006` or `−.009`; 0 as `0`.
pub fn signed(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let shown = beside(value.abs(), 0.0, 3);
    let sign = if value > 0.0 { '+' } else { '−' };
    format!("{sign}{}", shown.strip_prefix('0').unwrap_or(&shown))
}

impl Difference {
    /// Which side of 0 the whole 95 % interval lies on. `Equal` if the interval contains 0: the difference is not
    /// significant.
    pub fn side(&self) -> Ordering {
        match self.interval_95 {
            [low, _] if low > 0.0 => Ordering::Greater,
            [_, high] if high < 0.0 => Ordering::Less,
            _ => Ordering::Equal,
        }
    }

    /// `AUC +.006, −.009 to +.021`
    pub fn figures(&self) -> String {
        let [low, high] = self.interval_95;
        format!("AUC {}, {} to {}", signed(self.difference), signed(low), signed(high))
    }

    fn turned(&self) -> Self {
        let [low, high] = self.interval_95;
        Self { difference: -self.difference, interval_95: [-high, -low], p_value: self.p_value }
    }
}

impl PairSignificance {
    /// The pair in one sentence; `a` and `b` are the names of its models.
    pub fn sentence(&self, a: &str, b: &str) -> String {
        match (&self.not_comparable, &self.delong) {
            (Some(why), _) => format!("{a} and {b} cannot be compared: {why}"),
            (None, None) => format!("{a} and {b} were not compared"),
            (None, Some(auc)) => sentence(a, b, auc),
        }
    }
}

/// `a cannot be told apart from b: AUC +.006, −.009 to +.021`
pub fn sentence(a: &str, b: &str, auc: &Difference) -> String {
    let said = match auc.side() {
        Ordering::Greater => "ranks better than",
        Ordering::Less => "ranks worse than",
        Ordering::Equal => "cannot be told apart from",
    };
    format!("{a} {said} {b}: {}", auc.figures())
}

/// The models of a comparison, ranked by AUC.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The model with the highest AUC.
    pub first: ModelId,
    /// The other models in falling order of AUC, each with the first model's AUC minus its own.
    pub others: Vec<(ModelId, Difference)>,
}

impl Standing {
    /// Ranks the models of a comparison; None if a pair was not tested.
    pub fn of(compared: &ModelComparisonResponse) -> Option<Self> {
        let pairs: Vec<&PairSignificance> = compared.statistical_significance.values().collect();
        let between = |a: &ModelId, b: &ModelId| {
            pairs.iter().find_map(|p| match (&p.delong, &p.model_a, &p.model_b) {
                (Some(d), first, second) if (first, second) == (a, b) => Some(d.clone()),
                (Some(d), first, second) if (first, second) == (b, a) => Some(d.turned()),
                _ => None,
            })
        };
        let ids: Vec<&ModelId> = compared.models.iter().map(|m| &m.model_id).collect();
        let mut first = *ids.first()?;
        for id in &ids[1..] {
            if between(id, first)?.difference > 0.0 {
                first = id;
            }
        }
        let mut others = Vec::new();
        for id in ids.into_iter().filter(|id| *id != first) {
            others.push((id.clone(), between(first, id)?));
        }
        others.sort_by(|a, b| a.1.difference.total_cmp(&b.1.difference));
        Some(Self { first: first.clone(), others })
    }

    /// The best model and those that do not differ significantly from it.
    pub fn alike(&self) -> Vec<&ModelId> {
        let alike = self.others.iter().filter(|(_, d)| d.side() == Ordering::Equal).map(|(id, _)| id);
        std::iter::once(&self.first).chain(alike).collect()
    }

    /// The comparison in one sentence.
    pub fn sentence(&self, name: impl Fn(&ModelId) -> String) -> String {
        let first = name(&self.first);
        if let [(other, auc)] = &self.others[..] {
            return sentence(&first, &name(other), auc);
        }
        let (alike, worse): (Vec<_>, Vec<_>) = self.others.iter().partition(|(_, d)| d.side() == Ordering::Equal);
        let names = |of: &[&(ModelId, Difference)]| of.iter().map(|(id, _)| name(id)).collect::<Vec<_>>().join(", ");
        match (alike.first(), worse.first()) {
            (None, None) => format!("{first} stands alone"),
            (Some((_, nearest)), None) => {
                format!("{first} cannot be told apart from {}: nearest {}", names(&alike), nearest.figures())
            }
            (None, Some((_, nearest))) => {
                format!("{first} ranks better than {}: nearest {}", names(&worse), nearest.figures())
            }
            (Some((_, nearest)), Some(_)) => format!(
                "{first} cannot be told apart from {}: nearest {}; it ranks better than {}",
                names(&alike),
                nearest.figures(),
                names(&worse)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    fn auc(difference: f64, low: f64, high: f64) -> Difference {
        Difference { difference, interval_95: [low, high], p_value: 0.5 }
    }

    #[test]
    fn the_interval_decides_and_no_digit_contradicts_it() {
        let said = |d: f64, low: f64, high: f64| sentence("A", "B", &auc(d, low, high));
        assert_eq!(said(0.006, -0.009, 0.021), "A cannot be told apart from B: AUC +.006, −.009 to +.021");
        assert_eq!(said(0.041, 0.02, 0.062), "A ranks better than B: AUC +.041, +.020 to +.062");
        assert_eq!(said(-0.041, -0.062, -0.02), "A ranks worse than B: AUC −.041, −.062 to −.020");
        // A bound that three digits would show as 0.
        assert_eq!(said(0.02, 0.0002, 0.04), "A ranks better than B: AUC +.020, +.0002 to +.040");
        assert_eq!(said(0.02, -0.0002, 0.04), "A cannot be told apart from B: AUC +.020, −.0002 to +.040");
        // Rankings that are the same, and rows that are no evidence.
        assert_eq!(said(0.0, 0.0, 0.0), "A cannot be told apart from B: AUC 0, 0 to 0");
        assert_eq!(said(0.3, -1.0, 1.0), "A cannot be told apart from B: AUC +.300, −1.000 to +1.000");
    }

    proptest! {
        #[test]
        fn what_is_shown_lies_on_the_side_where_the_value_does(value in -1.0f64..1.0, limit in -1.0f64..1.0, small in -20i32..0) {
            for value in [value, value * 10f64.powi(small), limit + value * 10f64.powi(small)] {
                let shown: f64 = beside(value, limit, 3).parse().unwrap();
                prop_assert_eq!(shown.partial_cmp(&limit), value.partial_cmp(&limit));
                if value != 0.0 {
                    prop_assert_eq!(signed(value).starts_with('+'), value > 0.0);
                    prop_assert!(signed(value).chars().any(|c| ('1'..='9').contains(&c)));
                }
            }
        }
    }

    #[test]
    fn several_models_are_one_sentence() {
        let id = |n: u128| ModelId::new(crate::Algorithm::Xgboost, chrono::DateTime::UNIX_EPOCH, n);
        let name = |of: &ModelId| ["A", "B", "C"][(1..4u128).position(|n| *of == id(n)).unwrap()].to_owned();
        let standing = |others: Vec<(ModelId, Difference)>| Standing { first: id(1), others };
        let (near, far) = ((id(2), auc(0.004, -0.01, 0.018)), (id(3), auc(0.05, 0.03, 0.07)));
        let both = standing(vec![near.clone(), far.clone()]);
        assert_eq!(both.alike(), [&id(1), &id(2)]);
        assert_eq!(
            both.sentence(name),
            "A cannot be told apart from B: nearest AUC +.004, −.010 to +.018; it ranks better than C"
        );
        let alike = standing(vec![near.clone(), (id(3), near.1.clone())]);
        assert_eq!(alike.sentence(name), "A cannot be told apart from B, C: nearest AUC +.004, −.010 to +.018");
        let better = standing(vec![(id(2), far.1.clone()), far]);
        assert_eq!(better.sentence(name), "A ranks better than B, C: nearest AUC +.050, +.030 to +.070");
        assert_eq!(standing(vec![near]).sentence(name), "A cannot be told apart from B: AUC +.004, −.010 to +.018");
    }
}
