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
    /// All open units, oldest first.
    async fn open_units(&self) -> Result<Vec<WorkUnit>>;
    /// Replaces a unit and raises `rev`; `Conflict` if `rev` is not the stored one. Returns the unit as stored.
    async fn save_unit(&self, unit: WorkUnit) -> Result<WorkUnit>;
}
