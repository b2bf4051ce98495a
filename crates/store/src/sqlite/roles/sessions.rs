//! [`SessionStore`] on SQLite.

use crate::error::Result;
use crate::roles::sessions::SessionStore;
use crate::sqlite::{SqliteStore, sessions};
use async_trait::async_trait;
use provost_domain::session::{Session, SessionBounds};

#[async_trait]
impl SessionStore for SqliteStore {
    async fn add_session(&self, session: Session, bounds: SessionBounds) -> Result<()> {
        self.write(move |t| sessions::add(t, &session, bounds)).await
    }

    async fn sessions(&self) -> Result<Vec<Session>> {
        self.read(sessions::all).await
    }

    async fn see_sessions(&self, sessions: Vec<Session>) -> Result<()> {
        self.write(move |t| sessions::seen(t, &sessions)).await
    }

    async fn end_session(&self, sha256: &str) -> Result<bool> {
        let sha256 = sha256.to_owned();
        self.write(move |t| sessions::end(t, &sha256)).await
    }
}
