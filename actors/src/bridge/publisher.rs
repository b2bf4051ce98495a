//! The publishing connection: publishes what the queue consumers move and what the outbox announces.

use super::COMPONENT;
use super::amqp::{AmqpError, Outlet, Result};
use super::connect::connect;
use super::env::BridgeEnv;
use super::publisher_channel::{Batch, PublishQueue};
use super::relay::Relay;
use super::state::Side;
use super::topology::PARKED;
use std::time::Duration;
use tokio::sync::watch;

/// How often the outbox and the connection are checked.
const LOOK: Duration = Duration::from_millis(200);

/// Runs one connection. `Ok` once the bridge stops.
pub async fn session(
    env: &BridgeEnv,
    queued: &mut PublishQueue,
    relay: &mut Relay,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let Some(link) = connect(env, "provost publisher", &mut stop).await? else { return Ok(()) };
    let outlet = link.outlet().await?;
    env.state.connected(Side::Publisher);
    tracing::info!(broker = %env.bridge.url, "publishing to the bus");
    let work = async {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut checked = tokio::time::Instant::now();
        loop {
            tokio::select! {
                biased;
                batch = queued.0.recv() => match batch {
                    Some(batch) => publish(&outlet, batch).await?,
                    None => return Ok::<_, AmqpError>(()),
                },
                _ = look.tick(), if !link.blocked() => {
                    relay.pass(env, &outlet).await?;
                    env.failures.succeeded(COMPONENT, Side::Publisher.task());
                    // A round trip even if there is nothing to publish, which checks the connection.
                    if checked.elapsed() >= env.bridge.check_every {
                        let parked = link.depth(PARKED).await?.map(|depth| u64::from(depth.messages));
                        env.state.metrics().queue_holds(PARKED, parked);
                        checked = tokio::time::Instant::now();
                    }
                }
                // While blocked, nothing is sent, and no query is possible.
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    };
    // Runs beside the work, which waits as long as the broker blocks it.
    let watch = async {
        loop {
            if !link.connected() {
                return Err(AmqpError::Lost);
            }
            env.state.blocked(link.blocked());
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        ended = work => ended?,
        lost = watch => return lost,
    }
    // Publishes the last announcements before the shutdown.
    if !link.blocked() {
        let _ = tokio::time::timeout(env.bridge.wait, relay.pass(env, &outlet)).await;
    }
    link.close().await;
    Ok(())
}

async fn publish(outlet: &Outlet, batch: Batch) -> Result<()> {
    // An error means that nobody waits for the outcome any more; the sender sends the batch again.
    if batch.done.is_closed() {
        return Ok(());
    }
    let outcomes = outlet.publish(&batch.messages).await?;
    let _ = batch.done.send(outcomes);
    Ok(())
}
