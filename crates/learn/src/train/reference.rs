//! The fit beside the model's own that foretells the last years.

use super::Unit;
use crate::search::workers::Meter;
use crate::{Calibration, Control, LearnError, Params, Temporal};
use std::sync::Arc;

impl Unit<'_> {
    /// The model as it would have been before the last years, on these years. `raw` and `y` are aligned with the training
    /// part.
    pub(super) fn temporal(
        &self,
        params: &Params,
        raw: &[f64],
        y: &[u8],
        meter: &Arc<Meter>,
        control: &Control,
    ) -> Result<Option<Temporal>, LearnError> {
        let Some(latest) = &self.parts.latest else { return Ok(None) };
        let (inner, unit) = meter.unit(control);
        let fitted = self.fit(&latest.earlier, &latest.earlier_validation, params, &inner);
        if !matches!(fitted, Err(LearnError::Stopped(_))) {
            unit.done();
        }
        let (fit, columns) = fitted?;
        // Calibrated as it would have been then, too: the last years' rate of acceptance is not known yet.
        let at = latest.earlier.iter().filter_map(|r| self.parts.train.binary_search(r).ok());
        let (raw, y): (Vec<f64>, Vec<u8>) = at.map(|i| (raw[i], y[i])).unzip();
        let calibration = Calibration::fit(&raw, &y, control)?;
        let p = fit.predictor.predict_under(self.data.x(), &columns, &latest.last, control)?;
        let p = p.into_iter().map(|p| calibration.apply(p)).collect();
        let y: Vec<u8> = latest.last.iter().map(|r| self.data.y()[*r as usize]).collect();
        Ok(Temporal::new(latest.from, latest.last.clone(), &y, p))
    }
}
