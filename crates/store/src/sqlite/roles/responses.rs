//! [`ResponseStore`] on SQLite.

use crate::error::Result;
use crate::roles::responses::{ResponseStore, ResponsesHeld, StoredResponse};
use crate::sqlite::{SqliteStore, messages};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

#[async_trait]
impl ResponseStore for SqliteStore {
    async fn stored_response(&self, key: &str, now: DateTime<Utc>) -> Result<Option<StoredResponse>> {
        let key = key.to_owned();
        self.read(move |c| messages::stored_response(c, &key, now)).await
    }

    async fn store_response(&self, response: StoredResponse) -> Result<StoredResponse> {
        self.write(move |t| messages::store_response(t, &response)).await
    }

    async fn responses_held(&self, owner: &str, now: DateTime<Utc>) -> Result<ResponsesHeld> {
        let owner = owner.to_owned();
        self.read(move |c| messages::responses_held(c, &owner, now)).await
    }
}
