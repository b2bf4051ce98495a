//! What a model keeps of its training, beside what predicts: what intervals, sets, explanations and warnings are made of.

use crate::background::MOST_ROWS;
use crate::ranges::FeatureRange;
use crate::score_counts::ScoreCounts;
use serde::{Deserialize, Serialize};

/// Part of an artifact from format version 3 on. No row of it is an applicant's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Calibrated out-of-fold probabilities of the training rows, counted by label.
    pub scores: ScoreCounts,
    /// Synthetic rows, in the order of the model's features (see [`resampled`](crate::background::resampled)).
    pub background: Vec<Vec<f32>>,
    /// One per feature.
    pub ranges: Vec<FeatureRange>,
}

impl Evidence {
    /// Of a decoded artifact of a model with `width` features.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check(&self, width: usize) -> Result<(), String> {
        self.scores.check()?;
        if self.ranges.len() != width {
            return Err(format!("{} training ranges for {width} features", self.ranges.len()));
        }
        self.ranges.iter().try_for_each(FeatureRange::check)?;
        if self.background.len() > MOST_ROWS {
            return Err(format!("{} background rows; at most {MOST_ROWS} are allowed", self.background.len()));
        }
        let sound = |row: &Vec<f32>| row.len() == width && row.iter().all(|v| !v.is_infinite());
        if self.background.iter().all(sound) { Ok(()) } else { Err("a background row is damaged".to_owned()) }
    }
}
