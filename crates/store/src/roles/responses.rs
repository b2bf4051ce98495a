//! Responses that are repeated for an `Idempotency-Key`.

use crate::error::Result;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A stored response is repeated for this long; afterwards its key may be used again.
pub const RESPONSE_LIFETIME_HOURS: i64 = 24;

/// An `Idempotency-Key`, the hash of method, path and body it came with, and the response to repeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredResponse {
    /// Unique among all callers: the caller's name is part of it.
    pub key: String,
    /// Whose key it is; empty in records of older versions.
    #[serde(default)]
    pub owner: String,
    /// SHA-256 of method, path and body of the request.
    pub request_hash: String,
    /// HTTP status.
    pub status: u16,
    /// The header `Location`.
    pub location: Option<String>,
    /// The JSON body.
    pub body: serde_json::Value,
    /// When the response was stored.
    pub at: DateTime<Utc>,
}

/// What is stored of one caller's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResponsesHeld {
    /// Keys with a response.
    pub keys: u64,
    /// The stored responses, as JSON.
    pub bytes: u64,
    /// When the oldest of them was stored.
    pub oldest: Option<DateTime<Utc>>,
}

/// Reads and stores responses to requests other than job creation, whose response is stored with the job.
#[async_trait]
pub trait ResponseStore: Send + Sync + 'static {
    /// The response stored under this key, if it is not older than [`RESPONSE_LIFETIME_HOURS`] at `now`.
    async fn stored_response(&self, key: &str, now: DateTime<Utc>) -> Result<Option<StoredResponse>>;
    /// Stores a response whose `at` is the present, unless its key has one; returns the response that is stored.
    async fn store_response(&self, response: StoredResponse) -> Result<StoredResponse>;
    /// Number, size and age of the unexpired responses of this owner. The writer stores each size, so no response is read.
    async fn responses_held(&self, owner: &str, now: DateTime<Utc>) -> Result<ResponsesHeld>;
}
