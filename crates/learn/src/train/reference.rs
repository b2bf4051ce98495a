//! The second fit, on earlier years, that predicts the last years.

use super::Unit;
use crate::calibration;
use crate::error::LearnError;
use crate::params::CheckedParams;
use crate::search::workers::Meter;
use crate::temporal::Temporal;
use provost_predict::control::Control;
use std::sync::Arc;

impl Unit<'_> {
    /// Fits the model as it would have been before the last years, and predicts these years. `raw`: out-of-fold
    /// predictions before calibration, `y`: labels; both are aligned with the training part.
    pub(super) fn temporal(
        &self,
        params: &CheckedParams,
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
        // The calibration, too, uses earlier years only: the last years' rate of acceptance was not known then.
        let at = latest.earlier.iter().filter_map(|r| self.parts.train.binary_search(r).ok());
        let (raw, y): (Vec<f64>, Vec<u8>) = at.map(|i| (raw[i], y[i])).unzip();
        let calibration = calibration::fit(&raw, &y, control)?;
        let p = fit.predictor.predict_with(self.data.x(), &columns, &latest.last, control)?;
        let p = p.into_iter().map(|p| calibration.apply(p)).collect();
        let y: Vec<u8> = latest.last.iter().map(|r| self.data.y()[*r as usize]).collect();
        Ok(Temporal::new(latest.from, latest.last.clone(), &y, p))
    }
}
