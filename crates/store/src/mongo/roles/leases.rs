//! [`LeaseStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, leases};
use crate::roles::leases::LeaseStore;
use async_trait::async_trait;
use provost_domain::lease::Lease;

#[async_trait]
impl LeaseStore for MongoStore {
    async fn take_lease(&self, name: &str, holder: &str, seen: Option<Lease>) -> Result<Option<Lease>> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.run(|db| async move { leases::take(&db, &name, &holder, seen).await }).await
    }

    async fn renew_lease(&self, lease: &Lease) -> Result<Option<Lease>> {
        let lease = lease.clone();
        self.run(|db| async move { leases::renew(&db, &lease).await }).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        let lease = lease.clone();
        self.run(|db| async move { leases::release(&db, &lease).await }).await
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>> {
        let name = name.to_owned();
        self.run(|db| async move { leases::get(&db, &name).await }).await
    }
}
