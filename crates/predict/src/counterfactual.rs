//! Counterfactuals (Wachter, Mittelstadt and Russell 2018): the smallest change of a few features that was found to
//! turn a rejection into an acceptance. The model predicts each changed row, so that the result is verified. A
//! counterfactual describes the model and is no advice to an applicant.

use crate::ranges::FeatureRange;

/// Features that a counterfactual changes unless the configuration names others.
pub const DEFAULT_CHANGEABLE: [&str; 7] = [
    "gre_verbal_percentile",
    "gre_quant_percentile",
    "gmat_percentile",
    "english_proficiency",
    "research_score",
    "professional_score",
    "extracurricular_score",
];

/// Values of one feature that are tried, evenly spaced over its training range.
const STEPS: usize = 24;
/// Maximum number of features that are changed together.
const MOST_CHANGES: usize = 3;
/// Halvings of each change after an acceptance was found.
const HALVINGS: usize = 12;

/// The row to change, the features that may change, and how a changed row is predicted.
pub struct Search<'a> {
    /// The features of the row; NaN is missing.
    pub row: &'a [f32],
    /// Indices of the changeable features.
    pub changeable: &'a [usize],
    /// Training ranges of all features.
    pub ranges: &'a [FeatureRange],
    /// Decision threshold: a probability of at least this is an acceptance.
    pub threshold: f64,
    /// Predicts the probabilities of rows, which differ from `row` only in changeable features.
    pub predict: &'a dyn Fn(&[Vec<f32>]) -> Vec<f64>,
}

/// A change of one feature.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    feature: usize,
    to: f32,
}

impl Search<'_> {
    /// Searches greedily: first over one feature, then with more. Returns the changes (index of the feature, new value)
    /// and the probability of the changed row. None if no change that was tried leads to an acceptance.
    pub fn run(&self) -> Option<(Vec<(usize, f32)>, f64)> {
        let mut taken: Vec<Step> = Vec::new();
        while taken.len() < MOST_CHANGES {
            let candidates = self.candidates(&taken);
            let rows: Vec<Vec<f32>> = candidates.iter().map(|step| self.with(taken.iter().chain([step]))).collect();
            let p = (self.predict)(&rows);
            let turned = (0..candidates.len()).filter(|at| p[*at] >= self.threshold);
            let smallest = turned.min_by(|a, b| self.size(candidates[*a]).total_cmp(&self.size(candidates[*b])));
            if let Some(at) = smallest {
                taken.push(candidates[at]);
                return self.shrunk(taken);
            }
            // The step that raises the probability most is kept, and another feature is changed as well.
            let nearest = (0..candidates.len()).max_by(|a, b| p[*a].total_cmp(&p[*b]))?;
            taken.push(candidates[nearest]);
        }
        None
    }

    /// Candidate steps of the changeable features that are not changed yet.
    fn candidates(&self, taken: &[Step]) -> Vec<Step> {
        let mut steps = Vec::new();
        for feature in self.changeable.iter().filter(|f| !taken.iter().any(|step| step.feature == **f)) {
            let Some(FeatureRange::Numbers { low, high }) = self.ranges.get(*feature) else { continue };
            let value = |at: usize| low + (high - low) * at as f32 / (STEPS - 1) as f32;
            let differs = |to: &f32| *to != self.row[*feature];
            steps.extend((0..STEPS).map(value).filter(differs).map(|to| Step { feature: *feature, to }));
        }
        steps
    }

    fn with<'s>(&self, steps: impl Iterator<Item = &'s Step>) -> Vec<f32> {
        let mut row = self.row.to_vec();
        steps.for_each(|step| row[step.feature] = step.to);
        row
    }

    /// The size of a change as a share of the training range; 1 if the value was missing.
    fn size(&self, step: Step) -> f64 {
        match self.ranges.get(step.feature) {
            Some(FeatureRange::Numbers { low, high }) if high > low && !self.row[step.feature].is_nan() => {
                f64::from((step.to - self.row[step.feature]).abs()) / f64::from(high - low)
            }
            _ => 1.0,
        }
    }

    /// Shrinks each change by bisection while the prediction remains an acceptance.
    fn shrunk(&self, mut taken: Vec<Step>) -> Option<(Vec<(usize, f32)>, f64)> {
        for at in (0..taken.len()).rev() {
            let (from, mut far) = (self.row[taken[at].feature], taken[at].to);
            if from.is_nan() {
                continue;
            }
            let mut near = from;
            for _ in 0..HALVINGS {
                let middle = near + (far - near) / 2.0;
                taken[at].to = middle;
                let p = (self.predict)(&[self.with(taken.iter())]);
                if p.first().is_some_and(|p| *p >= self.threshold) {
                    far = middle;
                } else {
                    near = middle;
                }
            }
            taken[at].to = far;
        }
        taken.retain(|step| step.to != self.row[step.feature]);
        let p = *(self.predict)(&[self.with(taken.iter())]).first()?;
        let turned = p >= self.threshold && !taken.is_empty();
        turned.then(|| (taken.into_iter().map(|step| (step.feature, step.to)).collect(), p))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ranges(n: usize) -> Vec<FeatureRange> {
        vec![FeatureRange::Numbers { low: 0.0, high: 1.0 }; n]
    }

    fn found(row: &[f32], changeable: &[usize], predict: &dyn Fn(&[f32]) -> f64) -> Option<(Vec<(usize, f32)>, f64)> {
        let of_rows = |rows: &[Vec<f32>]| rows.iter().map(|row| predict(row)).collect();
        Search { row, changeable, ranges: &ranges(row.len()), threshold: 0.5, predict: &of_rows }.run()
    }

    #[test]
    fn one_feature_is_changed_by_as_little_as_turns_the_answer() {
        let (changes, p) = found(&[0.2, 0.1, 0.9], &[0, 1], &|r| f64::from(0.6 * r[0] + 0.3 * r[1])).unwrap();
        let [(0, to)] = changes[..] else { panic!("{changes:?}") };
        // 0.6 · to + 0.03 = 0.5
        assert!((to - 0.783_33).abs() < 1e-3 && p >= 0.5, "{to} {p}");
        assert!(found(&[0.2, 0.1, 0.9], &[], &|r| f64::from(r[0])).is_none());
    }

    #[test]
    fn two_features_where_one_is_not_enough_and_none_where_nothing_is() {
        let both = |r: &[f32]| f64::from(0.3 * r[0] + 0.3 * r[1]);
        let (changes, p) = found(&[0.0, 0.0], &[0, 1], &both).unwrap();
        assert!(changes.len() == 2 && p >= 0.5, "{changes:?} {p}");
        assert!(found(&[0.0, 0.0], &[0, 1], &|r| f64::from(0.2 * r[0] + 0.2 * r[1])).is_none());
        // Only what may be changed is.
        assert!(found(&[0.0, 0.0], &[1], &both).is_none());
    }

    #[test]
    fn a_missing_value_may_be_given() {
        let (changes, _) = found(&[f32::NAN], &[0], &|r| if r[0] > 0.7 { 0.8 } else { 0.1 }).unwrap();
        assert!(changes[0].0 == 0 && changes[0].1 > 0.7);
    }
}
