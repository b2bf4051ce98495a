//! Units of work, which a server offers to workers.

use crate::error::Result;
use crate::roles::outbox::OutboxMessage;
use async_trait::async_trait;
use provost_domain::lease::WorkUnit;

/// Offers, reads and saves units of work.
#[async_trait]
pub trait UnitStore: Send + Sync + 'static {
    /// Persists a new unit with its announcement. The store sets `rev`. `Conflict` if there is one of this id, and for
    /// another epoch than the job's.
    async fn offer_unit(&self, unit: WorkUnit, outbox: Vec<OutboxMessage>) -> Result<WorkUnit>;
    /// The unit of work of this id.
    async fn unit(&self, id: &str) -> Result<Option<WorkUnit>>;
    /// All that are open, oldest first.
    async fn open_units(&self) -> Result<Vec<WorkUnit>>;
    /// Replaces a unit if `rev` is still the stored one, and raises it; else `Conflict`. Returns it as stored.
    async fn save_unit(&self, unit: WorkUnit) -> Result<WorkUnit>;
}
