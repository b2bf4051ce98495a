//! A boosted model as XGBoost saved it, and flat trees read from these bytes, which any thread may predict with.

use super::ubj::{self, Value};
use crate::Matrix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows per task when predicting.
const CHUNK: usize = 512;
const LEAF: u32 = u32::MAX;

/// A split (`value < threshold` goes left, missing to the default side) or, with `left` = `LEAF`, a leaf's value.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Node {
    /// Split: threshold. Leaf: its value.
    value: f32,
    feature: u32,
    left: u32,
    right: u32,
    missing_left: bool,
}

/// The artifact holds the library's own bytes (UBJSON) alone; what predicts is derived from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<u8>", try_from = "Vec<u8>")]
pub struct XgboostModel {
    bytes: Vec<u8>,
    width: usize,
    margin: f32,
    nodes: Vec<Node>,
    /// The root of each tree in `nodes`.
    roots: Vec<u32>,
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
    /// The model of `XGBoosterSaveModelToBuffer` in format `ubj`, and the total gain of each feature. Everything that
    /// predicting relies on is checked: features, children, no cycle.
    pub(super) fn read(bytes: Vec<u8>) -> Result<(Self, Vec<f64>), String> {
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
        // A hostile width must not make us allocate: nothing may have more features than the model has bytes.
        if width == 0 || width > bytes.len() {
            return Err(format!("{width} features"));
        }
        let mut gains = vec![0.0; width];
        let mut model =
            Self { bytes: Vec::new(), width, margin: -(1.0 / base - 1.0).ln(), nodes: Vec::new(), roots: Vec::new() };
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
        let base = self.nodes.len();
        // Children are absolute; LEAF must stay free.
        if base + n >= LEAF as usize {
            return Err("too many nodes".to_owned());
        }
        for i in 0..n {
            if values[i].is_nan() {
                return Err(format!("node {i}: not a number"));
            }
            if left[i] == -1 && right[i] == -1 {
                if !values[i].is_finite() {
                    return Err(format!("node {i}: a leaf of {}", values[i]));
                }
                self.nodes.push(Node { value: values[i], feature: 0, left: LEAF, right: LEAF, missing_left: true });
                continue;
            }
            // Children after their parent: every walk ends.
            let child = |c: i64| usize::try_from(c).ok().filter(|c| *c > i && *c < n).map(|c| (base + c) as u32);
            let (Some(l), Some(r)) = (child(left[i]), child(right[i])) else {
                return Err(format!("node {i}: children {} and {}", left[i], right[i]));
            };
            let feature = usize::try_from(features[i]).ok().filter(|f| *f < self.width);
            let feature = feature.ok_or_else(|| format!("node {i}: feature {} of {}", features[i], self.width))?;
            if kinds[i] != 0 {
                return Err(format!("node {i}: a categorical split"));
            }
            gains[feature] += f64::from(gain[i]).max(0.0);
            let missing_left = missing[i] != 0;
            self.nodes.push(Node { value: values[i], feature: feature as u32, left: l, right: r, missing_left });
        }
        self.roots.push(base as u32);
        Ok(())
    }

    /// What the library can load: UBJSON.
    pub fn library_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn rounds(&self) -> usize {
        self.roots.len()
    }

    pub(crate) fn check(&self, width: usize) -> Result<(), String> {
        if self.width != width {
            return Err(format!("{} features for {width} columns", self.width));
        }
        Ok(())
    }

    pub(crate) fn predict(&self, x: &Matrix, columns: &[usize], rows: &[u32]) -> Vec<f64> {
        self.predict_at(x, columns, rows, &[self.roots.len() as u64]).pop().unwrap_or_default()
    }

    /// What the first so many rounds predict, for each of the ascending `ends`.
    pub(super) fn predict_at(&self, x: &Matrix, columns: &[usize], rows: &[u32], ends: &[u64]) -> Vec<Vec<f64>> {
        let chunk = |rows: &[u32]| {
            let mut dense = vec![0f32; rows.len() * self.width];
            gather(x, columns, rows, &mut dense);
            // Sums in f32 and in the library's order, so that the predictions are the library's.
            let mut margins = vec![self.margin; rows.len()];
            let mut done = 0;
            let mut at_ends = Vec::with_capacity(ends.len());
            for end in ends {
                let end = (*end as usize).min(self.roots.len());
                for root in &self.roots[done..end] {
                    for (margin, row) in margins.iter_mut().zip(dense.chunks_exact(self.width)) {
                        *margin += self.leaf(*root, row);
                    }
                }
                done = end;
                at_ends.push(margins.iter().map(|m| 1.0 / (1.0 + (-f64::from(*m)).exp())).collect::<Vec<f64>>());
            }
            at_ends
        };
        let parts: Vec<Vec<Vec<f64>>> = match rows.len() {
            0..=CHUNK => vec![chunk(rows)],
            _ => rows.par_chunks(CHUNK).map(chunk).collect(),
        };
        let mut out = vec![Vec::with_capacity(rows.len()); ends.len()];
        for part in parts {
            out.iter_mut().zip(part).for_each(|(all, some)| all.extend(some));
        }
        out
    }

    #[inline]
    fn leaf(&self, root: u32, row: &[f32]) -> f32 {
        let mut node = &self.nodes[root as usize];
        while node.left != LEAF {
            let v = row[node.feature as usize];
            let left = if v.is_nan() { node.missing_left } else { v < node.value };
            node = &self.nodes[if left { node.left } else { node.right } as usize];
        }
        node.value
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

/// `rows` × `columns` of the matrix, row-major.
pub(super) fn gather(x: &Matrix, columns: &[usize], rows: &[u32], dense: &mut [f32]) {
    for (at, column) in columns.iter().enumerate() {
        let values = x.column(*column);
        for (row, out) in rows.iter().zip(dense.chunks_exact_mut(columns.len())) {
            out[at] = values[*row as usize];
        }
    }
}
