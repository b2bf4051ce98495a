//! [`NeedReader`], [`NeedProducer`] and [`NeedStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, needs};
use crate::page::Page;
use crate::roles::needs::{NeedProducer, NeedReader, NeedStore};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::need::{Need, NeedDealing, NeedState};

#[async_trait]
impl NeedReader for MongoStore {
    async fn needs(
        &self,
        state: Option<NeedState>,
        now: DateTime<Utc>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<Need>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { needs::page(&db, state, now, cursor.as_deref(), limit).await }).await
    }

    async fn open_needs(&self, now: DateTime<Utc>) -> Result<u64> {
        self.run(|db| async move { needs::open(&db, now).await }).await
    }

    async fn need(&self, id: &str) -> Result<Option<Need>> {
        let id = id.to_owned();
        self.run(|db| async move { needs::get(&db, &id).await }).await
    }
}

#[async_trait]
impl NeedProducer for MongoStore {
    async fn raise_need(&self, need: Need) -> Result<bool> {
        self.run(|db| async move { needs::raise(&db, &need).await }).await
    }

    async fn withdraw_need(&self, id: &str, at: DateTime<Utc>) -> Result<bool> {
        let id = id.to_owned();
        self.run(|db| async move { needs::withdraw(&db, &id, at).await }).await
    }
}

#[async_trait]
impl NeedStore for MongoStore {
    async fn acknowledge_need(&self, id: &str, dealing: NeedDealing) -> Result<Need> {
        let id = id.to_owned();
        self.run(|db| async move { needs::acknowledge(&db, &id, dealing).await }).await
    }

    async fn snooze_need(&self, id: &str, until: DateTime<Utc>, dealing: NeedDealing) -> Result<Need> {
        let id = id.to_owned();
        self.run(|db| async move { needs::snooze(&db, &id, until, dealing).await }).await
    }
}
