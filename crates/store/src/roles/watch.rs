//! Windows of predictions and of points that were compared with the active model's training data.

use crate::error::Result;
use crate::page::Page;
use crate::roles::outbox::OutboxMessage;
use async_trait::async_trait;
use provost_domain::ModelId;
use provost_domain::watch::WindowKind;
use provost_domain::watch_record::{WatchState, WatchedWindow};

/// Which windows to list; nothing given is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowFilter {
    /// Windows of this model.
    pub model_id: Option<ModelId>,
    /// Windows of this kind.
    pub kind: Option<WindowKind>,
}

/// Reads windows and how far the watching has come.
#[async_trait]
pub trait WatchReader: Send + Sync + 'static {
    /// How far it has come, once it has begun.
    async fn watch_state(&self) -> Result<Option<WatchState>>;
    /// Closed windows, newest first.
    async fn watched_windows(
        &self,
        filter: WindowFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<WatchedWindow>>;
    /// The window of this id.
    async fn watched_window(&self, id: &str) -> Result<Option<WatchedWindow>>;
}

/// Reads and records windows: for the Watch only.
#[async_trait]
pub trait WatchStore: WatchReader {
    /// Records how far the watching has come, the window that was closed by that, if one was, and its announcements. Returns
    /// whether they were recorded: they are not where the recorded state has another revision than `state.revision - 1`
    /// (0: there is none). A window of the same id is replaced.
    async fn record_watch(
        &self,
        state: WatchState,
        window: Option<WatchedWindow>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<bool>;
    /// Replaces the windows of these ids, for outcomes that became known since. One that is not there any more stays away.
    async fn update_windows(&self, windows: Vec<WatchedWindow>) -> Result<()>;
}
