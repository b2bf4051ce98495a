//! [`WatchReader`] and [`WatchStore`] on SQLite.

use crate::error::Result;
use crate::page::Page;
use crate::roles::outbox::OutboxMessage;
use crate::roles::watch::{WatchReader, WatchStore, WindowFilter};
use crate::sqlite::{SqliteStore, watch};
use async_trait::async_trait;
use provost_domain::watch_record::{WatchState, WatchedWindow};

#[async_trait]
impl WatchReader for SqliteStore {
    async fn watch_state(&self) -> Result<Option<WatchState>> {
        self.read(watch::state).await
    }

    async fn watched_windows(
        &self,
        filter: WindowFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<WatchedWindow>> {
        let cursor = cursor.map(str::to_owned);
        self.list(move |c, damage| watch::list(c, damage, &filter, cursor.as_deref(), limit)).await
    }

    async fn watched_window(&self, id: &str) -> Result<Option<WatchedWindow>> {
        let id = id.to_owned();
        self.read(move |c| watch::get(c, &id)).await
    }
}

#[async_trait]
impl WatchStore for SqliteStore {
    async fn record_watch(
        &self,
        state: WatchState,
        window: Option<WatchedWindow>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<bool> {
        self.write(move |t| watch::record(t, &state, window.as_ref(), &outbox)).await
    }

    async fn update_windows(&self, windows: Vec<WatchedWindow>) -> Result<()> {
        self.write(move |t| watch::update(t, &windows)).await
    }
}
