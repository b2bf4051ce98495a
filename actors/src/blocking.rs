//! Runs work that takes longer than a handler may, on the runtime's threads for blocking calls.

use crate::error::Unreachable;
use crate::panics::off_the_arbiter;

/// Runs `work` on a blocking thread; a panic in it is an error.
pub(crate) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Unreachable> + Send + 'static,
{
    match off_the_arbiter(work).await {
        Ok(result) => result,
        Err(panic) => Err(Unreachable::Panicked(panic).into()),
    }
}
