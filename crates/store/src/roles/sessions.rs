//! Sessions of browsers.

use crate::error::Result;
use async_trait::async_trait;
use provost_domain::session::{Session, SessionBounds};

/// Keeps and ends sessions of browsers.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Stores a new session. Expired sessions are removed, and those beyond the bounds, of its key and of all keys: the least
    /// recently used first. `Conflict` if there is a session of this token.
    async fn add_session(&self, session: Session, bounds: SessionBounds) -> Result<()>;
    /// All stored sessions, oldest first; some may have expired.
    async fn sessions(&self) -> Result<Vec<Session>>;
    /// Updates when these sessions were last seen and when they expire, where that is later than stored. Unknown sessions are
    /// ignored.
    async fn see_sessions(&self, sessions: Vec<Session>) -> Result<()>;
    /// Removes a session; returns whether it existed.
    async fn end_session(&self, sha256: &str) -> Result<bool>;
}
