//! What only the library can compute of a fitted model.

use super::foreign;
use super::matrix::gather;
use crate::error::LearnError;
use provost_predict::control::Control;
use provost_predict::matrix::Matrix;
use provost_predict::xgboost::XgboostModel;
use xgboost::{Booster, DMatrix};

/// The model in XGBoost's own JSON format, which its other bindings load.
///
/// # Errors
///
/// `Xgboost` where the library cannot read its own bytes.
pub fn to_json(model: &XgboostModel) -> Result<Vec<u8>, LearnError> {
    Booster::load_buffer(model.library_bytes()).and_then(|booster| booster.save_buffer(false)).map_err(foreign)
}

/// SHAP values (Lundberg et al. 2020, by the library's exact algorithm over its trees): per row, each column's share of
/// the margin and, last, the expected margin; they add up to the margin of the row.
///
/// # Errors
///
/// `Xgboost` where the library fails.
pub fn contributions(
    model: &XgboostModel,
    x: &Matrix,
    columns: &[usize],
    rows: &[u32],
) -> Result<Vec<Vec<f32>>, LearnError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut dense = vec![0f32; rows.len() * model.width()];
    gather(x, columns, rows, &mut dense, &Control::default())?;
    let matrix = DMatrix::from_dense(&dense, rows.len()).map_err(foreign)?;
    let mut booster = Booster::load_buffer(model.library_bytes()).map_err(foreign)?;
    booster.set_param("nthread", "1").map_err(foreign)?;
    let (values, (_, width)) = booster.predict_contributions(&matrix).map_err(foreign)?;
    if width != model.width() + 1 || values.len() != rows.len() * width {
        return Err(LearnError::Xgboost(format!("{} contributions for {} rows", values.len(), rows.len())));
    }
    Ok(values.chunks_exact(width).map(<[f32]>::to_vec).collect())
}
