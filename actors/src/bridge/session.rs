//! Connections and their ends: each side has a thread that connects, works until something goes wrong, and connects anew,
//! for ever.

use super::COMPONENT;
use super::amqp::{AmqpError, Link, Result};
use super::env::Env;
use super::press::{self, Orders};
use super::relay::Relay;
use super::state::Side;
use super::topology::{DATA, TOPOLOGY, TRAIN, UNROUTED};
use super::{lane, unrouted};
use crate::failures::Kind;
use crate::supervise::backoff;
use provost_domain::rng::SplitMix64;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Wait before the first reconnection; doubles to the cap.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// A connection that held this long starts the waits anew.
const HELD: Duration = Duration::from_secs(30);
/// Between rounds through what found no queue, when no queue was missing.
const ROUND: Duration = Duration::from_secs(60);

/// Runs one side until `stop`, on the calling thread. Every connection has a runtime of its own, dropped with it: that is
/// what ends lapin's threads when a broker is mute, which its own time-outs do not.
pub fn run(side: Side, env: &Env, mut orders: Option<Orders>, stop: &watch::Receiver<bool>) -> std::io::Result<()> {
    let mut random = SplitMix64::keyed(u64::from(std::process::id()), &[side as u64]);
    let mut relay = Relay::new(env.leases.clone());
    let mut failures = 0;
    while !*stop.borrow() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let began = Instant::now();
        let outcome = runtime.block_on(async {
            match (side, &mut orders) {
                (Side::Publisher, Some(orders)) => {
                    let ended = press::session(env, orders, &mut relay, stop.clone()).await;
                    if ended.is_ok() {
                        relay.leave().await;
                    }
                    ended
                }
                _ => consume(env, stop.clone()).await,
            }
        });
        runtime.shutdown_background();
        let Err(error) = outcome else {
            env.state.lost(side, None);
            return Ok(());
        };
        env.state.lost(side, Some(error.to_string()));
        for queue in side.queues() {
            env.state.metrics().queue_holds(queue, None);
        }
        failures = if began.elapsed() > HELD { 0 } else { failures };
        // Half to all of it, so that the clients of a broker that returns do not come at the same moment.
        let pause = backoff(FIRST_PAUSE, MAX_PAUSE, failures).mul_f64(0.5 + random.unit() / 2.0);
        failures += 1;
        // Without the address: whoever may see the status need not know it.
        let text = format!("the bus is away: {error}");
        env.failures.failed(COMPONENT, side.task(), Kind::Outage, &text);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let mut stop = stop.clone();
        // Real time: it is the broker's that is waited for.
        let _ = runtime.block_on(async { tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.map(|_| ()) });
    }
    Ok(())
}

/// Connects and declares; None if it is to stop meanwhile.
pub async fn connect(env: &Env, name: &str, stop: &mut watch::Receiver<bool>) -> Result<Option<Link>> {
    let connecting = async {
        let link = Link::open(&env.bridge.url, env.bridge.ca_file.as_deref(), name, env.bridge.wait).await?;
        link.declare(&TOPOLOGY).await?;
        Ok(Some(link))
    };
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => Ok(None),
        link = connecting => link,
    }
}

/// One consuming connection's life. `Ok` once it is to stop.
async fn consume(env: &Env, mut stop: watch::Receiver<bool>) -> Result<()> {
    let Some(link) = connect(env, "provost consumer", &mut stop).await? else { return Ok(()) };
    env.state.connected(Side::Consumer);
    tracing::info!(broker = %env.bridge.url, "consuming from the bus");
    let lanes = async {
        tokio::try_join!(lane::run(env, &link, DATA, stop.clone()), lane::run(env, &link, TRAIN, stop.clone()))
    };
    let missing = Notify::new();
    tokio::select! {
        stopped = lanes => { stopped?; }
        fault = upkeep(env, &link, &missing) => return fault,
        fault = rounds(env, &link, &missing) => return fault,
    }
    link.close().await;
    Ok(())
}

/// Sees to it that broker and topology are there. Ends only with a fault.
async fn upkeep(env: &Env, link: &Link, missing: &Notify) -> Result<()> {
    loop {
        tokio::time::sleep(env.bridge.check_every).await;
        if !link.connected() {
            return Err(AmqpError::Lost);
        }
        // Round trips, all of them: a broker that is frozen shows here.
        let mut gone = false;
        for queue in [DATA, TRAIN] {
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

/// Goes through what found no queue: at first, after a queue was missing, and, since a binding may have been, every minute
/// in which more came. Ends only with a fault.
async fn rounds(env: &Env, link: &Link, missing: &Notify) -> Result<()> {
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
