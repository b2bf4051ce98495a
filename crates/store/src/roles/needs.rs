//! What needs a person.

use crate::error::Result;
use crate::page::Page;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::need::{Need, NeedDealing, NeedState};

/// Reads what needs a person.
#[async_trait]
pub trait NeedReader: Send + Sync + 'static {
    /// The needs that are in this state at `now`, newest first by `since`; of every state without one.
    async fn needs(
        &self,
        state: Option<NeedState>,
        now: DateTime<Utc>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<Need>>;
    /// How many needs are open at `now`.
    async fn open_needs(&self, now: DateTime<Utc>) -> Result<u64>;
    /// The need of this id.
    async fn need(&self, id: &str) -> Result<Option<Need>>;
}

/// Raises and withdraws needs: for actors that notice something that needs a person.
#[async_trait]
pub trait NeedProducer: NeedReader {
    /// Stores a need; where there is one of this id, what [`Need::noticed_again`] makes of it. Returns whether a need is open
    /// that was not there, or was dealt with. To raise the same need again changes nothing.
    async fn raise_need(&self, need: Need) -> Result<bool>;
    /// Withdraws a need whose fact has gone. Returns whether it was there and not dealt with.
    async fn withdraw_need(&self, id: &str, at: DateTime<Utc>) -> Result<bool>;
}

/// Deals with needs: for people.
#[async_trait]
pub trait NeedStore: NeedProducer {
    /// Records that somebody has dealt with a need, and returns it as stored; one that was dealt with stays as it is.
    /// `NotFound` if there is none of this id.
    async fn acknowledge_need(&self, id: &str, dealing: NeedDealing) -> Result<Need>;
    /// Hides a need until this time, and returns it as stored. `NotFound` if there is none of this id, `Conflict` if it is dealt
    /// with.
    async fn snooze_need(&self, id: &str, until: DateTime<Utc>, dealing: NeedDealing) -> Result<Need>;
}
