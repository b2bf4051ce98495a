//! Rows in chunks: on all threads of rayon's current pool with the feature `parallel`, else one after the other.

use crate::error::PredictError;
#[cfg(feature = "parallel")]
use rayon::prelude::*;

/// Calls `work` with each chunk of `out` and the rows that it is for; at most `chunk` rows at a time.
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

/// What `work` returns for each chunk of at most `chunk` rows, in order. Without rows `work` is called once.
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
