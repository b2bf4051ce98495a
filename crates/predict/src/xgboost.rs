//! A boosted model as XGBoost saved it (Chen and Guestrin 2016), and the flat trees that are read from its bytes; any
//! thread may predict with these.

mod ubj;

use crate::control::Control;
use crate::error::PredictError;
use crate::matrix::Matrix;
use crate::trees::{self, Node, Tree};
use serde::{Deserialize, Serialize};
use ubj::Value;

/// A model of XGBoost. An artifact holds only the library's own bytes (UBJSON); trees and margin are derived from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<u8>", try_from = "Vec<u8>")]
pub struct XgboostModel {
    bytes: Vec<u8>,
    width: usize,
    margin: f32,
    trees: Vec<Tree>,
}

impl From<XgboostModel> for Vec<u8> {
    fn from(model: XgboostModel) -> Self {
        model.bytes
    }
}

impl TryFrom<Vec<u8>> for XgboostModel {
    type Error = String;
    fn try_from(bytes: Vec<u8>) -> Result<Self, String> {
        Ok(Self::read(bytes)?.0)
    }
}

impl XgboostModel {
    /// Reads the bytes that `XGBoosterSaveModelToBuffer` writes in format `ubj`. Returns the model and the total gain
    /// of each feature. Everything that predicting relies on is checked: features, children, and that there is no
    /// cycle.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn read(bytes: Vec<u8>) -> Result<(Self, Vec<f64>), String> {
        let value = ubj::read(&bytes)?;
        let learner = value.at(&["learner"])?;
        if learner.text(&["objective", "name"])? != "binary:logistic" {
            return Err("the objective is not binary:logistic".to_owned());
        }
        let width: usize = number(learner.text(&["learner_model_param", "num_feature"])?)?;
        let base: f32 = number(learner.text(&["learner_model_param", "base_score"])?.trim_matches(['[', ']']))?;
        if !(base > 0.0 && base < 1.0) {
            return Err(format!("a base score of {base}"));
        }
        let trees = learner.list(&["gradient_booster", "model", "trees"])?;
        // A manipulated width must not cause a large allocation: a model cannot have more features than bytes.
        if width == 0 || width > bytes.len() {
            return Err(format!("{width} features"));
        }
        let mut gains = vec![0.0; width];
        let mut model = Self { bytes: Vec::new(), width, margin: -(1.0 / base - 1.0).ln(), trees: Vec::new() };
        for (at, tree) in trees.iter().enumerate() {
            model.push(tree, &mut gains).map_err(|e| format!("tree {at}: {e}"))?;
        }
        model.bytes = bytes;
        Ok((model, gains))
    }

    fn push(&mut self, tree: &Value, gains: &mut [f64]) -> Result<(), String> {
        let (left, right) = (tree.ints(&["left_children"])?, tree.ints(&["right_children"])?);
        let (features, missing) = (tree.ints(&["split_indices"])?, tree.ints(&["default_left"])?);
        let (values, gain) = (tree.floats(&["split_conditions"])?, tree.floats(&["loss_changes"])?);
        let kinds = tree.ints(&["split_type"])?;
        let n = left.len();
        if n == 0 || [right.len(), features.len(), missing.len(), values.len(), gain.len(), kinds.len()] != [n; 6] {
            return Err("lists of different lengths".to_owned());
        }
        if n > 1 << 30 {
            return Err("too many nodes".to_owned());
        }
        // In our trees, a right child directly follows its left sibling.
        let mut tree = vec![Node::leaf(0.0)];
        let mut parts = vec![(0, 0)];
        while let Some((i, at)) = parts.pop() {
            if values[i].is_nan() {
                return Err(format!("node {i}: not a number"));
            }
            if left[i] == -1 && right[i] == -1 {
                if !values[i].is_finite() {
                    return Err(format!("node {i}: a leaf of {}", values[i]));
                }
                tree[at] = Node::leaf(values[i]);
                continue;
            }
            // Children come after their parent, so every walk ends. No node has two parents, so there are never more
            // nodes than were given.
            let child = |c: i64| usize::try_from(c).ok().filter(|c| *c > i && *c < n);
            let (Some(l), Some(r)) = (child(left[i]), child(right[i])) else {
                return Err(format!("node {i}: children {} and {}", left[i], right[i]));
            };
            if tree.len() + 2 > n {
                return Err(format!("node {i}: a child of two nodes"));
            }
            let feature = usize::try_from(features[i]).ok().filter(|f| *f < self.width);
            let feature = feature.ok_or_else(|| format!("node {i}: feature {} of {}", features[i], self.width))?;
            if kinds[i] != 0 {
                return Err(format!("node {i}: a categorical split"));
            }
            gains[feature] += f64::from(gain[i]).max(0.0);
            // XGBoost sends values below the threshold left; our trees send values up to their threshold left, so the
            // threshold is the next smaller number.
            tree[at] = Node::split(feature, values[i].next_down(), missing[i] != 0, tree.len());
            parts.extend([(r, tree.len() + 1), (l, tree.len())]);
            tree.extend([Node::leaf(0.0); 2]);
        }
        self.trees.push(tree);
        Ok(())
    }

    /// The model's bytes as the XGBoost library can load them: UBJSON.
    pub fn library_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of trees.
    pub fn rounds(&self) -> usize {
        self.trees.len()
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The margin before the first tree.
    pub fn margin(&self) -> f32 {
        self.margin
    }

    /// The trees, in the order in which they were grown.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// Checks a model of a decoded artifact. `width` is the number of columns.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn check(&self, width: usize) -> Result<(), String> {
        if self.width != width {
            return Err(format!("{} features for {width} columns", self.width));
        }
        Ok(())
    }

    /// Probability of class 1 for each of `rows`. `columns` maps the model's own columns to the matrix's.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn predict(
        &self,
        x: &Matrix,
        columns: &[usize],
        rows: &[u32],
        control: &Control,
    ) -> Result<Vec<f64>, PredictError> {
        Ok(self.predict_at(x, columns, rows, &[self.trees.len() as u64], control)?.pop().unwrap_or_default())
    }

    /// Probabilities of class 1 by the first n rounds, for each n of `ends` (ascending), one vector per n.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn predict_at(
        &self,
        x: &Matrix,
        columns: &[usize],
        rows: &[u32],
        ends: &[u64],
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, PredictError> {
        predict_at((&self.trees, self.margin), x, columns, rows, ends, control)
    }
}

/// Probabilities of class 1 by the first n of the trees and the margin, for each n of `ends` (ascending), one vector
/// per n.
///
/// # Errors
///
/// `Stopped`.
pub fn predict_at(
    (grown, margin): (&[Tree], f32),
    x: &Matrix,
    columns: &[usize],
    rows: &[u32],
    ends: &[u64],
    control: &Control,
) -> Result<Vec<Vec<f64>>, PredictError> {
    let ends: Vec<usize> = ends.iter().map(|end| *end as usize).collect();
    // Summed in f32 and in the library's order, so that the predictions equal the library's.
    let margins = trees::sums(grown, None, x, columns, rows, &ends, margin, control)?;
    let probability = |m: f32| 1.0 / (1.0 + (-f64::from(m)).exp());
    Ok(margins.into_iter().map(|of_end| of_end.into_iter().map(probability).collect()).collect())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}
