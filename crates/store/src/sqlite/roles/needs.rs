//! [`NeedReader`], [`NeedProducer`] and [`NeedStore`] on SQLite.

use crate::error::Result;
use crate::page::Page;
use crate::roles::needs::{NeedProducer, NeedReader, NeedStore};
use crate::sqlite::{SqliteStore, needs};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::need::{Need, NeedDealing, NeedState};

#[async_trait]
impl NeedReader for SqliteStore {
    async fn needs(
        &self,
        state: Option<NeedState>,
        now: DateTime<Utc>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<Need>> {
        let cursor = cursor.map(str::to_owned);
        self.list(move |c, damage| needs::page(c, damage, (state, now), cursor.as_deref(), limit)).await
    }

    async fn open_needs(&self, now: DateTime<Utc>) -> Result<u64> {
        self.read(move |c| needs::open(c, now)).await
    }

    async fn need(&self, id: &str) -> Result<Option<Need>> {
        let id = id.to_owned();
        self.read(move |c| needs::get(c, &id)).await
    }
}

#[async_trait]
impl NeedProducer for SqliteStore {
    async fn raise_need(&self, need: Need) -> Result<bool> {
        self.write(move |t| needs::raise(t, &need)).await
    }

    async fn withdraw_need(&self, id: &str, at: DateTime<Utc>) -> Result<bool> {
        let id = id.to_owned();
        self.write(move |t| needs::withdraw(t, &id, at)).await
    }
}

#[async_trait]
impl NeedStore for SqliteStore {
    async fn acknowledge_need(&self, id: &str, dealing: NeedDealing) -> Result<Need> {
        let id = id.to_owned();
        self.write(move |t| needs::acknowledge(t, &id, dealing)).await
    }

    async fn snooze_need(&self, id: &str, until: DateTime<Utc>, dealing: NeedDealing) -> Result<Need> {
        let id = id.to_owned();
        self.write(move |t| needs::snooze(t, &id, until, dealing)).await
    }
}
