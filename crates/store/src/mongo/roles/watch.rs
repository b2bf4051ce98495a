//! [`WatchReader`] and [`WatchStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, watch};
use crate::page::Page;
use crate::roles::outbox::OutboxMessage;
use crate::roles::watch::{WatchReader, WatchStore, WindowFilter};
use async_trait::async_trait;
use provost_domain::watch_record::{WatchState, WatchedWindow};

#[async_trait]
impl WatchReader for MongoStore {
    async fn watch_state(&self) -> Result<Option<WatchState>> {
        self.run(|db| async move { watch::state(&db).await }).await
    }

    async fn watched_windows(
        &self,
        filter: WindowFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<WatchedWindow>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { watch::list(&db, &filter, cursor.as_deref(), limit).await }).await
    }

    async fn watched_window(&self, id: &str) -> Result<Option<WatchedWindow>> {
        let id = id.to_owned();
        self.run(|db| async move { watch::get(&db, &id).await }).await
    }
}

#[async_trait]
impl WatchStore for MongoStore {
    async fn record_watch(
        &self,
        state: WatchState,
        window: Option<WatchedWindow>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<bool> {
        self.run(|db| async move { watch::record(&db, &state, window.as_ref(), &outbox).await }).await
    }

    async fn update_windows(&self, windows: Vec<WatchedWindow>) -> Result<()> {
        self.run(|db| async move { watch::update(&db, &windows).await }).await
    }
}
