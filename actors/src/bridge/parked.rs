//! Access to the parking queue for commands and routes.

use super::amqp::{AmqpError, Link, Message, Outlet, Published, Received, Result};
use super::dead_letter::{AT, ATTEMPTS, DETAIL, EXCHANGE, QUEUE, REASON, ROUTING_KEY};
use super::topology::PARKED;
use crate::options::BridgeOptions;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A parked message, without its body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parked {
    /// The message id, or a hash of reason and body if there is none: the same at each look.
    pub id: String,
    /// When the message was parked; None if the broker parked it.
    pub at: Option<String>,
    /// The queue that the message was sent to.
    pub queue: String,
    pub reason: String,
    pub detail: String,
    pub routing_key: Option<String>,
    pub exchange: Option<String>,
    pub attempts: Option<u32>,
    pub bytes: usize,
}

/// A parked message with its headers and body.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    pub summary: Parked,
    pub content_type: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// Selects parked messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All messages that are parked when the work begins.
    All,
    Ids(BTreeSet<String>),
}

/// The result of an action on messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Ids of messages that were replayed or discarded.
    pub done: Vec<String>,
    /// Ids of messages that stayed, with the reason.
    pub stayed: BTreeMap<String, String>,
    /// Ids of which no message is parked.
    pub missing: Vec<String>,
}

/// A connection for one command.
pub struct ParkingQueue {
    link: Link,
    wait: std::time::Duration,
}

impl ParkingQueue {
    pub async fn open(options: &BridgeOptions) -> Result<Self> {
        let link = Link::open(&options.url, options.ca_file.as_deref(), "provost parked", options.wait).await?;
        Ok(Self { link, wait: options.wait })
    }

    pub async fn close(self) {
        self.link.close().await;
    }

    /// The number of parked messages; 0 if the queue was never declared.
    async fn len(&self) -> Result<u32> {
        Ok(self.link.depth(PARKED).await?.map_or(0, |depth| depth.messages))
    }

    /// The oldest `limit` messages, and the number of all. All of them stay parked.
    pub async fn list(&self, limit: u32) -> Result<(Vec<Parked>, u32)> {
        let all = self.len().await?;
        let mut listed = Vec::new();
        if all > 0 {
            let reader = self.link.reader(PARKED).await?;
            while listed.len() < limit.min(all) as usize
                && let Some(received) = reader.next().await?
            {
                listed.push(summary(&received.message));
            }
            reader.put_back().await?;
        }
        Ok((listed, all))
    }

    /// The first message with this id. It stays parked.
    pub async fn show(&self, id: &str) -> Result<Option<Whole>> {
        let mut found = None;
        let mut left = self.len().await?;
        if left > 0 {
            let reader = self.link.reader(PARKED).await?;
            while let (None, 1..) = (&found, left)
                && let Some(Received { message, .. }) = reader.next().await?
            {
                left -= 1;
                let summary = summary(&message);
                if summary.id == id {
                    let (content_type, headers) = (message.content_type().map(str::to_owned), message.header_texts());
                    found = Some(Whole { summary, content_type, headers, body: message.body });
                }
            }
            reader.put_back().await?;
        }
        Ok(found)
    }

    /// Publishes messages to their queues as new ones, and removes them from the parking queue.
    pub async fn replay(&self, which: &Which) -> Result<Outcome> {
        let outlet = self.link.outlet().await?;
        self.each(which, Some(&outlet)).await
    }

    /// Removes messages.
    pub async fn discard(&self, which: &Which) -> Result<Outcome> {
        self.each(which, None).await
    }

    async fn each(&self, which: &Which, replay: Option<&Outlet>) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let broken = self.go_through(which, replay, &mut outcome).await.err();
        let Which::Ids(ids) = which else { return broken.map_or(Ok(outcome), Err) };
        let known = |id: &&String| outcome.done.contains(id) || outcome.stayed.contains_key(*id);
        let others: Vec<String> = ids.iter().filter(|id| !known(id)).cloned().collect();
        match broken {
            None => outcome.missing = others,
            // Who asked is told what was done, also where the connection broke off after a part.
            Some(error) if !outcome.done.is_empty() => {
                outcome.stayed.extend(others.into_iter().map(|id| (id, error.to_string())));
            }
            Some(error) => return Err(error),
        }
        Ok(outcome)
    }

    async fn go_through(&self, which: &Which, replay: Option<&Outlet>, outcome: &mut Outcome) -> Result<()> {
        // Stops after the messages present at the start: a message that is parked again at once would otherwise be
        // processed endlessly.
        let left = self.len().await?;
        if left > 0 {
            let reader = self.link.reader(PARKED).await?;
            for _ in 0..left {
                let Some(Received { message, acker, .. }) = reader.next().await? else { break };
                let summary = summary(&message);
                if matches!(which, Which::Ids(ids) if !ids.contains(&summary.id)) {
                    continue;
                }
                let refused = match replay {
                    Some(outlet) => self.send(outlet, message, &summary).await?,
                    None => None,
                };
                match refused {
                    Some(why) => {
                        outcome.stayed.insert(summary.id, why);
                    }
                    None if acker.ack(self.wait).await? => outcome.done.push(summary.id),
                    None => return Err(AmqpError::Lost),
                }
            }
            reader.put_back().await?;
        }
        Ok(())
    }

    /// Why the message could not be replayed; None if the broker has it.
    async fn send(&self, outlet: &Outlet, message: Message, summary: &Parked) -> Result<Option<String>> {
        if summary.queue.is_empty() {
            return Ok(Some("it does not say which queue it was for".to_owned()));
        }
        // Published directly to its queue: other subscribers of the exchange have received it already.
        let mut again = message.moved_to("", &summary.queue);
        again.remove_headers(|name| [REASON, DETAIL, AT, ATTEMPTS].contains(&name) || is_of_broker(name));
        Ok(match outlet.publish(&[again]).await?.first() {
            Some(Published::Confirmed) => None,
            Some(Published::Unroutable(why)) => Some(format!("there is no queue {}: {why}", summary.queue)),
            Some(Published::Refused) | None => Some(format!("{} takes no more messages", summary.queue)),
        })
    }
}

/// Headers that the broker writes and counts when it dead-letters.
fn is_of_broker(name: &str) -> bool {
    name == "x-death"
        || name == "x-delivery-count"
        || name.starts_with("x-first-death-")
        || name.starts_with("x-last-death-")
}

fn summary(message: &Message) -> Parked {
    let header = |name: &str| message.header(name);
    // Parked by the broker, because it was delivered too often without an acknowledgement.
    let death = message.first_death();
    let reason = header(REASON).or_else(|| header("x-first-death-reason")).unwrap_or_else(|| "unknown".to_owned());
    let detail = header(DETAIL).unwrap_or_else(|| match header("x-first-death-reason") {
        Some(_) => "the broker gave up on it".to_owned(),
        None => String::new(),
    });
    let id = message.message_id().map_or_else(
        || {
            let hash = Sha256::new().chain_update(&reason).chain_update([0]).chain_update(&message.body).finalize();
            hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
        },
        str::to_owned,
    );
    Parked {
        id,
        at: header(AT),
        queue: header(QUEUE).or_else(|| header("x-first-death-queue")).unwrap_or_default(),
        reason,
        detail,
        routing_key: header(ROUTING_KEY).or_else(|| death.as_ref().map(|d| d.1.clone())),
        exchange: header(EXCHANGE).or_else(|| death.map(|d| d.0)),
        attempts: header(ATTEMPTS).and_then(|n| n.parse().ok()),
        bytes: message.body.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::dead_letter::parked;
    use super::*;
    use chrono::DateTime;
    use provost_domain::event::{Refusal, RefusalCode};

    #[test]
    fn an_id_is_the_message_id_or_a_hash_that_stays() {
        let refusal = Refusal::new(RefusalCode::Malformed, "no JSON");
        let of = |id: &str, body: &[u8]| {
            let message = Message::new("ml.events", "admission.data.recorded", "text/plain", id, body.to_vec());
            summary(&parked(message, "ml.data", &refusal, DateTime::UNIX_EPOCH))
        };
        assert_eq!(of("m1", b"x").id, "m1");
        let hashed = of("", b"x");
        assert_eq!((hashed.id.len(), &hashed), (16, &of("", b"x")));
        assert_ne!(hashed.id, of("", b"y").id);
        assert_eq!((hashed.queue.as_str(), hashed.reason.as_str(), hashed.bytes), ("ml.data", "malformed", 1));
        assert_eq!(hashed.routing_key.as_deref(), Some("admission.data.recorded"));
    }
}
