//! Results of training that an artifact keeps beside the predictor, for intervals, sets, explanations and warnings.

use crate::background::MOST_ROWS;
use crate::ranges::FeatureRange;
use crate::score_counts::ScoreCounts;
use serde::{Deserialize, Serialize};

/// Results of training that an artifact has from format version 3 on. None of its rows is an applicant's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Calibrated out-of-fold probabilities of the training rows, counted by label.
    pub scores: ScoreCounts,
    /// Synthetic rows, in the order of the model's features (see [`resampled`](crate::background::resampled)).
    pub background: Vec<Vec<f32>>,
    /// One training range per feature.
    pub ranges: Vec<FeatureRange>,
}

impl Evidence {
    /// Checks the evidence of a decoded artifact of a model with `width` features.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
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
