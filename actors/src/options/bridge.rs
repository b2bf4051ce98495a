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
    pub announcements: u64,
    pub leases: Option<Leases>,
    pub failures: Failures,
    pub metrics: Metrics,
    pub nudge: Arc<Notify>,
    pub watch_nudge: Arc<Notify>,
}

/// Announcements that are kept where no bus is configured: a few for whoever connects one, so that a service without a bus does
/// not fill its store.
pub const KEPT_WITHOUT_BUS: u64 = 1_000;

/// How many announcements may wait. Where other servers share the store, one of them may have the bus.
fn kept(has_bus: bool, shares_store: bool, most: u64) -> u64 {
    if has_bus || shares_store { most } else { most.min(KEPT_WITHOUT_BUS) }
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
            announcements: kept(o.bridge.is_some(), o.leases.is_some(), o.outbox_max),
            leases: o.leases.clone(),
            failures: o.failures.clone(),
            metrics: o.metrics.clone(),
            nudge: o.nudge.clone(),
            watch_nudge: o.watch_nudge.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_bus_few_announcements_are_kept_unless_another_server_may_send_them() {
        let most = 100_000;
        assert_eq!(kept(true, false, most), most);
        assert_eq!(kept(false, true, most), most);
        assert_eq!(kept(false, false, most), KEPT_WITHOUT_BUS);
        assert_eq!(kept(false, false, 100), 100);
    }
}
