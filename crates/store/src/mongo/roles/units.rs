//! [`UnitStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, leases};
use crate::roles::outbox::OutboxMessage;
use crate::roles::units::UnitStore;
use async_trait::async_trait;
use provost_domain::lease::WorkUnit;

#[async_trait]
impl UnitStore for MongoStore {
    async fn offer_unit(&self, unit: WorkUnit, outbox: Vec<OutboxMessage>) -> Result<WorkUnit> {
        self.run(|db| async move { leases::offer(&db, unit, &outbox).await }).await
    }

    async fn unit(&self, id: &str) -> Result<Option<WorkUnit>> {
        let id = id.to_owned();
        self.run(|db| async move { leases::unit(&db, &id).await }).await
    }

    async fn open_units(&self) -> Result<Vec<WorkUnit>> {
        self.run(|db| async move { leases::open(&db).await }).await
    }

    async fn save_unit(&self, unit: WorkUnit) -> Result<WorkUnit> {
        self.run(|db| async move { leases::save(&db, unit).await }).await
    }
}
