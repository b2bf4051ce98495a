//! Connections and their ends: each side has a thread that connects, works until something goes wrong, and connects anew,
//! for ever.

use super::env::BridgeEnv;
use super::publisher_channel::PublishQueue;
use super::relay::Relay;
use super::state::Side;
use super::{COMPONENT, consumer, publisher};
use crate::failures::Kind;
use crate::retry::{Backoff, stopped_within};
use provost_domain::rng::SplitMix64;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Wait before the first reconnection; doubles to the cap.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// A connection that held this long starts the waits anew.
const HELD: Duration = Duration::from_secs(30);

/// Runs one side until `stop`, on the calling thread. Every connection has a runtime of its own, dropped with it: that is
/// what ends lapin's threads when a broker is mute, which its own time-outs do not.
pub fn run(
    side: Side,
    env: &BridgeEnv,
    mut queued: Option<PublishQueue>,
    stop: &watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut random = SplitMix64::keyed(u64::from(std::process::id()), &[side as u64]);
    let mut relay = Relay::new(env.leases.clone());
    let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
    while !*stop.borrow() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let began = Instant::now();
        let outcome = runtime.block_on(async {
            match (side, &mut queued) {
                (Side::Publisher, Some(queued)) => {
                    let ended = publisher::session(env, queued, &mut relay, stop.clone()).await;
                    if ended.is_ok() {
                        relay.leave().await;
                    }
                    ended
                }
                _ => consumer::session(env, stop.clone()).await,
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
        if began.elapsed() > HELD {
            backoff.succeeded();
        }
        // Half to all of it, so that the clients of a broker that returns do not come at the same moment.
        let pause = backoff.failed().mul_f64(0.5 + random.unit() / 2.0);
        // Without the address: the status is shown to viewers.
        let text = format!("the bus is away: {error}");
        env.failures.failed(COMPONENT, side.task(), Kind::Outage, &text);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        // Real time: it is the broker's that is waited for.
        runtime.block_on(stopped_within(pause, &mut stop.clone()));
    }
    Ok(())
}
