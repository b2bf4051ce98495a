//! The audit log.

use crate::error::Result;
use crate::page::Page;
use async_trait::async_trait;
use provost_domain::audit::{AuditEntry, Deed, Head};

/// Reads the audit log.
#[async_trait]
pub trait AuditReader: Send + Sync + 'static {
    /// Newest first.
    async fn audit(&self, cursor: Option<&str>, limit: u32) -> Result<Page<AuditEntry>>;
    /// Entries with a number above `number`, in order: `limit` or fewer, and one at least if there is one.
    async fn audit_after(&self, number: u64, limit: u32) -> Result<Vec<AuditEntry>>;
    /// The end of the chain, stored apart from the entries, so that it shows when the last ones were removed.
    async fn audit_head(&self) -> Result<Head>;
}

/// Reads the audit log and appends to it. Nothing changes or removes an entry.
#[async_trait]
pub trait AuditStore: AuditReader {
    /// Appends deeds in order. Each entry holds the hash of the one before it; concurrent writers, in several processes too,
    /// write one chain.
    async fn append_audit(&self, deeds: Vec<Deed>) -> Result<Vec<AuditEntry>>;
}
