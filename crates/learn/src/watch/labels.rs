//! Label errors: labels that models contradict, by confident learning for two classes (Northcutt, Jiang and Chuang
//! 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels").

/// How many rows with each label confidently look like each class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfidentJoint {
    /// The mean probability of class k among rows with label k: from there on a row confidently looks like k.
    pub thresholds: [f64; 2],
    /// Rows by label, then by the class that they confidently look like. Rows that look like neither are in none.
    pub counts: [[u64; 2]; 2],
    /// Rows by label.
    pub labels: [u64; 2],
}

impl ConfidentJoint {
    /// From labels 0 or 1 and out-of-fold probabilities of class 1 of the same rows. None where a class has no row.
    pub fn of(y: &[u8], p: &[f64]) -> Option<Self> {
        let (mut sums, mut labels) = ([0.0; 2], [0u64; 2]);
        for (y, p) in y.iter().zip(p) {
            let class = usize::from(*y == 1);
            sums[class] += of_class(*p, class);
            labels[class] += 1;
        }
        if labels.contains(&0) {
            return None;
        }
        let thresholds = [sums[0] / labels[0] as f64, sums[1] / labels[1] as f64];
        let mut joint = Self { thresholds, counts: [[0; 2]; 2], labels };
        for (y, p) in y.iter().zip(p) {
            if let Some(class) = joint.looks_like(*p) {
                joint.counts[usize::from(*y == 1)][class] += 1;
            }
        }
        Some(joint)
    }

    /// The class that a probability of class 1 confidently looks like; of both, the more probable one.
    pub fn looks_like(&self, p: f64) -> Option<usize> {
        let confident = |class: usize| of_class(p, class) >= self.thresholds[class];
        match (confident(0), confident(1)) {
            (true, true) => Some(usize::from(p > 0.5)),
            (true, false) => Some(0),
            (false, true) => Some(1),
            (false, false) => None,
        }
    }

    /// Estimated number of wrong labels: the counts off the diagonal, scaled to the rows that each label has.
    pub fn estimated_errors(&self) -> f64 {
        let of_label = |label: usize| {
            let counted = self.counts[label][0] + self.counts[label][1];
            let wrong = self.counts[label][1 - label] as f64;
            if counted == 0 { 0.0 } else { wrong / counted as f64 * self.labels[label] as f64 }
        };
        of_label(0) + of_label(1)
    }
}

fn of_class(p: f64, class: usize) -> f64 {
    if class == 1 { p } else { 1.0 - p }
}

/// A row whose label is contradicted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contradicted {
    /// Index of the row.
    pub row: usize,
    /// The mean probability of class 1 over the models.
    pub p: f64,
}

/// The joint of the mean probabilities, and the rows whose label this joint and the joint of every model contradict,
/// the most certain first. `y`: labels 0 or 1, `members`: each model's out-of-fold probabilities of class 1, for the
/// same rows. None where a class has no row, or there is no model.
pub fn contradicted(y: &[u8], members: &[Vec<f64>]) -> Option<(ConfidentJoint, Vec<Contradicted>)> {
    let n = members.len() as f64;
    members.first()?;
    let mean: Vec<f64> = (0..y.len())
        .map(|row| members.iter().map(|p| p.get(row).copied().unwrap_or(f64::NAN)).sum::<f64>() / n)
        .collect();
    let joint = ConfidentJoint::of(y, &mean)?;
    let of_members: Option<Vec<ConfidentJoint>> = members.iter().map(|p| ConfidentJoint::of(y, p)).collect();
    let of_members = of_members?;
    let wrong = |joint: &ConfidentJoint, label: u8, p: f64| {
        joint.looks_like(p).is_some_and(|class| class != usize::from(label == 1))
    };
    let mut found: Vec<Contradicted> = (0..y.len())
        .filter(|row| {
            let all = of_members.iter().zip(members).all(|(joint, p)| wrong(joint, y[*row], p[*row]));
            all && wrong(&joint, y[*row], mean[*row])
        })
        .map(|row| Contradicted { row, p: mean[row] })
        .collect();
    // The probability of the row's own label.
    let own = |c: &Contradicted| of_class(c.p, usize::from(y[c.row] == 1));
    found.sort_by(|a, b| own(a).total_cmp(&own(b)).then(a.row.cmp(&b.row)));
    Some((joint, found))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_domain::rng::SplitMix64;

    /// scripts/labels_fixture.py writes what cleanlab found.
    #[test]
    fn the_joint_is_cleanlabs() {
        let expected: serde_json::Value = serde_json::from_str(include_str!("labels/cleanlab.json")).unwrap();
        let numbers = |of: &serde_json::Value| -> Vec<f64> { serde_json::from_value(of.clone()).unwrap() };
        let y: Vec<u8> = numbers(&expected["y"]).into_iter().map(|y| y as u8).collect();
        let joint = ConfidentJoint::of(&y, &numbers(&expected["p"])).unwrap();
        for (found, expected) in joint.thresholds.iter().zip(numbers(&expected["thresholds"])) {
            assert!((found - expected).abs() < 1e-12, "{found} is {expected}");
        }
        assert_eq!(serde_json::json!(joint.counts), expected["confident_joint"]);
    }

    /// By hand: thresholds .8 and .7.
    #[test]
    fn the_joint_of_a_small_example() {
        let y = [0, 0, 0, 1, 1, 1];
        let p = [0.1, 0.15, 0.35, 0.9, 0.9, 0.3];
        let joint = ConfidentJoint::of(&y, &p).unwrap();
        assert!((joint.thresholds[0] - 0.8).abs() < 1e-12 && (joint.thresholds[1] - 0.7).abs() < 1e-12);
        assert_eq!(joint.counts, [[2, 0], [0, 2]]);
        assert_eq!(joint.estimated_errors(), 0.0);
        assert_eq!(joint.looks_like(0.25), None);
    }

    #[test]
    fn flipped_labels_are_found_first() {
        let mut random = SplitMix64::new(4);
        let (mut y, mut a, mut b) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..2000 {
            let class = u8::from(random.unit() < 0.5);
            let mut p = || (0.5 + (f64::from(class) - 0.5) * 0.8 + 0.08 * random.normal()).clamp(0.001, 0.999);
            a.push(p());
            b.push(p());
            // Every fortieth label is wrong.
            y.push(if row % 40 == 0 { 1 - class } else { class });
        }
        let (joint, found) = contradicted(&y, &[a, b]).unwrap();
        assert!((joint.estimated_errors() - 50.0).abs() < 15.0, "{}", joint.estimated_errors());
        assert!(found.len() >= 10 && found.iter().all(|c| c.row % 40 == 0), "{found:?}");
    }

    #[test]
    fn one_class_or_no_model_says_nothing() {
        assert_eq!(contradicted(&[1, 1], &[vec![0.5, 0.5]]), None);
        assert_eq!(contradicted(&[], &[vec![]]), None);
        assert_eq!(contradicted(&[0, 1], &[]), None);
    }
}
