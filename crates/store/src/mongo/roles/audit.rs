//! [`AuditReader`] and [`AuditStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, audit};
use crate::page::Page;
use crate::roles::audit::{AuditReader, AuditStore};
use async_trait::async_trait;
use provost_domain::audit::{AuditEntry, Deed, Head};

#[async_trait]
impl AuditReader for MongoStore {
    async fn audit(&self, cursor: Option<&str>, limit: u32) -> Result<Page<AuditEntry>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { audit::page(&db, cursor.as_deref(), limit).await }).await
    }

    async fn audit_after(&self, number: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        self.run(|db| async move { audit::after(&db, number, limit).await }).await
    }

    async fn audit_head(&self) -> Result<Head> {
        self.run(|db| async move { audit::head(&db).await }).await
    }
}

#[async_trait]
impl AuditStore for MongoStore {
    async fn append_audit(&self, deeds: Vec<Deed>) -> Result<Vec<AuditEntry>> {
        self.run(|db| async move { audit::append(&db, deeds).await }).await
    }
}
