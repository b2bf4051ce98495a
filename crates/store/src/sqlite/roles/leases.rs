//! [`LeaseStore`] on SQLite.

use crate::error::Result;
use crate::roles::leases::LeaseStore;
use crate::sqlite::{SqliteStore, leases};
use async_trait::async_trait;
use provost_domain::lease::Lease;

#[async_trait]
impl LeaseStore for SqliteStore {
    async fn take_lease(&self, name: &str, holder: &str, seen: Option<Lease>) -> Result<Option<Lease>> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.write(move |t| leases::take(t, name, holder, seen.as_ref())).await
    }

    async fn renew_lease(&self, lease: &Lease) -> Result<Option<Lease>> {
        let lease = lease.clone();
        self.write(move |t| leases::renew(t, &lease)).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        let lease = lease.clone();
        self.write(move |t| leases::release(t, &lease)).await
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>> {
        let name = name.to_owned();
        self.read(move |c| leases::get(c, &name)).await
    }
}
