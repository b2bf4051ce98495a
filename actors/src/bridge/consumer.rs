//! The consuming connection: consumes the inbound queues, keeps the topology declared, and publishes unrouted events again.

use super::amqp::{AmqpError, Link, Result};
use super::connect::connect;
use super::env::BridgeEnv;
use super::state::Side;
use super::topology::{DATA, PREDICT, TOPOLOGY, TRAIN, UNROUTED};
use super::{COMPONENT, predictions, queue_consumer, unrouted};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// The interval between passes over unrouted messages while no queue was missing.
const ROUND: Duration = Duration::from_secs(60);

/// Runs one consuming connection. `Ok` once the bridge stops.
pub async fn session(env: &BridgeEnv, mut stop: watch::Receiver<bool>) -> Result<()> {
    let Some(link) = connect(env, "provost consumer", &mut stop).await? else { return Ok(()) };
    env.state.connected(Side::Consumer);
    tracing::info!(broker = %env.bridge.url, "consuming from the bus");
    let consuming = async {
        tokio::try_join!(
            queue_consumer::run(env, &link, DATA, stop.clone()),
            queue_consumer::run(env, &link, TRAIN, stop.clone()),
            predictions::run(env, &link, stop.clone())
        )
    };
    let missing = Notify::new();
    tokio::select! {
        stopped = consuming => { stopped?; }
        fault = upkeep(env, &link, &missing) => return fault,
        fault = rounds(env, &link, &missing) => return fault,
    }
    link.close().await;
    Ok(())
}

/// Checks that the broker answers and the topology exists. Returns only with an error.
async fn upkeep(env: &BridgeEnv, link: &Link, missing: &Notify) -> Result<()> {
    loop {
        tokio::time::sleep(env.bridge.check_every).await;
        if !link.connected() {
            return Err(AmqpError::Lost);
        }
        // All of these are round trips, so a frozen broker is noticed here.
        let mut gone = false;
        for queue in [DATA, TRAIN, PREDICT] {
            let depth = link.depth(queue).await?;
            gone |= depth.is_none();
            env.state.metrics().queue_holds(queue, depth.map(|depth| u64::from(depth.messages)));
        }
        link.declare(&TOPOLOGY).await?;
        env.failures.succeeded(COMPONENT, Side::Consumer.task());
        if gone {
            missing.notify_one();
        }
    }
}

/// Passes over the unrouted messages: at the start, after a queue was missing, and, because a binding may have been
/// missing, every minute in which more messages came. Returns only with an error.
async fn rounds(env: &BridgeEnv, link: &Link, missing: &Notify) -> Result<()> {
    let mut stayed = None;
    loop {
        let depth = link.depth(UNROUTED).await?.map_or(0, |depth| depth.messages);
        if stayed != Some(depth) {
            stayed = Some(unrouted::replay(env, link).await?);
        }
        if tokio::time::timeout(ROUND, missing.notified()).await.is_ok() {
            stayed = None;
        }
    }
}
