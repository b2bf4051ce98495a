//! Leases, by which processes that share a store divide the work.

use crate::error::Result;
use async_trait::async_trait;
use provost_domain::lease::Lease;

/// Takes, renews and releases leases.
#[async_trait]
pub trait LeaseStore: Send + Sync + 'static {
    /// Takes a lease that nobody holds, that `holder` holds already, or that is unchanged since the caller has `seen` it (its
    /// holder stopped renewing it), and raises its epoch. None if another process holds it.
    async fn take_lease(&self, name: &str, holder: &str, seen: Option<Lease>) -> Result<Option<Lease>>;
    /// Raises the beat of a lease that is held under this epoch, and returns it as stored. None if the lease was lost.
    async fn renew_lease(&self, lease: &Lease) -> Result<Option<Lease>>;
    /// Gives up a lease that is held under this epoch.
    async fn release_lease(&self, lease: &Lease) -> Result<()>;
    /// The lease of this name, held or not.
    async fn lease(&self, name: &str) -> Result<Option<Lease>>;
}
