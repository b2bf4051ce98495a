//! The store as a whole: the sum of all roles.

use crate::roles::activation::ActivationStore;
use crate::roles::audit::AuditStore;
use crate::roles::evaluations::EvaluationStore;
use crate::roles::health::StoreHealth;
use crate::roles::inbox::InboxStore;
use crate::roles::installation::InstallationReader;
use crate::roles::jobs::JobStore;
use crate::roles::keys::KeyStore;
use crate::roles::leases::LeaseStore;
use crate::roles::models::ModelStore;
use crate::roles::needs::NeedStore;
use crate::roles::outbox::OutboxStore;
use crate::roles::points::PointStore;
use crate::roles::predictions::PredictionLog;
use crate::roles::responses::ResponseStore;
use crate::roles::retention::RetentionStore;
use crate::roles::schedule::ScheduleStore;
use crate::roles::sessions::SessionStore;
use crate::roles::shadow::ShadowStore;
use crate::roles::trials::TrialStore;
use crate::roles::triggers::TriggerStore;
use crate::roles::units::UnitStore;
use crate::roles::watch::WatchStore;

/// A backend: all roles in one. Whoever needs a part of it takes the trait of that role: `Arc<dyn Store>` coerces to
/// `Arc<dyn JobReader>` and to every other role.
///
/// ```
/// use provost_store::{JobReader, SqliteStore, Store};
/// use std::sync::Arc;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let folder = tempfile::tempdir()?;
/// let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), chrono::Utc::now())?);
/// assert_eq!(store.point_totals().await?.total, 0);
/// // Whoever may only read jobs is given that role.
/// let jobs: Arc<dyn JobReader> = store;
/// assert!(jobs.unfinished_jobs().await?.is_empty());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// Every method that changes something is one transaction: all of it is kept, durably, or nothing is. A call whose future is
/// dropped may still take effect. [`StoreError::may_pass`](crate::StoreError::may_pass) tells which errors are worth a retry.
///
/// Lists are newest first; a `cursor` is the `next` of the page before, and one that this list did not give out is
/// `Invalid`. A `limit` of 0 is taken as 1. A record that cannot be read is left out of the lists of jobs, models, triggers,
/// evaluations, units of work and outbox messages, and named by
/// [`StoreHealth::unreadable`]; asking for it by its id is the error `Corrupt`. `crate::conformance` checks what is promised here.
pub trait Store:
    StoreHealth
    + InstallationReader
    + PointStore
    + JobStore
    + TrialStore
    + LeaseStore
    + UnitStore
    + ModelStore
    + ActivationStore
    + EvaluationStore
    + TriggerStore
    + ScheduleStore
    + ResponseStore
    + InboxStore
    + OutboxStore
    + KeyStore
    + SessionStore
    + AuditStore
    + PredictionLog
    + ShadowStore
    + NeedStore
    + WatchStore
    + RetentionStore
{
    /// Finishes the calls at work and closes files and connections; later calls are `Unavailable`. Blocks until that is done.
    fn close(&self);
}
