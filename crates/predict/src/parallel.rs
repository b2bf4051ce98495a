//! Work on chunks of rows: on all threads of rayon's current pool with the feature `parallel`, else one chunk after the
//! other.

use crate::error::PredictError;
#[cfg(feature = "parallel")]
use rayon::prelude::*;

/// Calls `work` for each chunk of at most `chunk` rows, with the part of `out` for these rows. `out` has one element
/// per row.
///
/// # Errors
///
/// The first error of `work`.
pub fn fill_chunks<T: Send>(
    out: &mut [T],
    rows: &[u32],
    chunk: usize,
    work: impl Fn(&mut [T], &[u32]) -> Result<(), PredictError> + Sync + Send,
) -> Result<(), PredictError> {
    #[cfg(feature = "parallel")]
    if rows.len() > chunk {
        return out.par_chunks_mut(chunk).zip(rows.par_chunks(chunk)).try_for_each(|(out, rows)| work(out, rows));
    }
    out.chunks_mut(chunk).zip(rows.chunks(chunk)).try_for_each(|(out, rows)| work(out, rows))
}

/// The results of `work` for each chunk of at most `chunk` rows, in order. Without rows, `work` is called once with an
/// empty chunk.
///
/// # Errors
///
/// An error of `work`.
pub fn map_chunks<R: Send>(
    rows: &[u32],
    chunk: usize,
    work: impl Fn(&[u32]) -> Result<R, PredictError> + Sync + Send,
) -> Result<Vec<R>, PredictError> {
    if rows.len() <= chunk {
        return Ok(vec![work(rows)?]);
    }
    #[cfg(feature = "parallel")]
    return rows.par_chunks(chunk).map(work).collect();
    #[cfg(not(feature = "parallel"))]
    rows.chunks(chunk).map(work).collect()
}
