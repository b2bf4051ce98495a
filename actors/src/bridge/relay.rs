//! The outbox relay: publishes the announcements in the outbox, and marks them as sent once the broker has confirmed
//! them.

use super::COMPONENT;
use super::amqp::{Message, Outlet, Published, Result};
use super::env::BridgeEnv;
use super::inbox::STRUCTURED;
use super::topology::EVENTS;
use crate::failures::Kind;
use crate::lease::{Leases, Role};
use crate::outbox::EVENTS as CHANNEL;
use provost_domain::event::outbound::envelope;
use provost_store::{OutboxMessage, StoreError};
use std::time::Duration;
use tokio::time::Instant;

/// How many announcements are published at a time.
const BATCH: u32 = 200;
/// How many passes over the outbox follow one another before other work gets its turn.
const PASSES: u32 = 5;
/// Longest pause after announcements that were not delivered.
const MAX_PAUSE: Duration = Duration::from_secs(5);

const TASK: &str = "relaying announcements";

/// Outlives connections, so that a pause does too.
pub struct Relay {
    /// Only one process relays at a time: two would publish every announcement twice.
    role: Role,
    resume: Option<Instant>,
}

impl Relay {
    pub fn new(leases: Option<Leases>) -> Self {
        Self { role: Role::new(leases, "relay"), resume: None }
    }

    /// Publishes pending announcements. Errors are the broker's; while the store is away, this waits.
    pub async fn pass(&mut self, env: &BridgeEnv, outlet: &Outlet) -> Result<()> {
        if self.resume.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        for _ in 0..PASSES {
            let pending = match self.pending(env).await {
                Ok(pending) => pending,
                Err(e) => {
                    self.pause(env, Kind::of(&e), &format!("the outbox cannot be read: {e}"));
                    return Ok(());
                }
            };
            if pending.is_empty() {
                env.failures.succeeded(COMPONENT, TASK);
                break;
            }
            let messages: Vec<Message> = pending.iter().map(|m| announcement(m, &env.source)).collect();
            let outcomes = outlet.publish(&messages).await?;
            let Relayed { sent, unroutable, refused } = Relayed::of(&pending, &outcomes);
            let relayed = sent.len();
            env.state.count(|c| {
                c.relayed += relayed as u64;
                c.unroutable += unroutable;
                c.refused += refused;
            });
            if let Err(e) = env.outbox.outbox_sent(sent).await {
                // They are published again; subscribers recognise them by their id.
                self.pause(env, Kind::of(&e), &format!("announcements were sent, but cannot be marked so: {e}"));
                return Ok(());
            }
            if relayed < pending.len() {
                // A fault at the broker: its queues are full or are being declared again.
                let text = format!(
                    "the broker did not take {unroutable} announcements for want of a queue and refused {refused}"
                );
                self.pause(env, Kind::Outage, &text);
                return Ok(());
            }
            env.failures.succeeded(COMPONENT, TASK);
            if pending.len() < BATCH as usize {
                break;
            }
        }
        Ok(())
    }

    /// Leaves the announcements to other processes.
    pub async fn leave(&mut self) {
        self.role.leave().await;
    }

    async fn pending(&mut self, env: &BridgeEnv) -> std::result::Result<Vec<OutboxMessage>, StoreError> {
        if !self.role.is_mine().await? {
            return Ok(Vec::new());
        }
        env.outbox.outbox_pending(CHANNEL, BATCH).await
    }

    fn pause(&mut self, env: &BridgeEnv, kind: Kind, text: &str) {
        let pause = env.failures.wait(COMPONENT, TASK, kind, text, (Duration::from_millis(200), MAX_PAUSE));
        self.resume = Some(Instant::now() + pause);
    }
}

/// The result of publishing announcements.
#[derive(Debug, Default, PartialEq, Eq)]
struct Relayed {
    /// Ids of announcements that the broker has.
    sent: Vec<String>,
    /// Number of announcements that no queue is bound for.
    unroutable: u64,
    /// Number of announcements that the broker refused.
    refused: u64,
}

impl Relayed {
    fn of(pending: &[OutboxMessage], outcomes: &[Published]) -> Self {
        let mut relayed = Self::default();
        for (message, outcome) in pending.iter().zip(outcomes) {
            match outcome {
                Published::Confirmed => relayed.sent.push(message.id.clone()),
                Published::Unroutable(why) => {
                    relayed.unroutable += 1;
                    tracing::debug!(id = %message.id, topic = %message.topic, %why, "an announcement came back");
                }
                Published::Refused => relayed.refused += 1,
            }
        }
        relayed
    }
}

fn announcement(message: &OutboxMessage, source: &str) -> Message {
    let event = envelope(&message.id, source, &message.topic, message.at, &message.payload);
    Message::new(EVENTS, &message.topic, STRUCTURED, &message.id, event.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chrono::DateTime;
    use serde_json::{Value, json};

    fn pending(id: &str) -> OutboxMessage {
        let (channel, topic) = (CHANNEL.to_owned(), "training.job.queued".to_owned());
        OutboxMessage { id: id.to_owned(), channel, topic, payload: json!({}), at: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn only_what_the_broker_has_counts_as_sent() {
        let all = ["a", "b", "c", "d"].map(pending);
        let came_back = Published::Unroutable("312 NO_ROUTE".to_owned());
        let outcomes = [Published::Confirmed, came_back, Published::Refused, Published::Confirmed];
        let sent = vec!["a".to_owned(), "d".to_owned()];
        assert_eq!(Relayed::of(&all, &outcomes), Relayed { sent, unroutable: 1, refused: 1 });
        assert_eq!(Relayed::of(&all, &[]), Relayed::default(), "without an outcome nothing was sent");
    }

    #[test]
    fn an_announcement_is_a_cloud_event_under_its_topic() {
        let message = announcement(
            &OutboxMessage {
                id: "job_1:2".to_owned(),
                channel: CHANNEL.to_owned(),
                topic: "training.job.queued".to_owned(),
                payload: json!({"job_id": "job_1"}),
                at: DateTime::UNIX_EPOCH,
            },
            "/provost/1",
        );
        assert_eq!((message.exchange(), message.routing_key()), ("ml.events", "training.job.queued"));
        assert_eq!((message.content_type(), message.message_id()), (Some(STRUCTURED), Some("job_1:2")));
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(body["type"], "training.job.queued.v1");
        assert_eq!((body["id"].as_str(), body["source"].as_str()), (Some("job_1:2"), Some("/provost/1")));
        assert_eq!(body["data"], json!({"job_id": "job_1"}));
    }
}
