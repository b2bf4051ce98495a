//! What the Bridge works with.

use super::{BridgeOptions, Options};
use crate::clock::Clock;
use crate::failures::Failures;
use crate::lease::Leases;
use crate::metrics::Metrics;
use provost_store::{InboxStore, InstallationReader, OutboxStore, PointStore, ResponseStore, StoreHealth};
use std::sync::Arc;
use tokio::sync::Notify;

/// The Bridge writes the inbox, with the points and triggers of its events, and answers to predictions, and marks the outbox.
#[derive(Clone)]
pub struct BridgeResources {
    pub clock: Arc<dyn Clock>,
    /// None: there is no bus.
    pub bus: Option<BridgeOptions>,
    pub inbox: Arc<dyn InboxStore>,
    pub points: Arc<dyn PointStore>,
    pub outbox: Arc<dyn OutboxStore>,
    pub responses: Arc<dyn ResponseStore>,
    pub installation: Arc<dyn InstallationReader>,
    pub health: Arc<dyn StoreHealth>,
    /// Announcements that may wait; of more, the oldest are given up.
    pub outbox_max: u64,
    pub leases: Option<Leases>,
    pub failures: Failures,
    pub metrics: Metrics,
    pub nudge: Arc<Notify>,
    pub watch_nudge: Arc<Notify>,
}

impl From<&Options> for BridgeResources {
    fn from(o: &Options) -> Self {
        Self {
            clock: o.clock.clone(),
            bus: o.bridge.clone(),
            inbox: o.store.clone(),
            points: o.store.clone(),
            outbox: o.store.clone(),
            responses: o.store.clone(),
            installation: o.store.clone(),
            health: o.store.clone(),
            outbox_max: o.outbox_max,
            leases: o.leases.clone(),
            failures: o.failures.clone(),
            metrics: o.metrics.clone(),
            nudge: o.nudge.clone(),
            watch_nudge: o.watch_nudge.clone(),
        }
    }
}
