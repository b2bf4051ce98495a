//! Adds one tree's values on several threads.

use provost_predict::control::Control;
use provost_predict::error::PredictError;
use provost_predict::trees::{CHUNK, Node, add};
use rayon::prelude::*;

/// Adds the tree's value to each row's sum, on several threads where there are many rows. `rows` holds `width` values
/// per row.
///
/// # Errors
///
/// `Stopped`.
pub fn add_side_by_side(
    tree: &[Node],
    rows: &[f32],
    width: usize,
    sums: &mut [f64],
    control: &Control,
) -> Result<(), PredictError> {
    control.check()?;
    if sums.len() <= CHUNK || width == 0 {
        add(tree, rows, width, sums);
        return Ok(());
    }
    sums.par_chunks_mut(CHUNK).zip(rows.par_chunks(CHUNK * width)).try_for_each(|(sums, rows)| {
        control.check()?;
        add(tree, rows, width, sums);
        Ok(())
    })
}
