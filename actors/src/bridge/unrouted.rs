//! What no queue wanted: events that came while our queues were missing are published again. Announcements that nobody
//! listens to stay where they are, until newer ones push them out.

use super::amqp::{Link, Message, Published, Result};
use super::env::BridgeEnv;
use super::topology::{EVENTS, UNROUTED, is_inbound};
use std::sync::Arc;

/// Messages published again at a time.
const BATCH: usize = 100;

/// Goes through the queue once; answers how many messages stayed. Message by message, so that no more than a batch is in
/// memory; those that stay are only held back until the end.
pub async fn replay(env: &BridgeEnv, link: &Link) -> Result<u32> {
    let Some(depth) = link.depth(UNROUTED).await?.filter(|d| d.messages > 0) else { return Ok(0) };
    let reader = link.reader(UNROUTED).await?;
    let (mut left, mut replayed, mut stayed) = (depth.messages, 0u64, 0u32);
    while left > 0 {
        let (mut ackers, mut messages) = (Vec::new(), Vec::<Arc<Message>>::new());
        while left > 0 && messages.len() < BATCH {
            // Another reader, or the queue's bound, may have taken some of those that were counted.
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
            // They go back; another round will do it.
            stayed += ackers.len() as u32;
            break;
        };
        for (acker, outcome) in ackers.iter().zip(outcomes) {
            // Without a queue it is in here once more by now, at the end; this one may go all the same.
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
