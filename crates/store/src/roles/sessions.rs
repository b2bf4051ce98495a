//! Sessions of browsers.

use crate::error::Result;
use async_trait::async_trait;
use provost_domain::session::{Session, SessionBounds};

/// Keeps and ends sessions of browsers.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Keeps a new session. Those that have expired when it begins are removed, and of its key and of all those beyond the
    /// bounds, the longest silent first. `Conflict` if there is a session of this token.
    async fn add_session(&self, session: Session, bounds: SessionBounds) -> Result<()>;
    /// All that are kept, oldest first; some may have expired.
    async fn sessions(&self) -> Result<Vec<Session>>;
    /// Takes over when these were last seen and when they expire, where that is later than what is stored. Sessions that are
    /// not kept any more are ignored.
    async fn see_sessions(&self, sessions: Vec<Session>) -> Result<()>;
    /// Removes a session; answers whether it was there.
    async fn end_session(&self, sha256: &str) -> Result<bool>;
}
