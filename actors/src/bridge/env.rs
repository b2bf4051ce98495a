//! What the parts of a running bridge share.

use super::inbox::Inbox;
use super::kept_answers::KeptAnswers;
use super::publisher_channel::Publisher;
use super::state::State;
use crate::clock::Clock;
use crate::failures::Failures;
use crate::lease::Leases;
use crate::options::BridgeOptions;
use crate::serving::PredictionService;
use provost_store::{OutboxStore, ResponseStore, StoreHealth};
use std::sync::Arc;
use tokio::sync::Notify;

#[derive(Clone)]
pub struct BridgeEnv {
    pub bridge: BridgeOptions,
    pub clock: Arc<dyn Clock>,
    pub inbox: Inbox,
    pub predictions: PredictionService,
    /// Stored answers to requests for predictions, for repeated requests.
    pub responses: Arc<dyn ResponseStore>,
    /// How many answers are kept per source.
    pub kept: Arc<KeptAnswers>,
    pub outbox: Arc<dyn OutboxStore>,
    pub health: Arc<dyn StoreHealth>,
    pub publisher: Publisher,
    pub state: State,
    /// Notified when points or triggers arrived.
    pub nudge: Arc<Notify>,
    /// Notified when points arrived.
    pub watch_nudge: Arc<Notify>,
    /// None unless the store is shared.
    pub leases: Option<Leases>,
    pub failures: Failures,
    /// The `source` of announcements.
    pub source: String,
}
