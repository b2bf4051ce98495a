//! [`AuditReader`] and [`AuditStore`] on SQLite.

use crate::error::Result;
use crate::page::Page;
use crate::roles::audit::{AuditReader, AuditStore};
use crate::sqlite::{SqliteStore, audit};
use async_trait::async_trait;
use provost_domain::audit::{AuditEntry, Deed, Head};

#[async_trait]
impl AuditReader for SqliteStore {
    async fn audit(&self, cursor: Option<&str>, limit: u32) -> Result<Page<AuditEntry>> {
        let cursor = cursor.map(str::to_owned);
        self.read(move |c| audit::page(c, cursor.as_deref(), limit)).await
    }

    async fn audit_after(&self, number: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        self.read(move |c| audit::after(c, number, limit)).await
    }

    async fn audit_head(&self) -> Result<Head> {
        self.read(audit::head).await
    }
}

#[async_trait]
impl AuditStore for SqliteStore {
    async fn append_audit(&self, deeds: Vec<Deed>) -> Result<Vec<AuditEntry>> {
        self.write(move |t| audit::append(t, deeds)).await
    }
}
