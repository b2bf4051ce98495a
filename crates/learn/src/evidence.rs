//! What a model stores about its training, besides its predictor.

use crate::dataset::Dataset;
use crate::error::LearnError;
use provost_predict::background::resampled;
use provost_predict::control::Control;
use provost_predict::evidence::Evidence;
use provost_predict::groups::groups;
use provost_predict::ranges::FeatureRange;
use provost_predict::score_counts::ScoreCounts;
use std::sync::Arc;

/// The evidence of a model that was trained on the rows `train`. `oof`: its calibrated out-of-fold probabilities, one
/// for each of these rows. The same seed gives the same evidence.
///
/// # Errors
///
/// `Stopped`.
pub(crate) fn of(
    data: &Dataset,
    train: &[u32],
    oof: &[f64],
    seed: u64,
    control: &Control,
) -> Result<Arc<Evidence>, LearnError> {
    control.check()?;
    let y: Vec<u8> = train.iter().map(|row| data.y()[*row as usize]).collect();
    let x = data.x();
    Ok(Arc::new(Evidence {
        scores: ScoreCounts::new(oof, &y),
        background: resampled(x, train, &groups(x.names()), seed, control)?,
        ranges: (0..x.width()).map(|c| FeatureRange::of(x, c, train, control)).collect::<Result<_, _>>()?,
    }))
}
