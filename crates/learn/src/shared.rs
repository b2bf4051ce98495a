//! What fits on the same rows and columns need not make again.

use crate::bins::{NarrowTable, WideTable};
use crate::encoding::Encoded;
use crate::xgb::Binned;
use crate::{Control, FitTask, LearnError};
use std::sync::{Arc, OnceLock, Weak};

/// Belongs to one list of training rows, and one of columns, of one dataset; made when first asked for. Fits with and
/// without it are the same.
#[derive(Default)]
pub struct Shared {
    /// None: the fit that was to make it was stopped.
    wide: OnceLock<Option<WideTable>>,
    narrow: OnceLock<Option<NarrowTable>>,
    binned: OnceLock<Option<Binned>>,
    encoded: OnceLock<Box<Encoded>>,
    identity: Arc<()>,
}

impl Shared {
    pub(crate) fn encoded(&self) -> &OnceLock<Box<Encoded>> {
        &self.encoded
    }
    /// Lives as long as this and is the same for no other: for caches that belong to threads.
    pub(crate) fn identity(&self) -> Weak<()> {
        Arc::downgrade(&self.identity)
    }
}

/// Calls `work` with what the cell holds; made where it holds nothing yet.
fn with<T, R>(
    cell: Option<&OnceLock<Option<T>>>,
    make: impl Fn() -> Result<T, LearnError>,
    work: impl FnOnce(&T) -> Result<R, LearnError>,
) -> Result<R, LearnError> {
    let mut stopped = None;
    let kept = cell.and_then(|cell| cell.get_or_init(|| make().map_err(|e| stopped = Some(e)).ok()).as_ref());
    match (kept, stopped) {
        (Some(kept), _) => work(kept),
        (None, Some(error)) => Err(error),
        (None, None) => work(&make()?),
    }
}

impl FitTask<'_> {
    /// Calls `work` with the task's own table or the shared one.
    ///
    /// # Errors
    ///
    /// `Stopped` while the table is made; those of `work`.
    pub(crate) fn with_wide<R>(
        &self,
        control: &Control,
        work: impl FnOnce(&WideTable) -> Result<R, LearnError>,
    ) -> Result<R, LearnError> {
        let make = || WideTable::new(self.data, self.columns, self.train, control);
        with(self.shared.map(|shared| &shared.wide), make, work)
    }

    /// # Errors
    ///
    /// As `with_wide`.
    pub(crate) fn with_narrow<R>(
        &self,
        control: &Control,
        work: impl FnOnce(&NarrowTable) -> Result<R, LearnError>,
    ) -> Result<R, LearnError> {
        let make = || NarrowTable::new(self.data, self.columns, self.train, control);
        with(self.shared.map(|shared| &shared.narrow), make, work)
    }

    /// # Errors
    ///
    /// As `with_wide`.
    pub(crate) fn with_binned<R>(
        &self,
        control: &Control,
        work: impl FnOnce(&Binned) -> Result<R, LearnError>,
    ) -> Result<R, LearnError> {
        let make = || Binned::new(self, control);
        with(self.shared.map(|shared| &shared.binned), make, work)
    }
}
