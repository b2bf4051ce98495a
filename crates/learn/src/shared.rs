//! What fits on the same rows and columns need not make again.

use crate::FitTask;
use crate::bins::{NarrowTable, WideTable};
use crate::encoding::Encoded;
use crate::xgb::Binned;
use std::sync::{Arc, OnceLock, Weak};

/// Belongs to one list of training rows, and one of columns, of one dataset; made when first asked for. Fits with and
/// without it are the same.
#[derive(Default)]
pub struct Shared {
    wide: OnceLock<WideTable>,
    narrow: OnceLock<NarrowTable>,
    binned: OnceLock<Binned>,
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

impl FitTask<'_> {
    /// Calls `work` with the task's own table or the shared one.
    pub(crate) fn with_wide<T>(&self, work: impl FnOnce(&WideTable) -> T) -> T {
        let make = || WideTable::new(self.data, self.columns, self.train);
        match self.shared {
            Some(shared) => work(shared.wide.get_or_init(make)),
            None => work(&make()),
        }
    }

    pub(crate) fn with_narrow<T>(&self, work: impl FnOnce(&NarrowTable) -> T) -> T {
        let make = || NarrowTable::new(self.data, self.columns, self.train);
        match self.shared {
            Some(shared) => work(shared.narrow.get_or_init(make)),
            None => work(&make()),
        }
    }

    pub(crate) fn with_binned<T>(&self, work: impl FnOnce(&Binned) -> T) -> T {
        let make = || Binned::new(self);
        match self.shared {
            Some(shared) => work(shared.binned.get_or_init(make)),
            None => work(&make()),
        }
    }
}
