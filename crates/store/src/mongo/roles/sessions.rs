//! [`SessionStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, sessions};
use crate::roles::sessions::SessionStore;
use async_trait::async_trait;
use provost_domain::session::{Session, SessionBounds};

#[async_trait]
impl SessionStore for MongoStore {
    async fn add_session(&self, session: Session, bounds: SessionBounds) -> Result<()> {
        self.run(|db| async move { sessions::add(&db, &session, bounds).await }).await
    }

    async fn sessions(&self) -> Result<Vec<Session>> {
        self.run(|db| async move { sessions::all(&db).await }).await
    }

    async fn see_sessions(&self, sessions: Vec<Session>) -> Result<()> {
        self.run(|db| async move { sessions::seen(&db, &sessions).await }).await
    }

    async fn end_session(&self, sha256: &str) -> Result<bool> {
        let sha256 = sha256.to_owned();
        self.run(|db| async move { sessions::end(&db, &sha256).await }).await
    }
}
