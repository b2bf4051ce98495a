//! The errors of drawing.

/// Why a picture cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    #[error("there is no plot {0:?}; the plots are confusion_matrix, roc_curve, feature_importance, calibration")]
    Unknown(String),
    #[error("drawing failed: {0}")]
    Draw(String),
    #[error("encoding the picture failed: {0}")]
    Encode(String),
    #[error("the bundled font is damaged: {0}")]
    Font(String),
}
