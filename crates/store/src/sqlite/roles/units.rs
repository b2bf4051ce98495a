//! [`UnitStore`] on SQLite.

use crate::error::Result;
use crate::roles::outbox::OutboxMessage;
use crate::roles::units::UnitStore;
use crate::sqlite::{SqliteStore, leases};
use async_trait::async_trait;
use provost_domain::lease::WorkUnit;

#[async_trait]
impl UnitStore for SqliteStore {
    async fn offer_unit(&self, unit: WorkUnit, outbox: Vec<OutboxMessage>) -> Result<WorkUnit> {
        self.write(move |t| leases::offer(t, unit, &outbox)).await
    }

    async fn unit(&self, id: &str) -> Result<Option<WorkUnit>> {
        let id = id.to_owned();
        self.read(move |c| leases::unit(c, &id)).await
    }

    async fn open_units(&self) -> Result<Vec<WorkUnit>> {
        self.list(leases::open).await
    }

    async fn save_unit(&self, unit: WorkUnit) -> Result<WorkUnit> {
        self.write(move |t| leases::save(t, unit)).await
    }
}
