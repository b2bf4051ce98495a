//! The state of the bridge: written by all its threads, read for its status.

use super::topology::{DATA, PARKED, PREDICT, TRAIN};
use crate::metrics::{BusCounts, Metrics};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Consumer,
    Publisher,
}

impl Side {
    /// The queues whose messages it counts.
    pub fn queues(self) -> &'static [&'static str] {
        match self {
            Side::Consumer => &[DATA, TRAIN, PREDICT],
            Side::Publisher => &[PARKED],
        }
    }

    /// The task's name in reports of failures.
    pub fn task(self) -> &'static str {
        match self {
            Side::Consumer => "keeping the connection that consumes",
            Side::Publisher => "keeping the connection that publishes",
        }
    }
}

#[derive(Debug, Default, Clone)]
struct SideState {
    connected: bool,
    connections: u64,
    last_error: Option<String>,
}

#[derive(Debug, Default, Clone)]
struct Inner {
    consumer: SideState,
    publisher: SideState,
    /// Why the store accepts nothing, per queue.
    store_away: BTreeMap<&'static str, String>,
    /// The broker blocks publishers.
    blocked: bool,
    counts: BusCounts,
}

#[derive(Debug, Clone)]
pub struct State {
    inner: Arc<Mutex<Inner>>,
    metrics: Metrics,
}

impl State {
    pub fn new(metrics: Metrics) -> Self {
        Self { inner: Arc::default(), metrics }
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn connected(&self, side: Side) {
        let mut inner = self.lock();
        let side = inner.side(side);
        side.connected = true;
        side.connections += 1;
    }

    pub fn lost(&self, side: Side, error: Option<String>) {
        let mut inner = self.lock();
        if side == Side::Publisher {
            inner.blocked = false;
        }
        let side = inner.side(side);
        side.connected = false;
        if error.is_some() {
            side.last_error = error;
        }
    }

    /// Records whether the store accepts the messages of a queue; if not, why.
    pub fn store(&self, queue: &'static str, away: Option<String>) {
        let mut inner = self.lock();
        match away {
            Some(why) => inner.store_away.insert(queue, why),
            None => inner.store_away.remove(queue),
        };
    }

    pub fn blocked(&self, blocked: bool) {
        self.lock().blocked = blocked;
    }

    pub fn count(&self, add: impl FnOnce(&mut BusCounts)) {
        let mut more = BusCounts::default();
        add(&mut more);
        self.lock().counts.add(more);
        self.metrics.bus().add(more);
    }

    pub fn tell(&self, disabled: bool) -> Value {
        let inner = self.lock().clone();
        let healthy =
            inner.consumer.connected && inner.publisher.connected && inner.store_away.is_empty() && !inner.blocked;
        let c = inner.counts;
        let side = |s: &SideState| json!({ "connected": s.connected, "connections": s.connections, "last_error": s.last_error });
        let mut told = json!({
            "health": if disabled { "disabled" } else if healthy { "up" } else { "degraded" },
            "outbox_given_up": c.given_up,
        });
        if let (false, Some(told)) = (disabled, told.as_object_mut()) {
            told.insert("consumer".to_owned(), side(&inner.consumer));
            told.insert("publisher".to_owned(), side(&inner.publisher));
            told.insert("store_error".to_owned(), json!(inner.store_away.values().next()));
            told.insert("blocked_by_broker".to_owned(), json!(inner.blocked));
            told.insert(
                "events".to_owned(),
                json!({ "taken": c.taken, "duplicates": c.duplicates, "parked": c.parked, "retried": c.retried,
                    "replayed": c.replayed, "unacknowledged": c.unacknowledged }),
            );
            told.insert(
                "predictions".to_owned(),
                json!({ "made": c.predictions_made, "refused": c.predictions_refused, "expired": c.predictions_expired }),
            );
            told.insert(
                "announcements".to_owned(),
                json!({ "relayed": c.relayed, "unroutable": c.unroutable, "refused": c.refused }),
            );
        }
        told
    }
}

impl Inner {
    fn side(&mut self, side: Side) -> &mut SideState {
        match side {
            Side::Consumer => &mut self.consumer,
            Side::Publisher => &mut self.publisher,
        }
    }
}
