//! The log loss of each row.

/// Probabilities are kept this far from 0 and 1 in the log loss.
const LOG_LOSS_CLIP: f64 = 1e-15;

/// The log loss of each row. `y`: labels 0 or 1, `p`: probabilities of the same rows.
pub(crate) fn log_losses(y: &[u8], p: &[f64]) -> impl Iterator<Item = f64> {
    y.iter().zip(p).map(|(y, p)| {
        let p = p.clamp(LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP);
        if *y == 1 { -p.ln() } else { -(1.0 - p).ln() }
    })
}
