//! What fits on the same rows and columns need to compute only once.

use crate::error::LearnError;
use std::any::{Any, TypeId};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// State shared between fits on the same training rows and columns of one dataset: one value of each type, computed by
/// the first fit that asks for it. Fits give the same results with and without it.
#[derive(Default)]
pub struct Shared {
    cells: Mutex<Vec<(TypeId, Arc<dyn Any + Send + Sync>)>>,
    identity: Arc<()>,
}

impl Shared {
    /// The cell for the value of this type; empty until a fit fills it.
    pub(crate) fn cell<T: Send + Sync + 'static>(&self) -> Arc<OnceLock<T>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cells.iter().find(|(kind, _)| *kind == TypeId::of::<T>());
        if let Some(cell) = known.and_then(|(_, cell)| Arc::clone(cell).downcast().ok()) {
            return cell;
        }
        let cell = Arc::<OnceLock<T>>::default();
        cells.push((TypeId::of::<T>(), cell.clone()));
        cell
    }
    /// A pointer that lives as long as this state and differs from that of every other: a key for caches that belong to
    /// threads.
    pub(crate) fn identity(&self) -> Weak<()> {
        Arc::downgrade(&self.identity)
    }
}

/// Calls `work` with the shared value, or with a new one where nothing is shared; a shared value that is not there yet
/// is computed by `make`.
///
/// # Errors
///
/// The errors of `make` and `work`. Where another fit was stopped while it computed the shared value, `make` is called
/// again.
pub(crate) fn with<T: Send + Sync + 'static, R>(
    shared: Option<&Shared>,
    make: impl Fn() -> Result<T, LearnError>,
    work: impl FnOnce(&T) -> Result<R, LearnError>,
) -> Result<R, LearnError> {
    // A cell that holds None belongs to a fit that was stopped while it computed the value.
    let cell = shared.map(Shared::cell::<Option<T>>);
    let mut stopped = None;
    let kept = cell.as_ref().and_then(|cell| cell.get_or_init(|| make().map_err(|e| stopped = Some(e)).ok()).as_ref());
    match (kept, stopped) {
        (Some(kept), _) => work(kept),
        (None, Some(error)) => Err(error),
        (None, None) => work(&make()?),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_predict::control::StopReason;

    #[test]
    fn a_value_of_each_type_is_made_once() {
        let shared = Shared::default();
        let sum = |shared: Option<&Shared>, made: u32| with(shared, || Ok(made), |kept| Ok(*kept)).unwrap();
        assert_eq!((sum(Some(&shared), 1), sum(Some(&shared), 2), sum(None, 3)), (1, 1, 3));
        assert_eq!(with(Some(&shared), || Ok("other"), |kept| Ok(kept.len())).unwrap(), 5);
        assert_eq!(sum(Some(&shared), 4), 1);
    }

    #[test]
    fn a_fit_that_was_stopped_while_it_made_a_value_leaves_the_others_to_make_their_own() {
        let shared = Shared::default();
        let stopped = || Err::<u8, _>(LearnError::Stopped(StopReason::Cancelled));
        assert!(with(Some(&shared), stopped, |_| Ok(())).is_err());
        assert_eq!(with(Some(&shared), || Ok(7u8), |kept| Ok(*kept)).unwrap(), 7);
    }
}
