//! Messages that no queue was bound for: events that arrived while our queues were missing are published again.
//! Announcements without a subscriber stay until newer ones displace them.

use super::amqp::{Link, Message, Published, Result};
use super::env::BridgeEnv;
use super::topology::{EVENTS, UNROUTED, is_inbound};
use std::sync::Arc;

/// How many messages are published again at a time.
const BATCH: usize = 100;

/// Passes over the queue once; returns how many messages stayed. Reads message by message, so that at most a batch is
/// in memory; messages that stay are held until the end.
pub async fn replay(env: &BridgeEnv, link: &Link) -> Result<u32> {
    let Some(depth) = link.depth(UNROUTED).await?.filter(|d| d.messages > 0) else { return Ok(0) };
    let reader = link.reader(UNROUTED).await?;
    let (mut left, mut replayed, mut stayed) = (depth.messages, 0u64, 0u32);
    while left > 0 {
        let (mut ackers, mut messages) = (Vec::new(), Vec::<Arc<Message>>::new());
        while left > 0 && messages.len() < BATCH {
            // Another reader, or the queue's limit, may have removed counted messages.
            let Some(received) = reader.next().await? else {
                left = 0;
                break;
            };
            left -= 1;
            let key = received.message.routing_key().to_owned();
            if is_inbound(&key) {
                messages.push(Arc::new(received.message.moved_to(EVENTS, &key)));
                ackers.push(received.acker);
            } else {
                stayed += 1;
            }
        }
        if messages.is_empty() {
            continue;
        }
        let Some(outcomes) = env.publisher.publish(messages, env.bridge.wait).await else {
            // They are returned to the queue; the next pass publishes them.
            stayed += ackers.len() as u32;
            break;
        };
        for (acker, outcome) in ackers.iter().zip(outcomes) {
            // If its queue is still missing, the copy is at the end of this queue by now; this one is removed in any
            // case.
            if outcome == Published::Confirmed {
                acker.ack(env.bridge.wait).await?;
                replayed += 1;
            } else {
                stayed += 1;
            }
        }
    }
    reader.put_back().await?;
    if replayed > 0 {
        tracing::info!(replayed, stayed, "events that had found no queue were published again");
        env.state.count(|c| c.replayed += replayed);
    }
    Ok(stayed)
}
