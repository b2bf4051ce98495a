//! [`ResponseStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, responses};
use crate::roles::responses::{ResponseStore, ResponsesHeld, StoredResponse};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

#[async_trait]
impl ResponseStore for MongoStore {
    async fn stored_response(&self, key: &str, now: DateTime<Utc>) -> Result<Option<StoredResponse>> {
        let key = key.to_owned();
        self.run(|db| async move { responses::get(&db, &key, now).await }).await
    }

    async fn store_response(&self, response: StoredResponse) -> Result<StoredResponse> {
        self.run(|db| async move { responses::store(&db, response).await }).await
    }

    async fn responses_held(&self, owner: &str, now: DateTime<Utc>) -> Result<ResponsesHeld> {
        let owner = owner.to_owned();
        self.run(|db| async move { responses::held(&db, &owner, now).await }).await
    }
}
