//! The publishing side: one connection that publishes what lanes want moved and what the outbox wants announced.

use super::COMPONENT;
use super::amqp::{AmqpError, Link, Message, Outlet, Published, Result};
use super::env::Env;
use super::relay::Relay;
use super::session::connect;
use super::state::Side;
use super::topology::PARKED;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Orders that may wait; who gives more waits itself.
const ORDERS: usize = 16;

struct Order {
    messages: Vec<Arc<Message>>,
    done: oneshot::Sender<Vec<Published>>,
}

/// The way to the publisher, from any thread.
#[derive(Clone)]
pub struct Press(mpsc::Sender<Order>);

/// Its other end.
pub struct Orders(mpsc::Receiver<Order>);

pub fn press() -> (Press, Orders) {
    let (orders, queue) = mpsc::channel(ORDERS);
    (Press(orders), Orders(queue))
}

impl Press {
    /// Publishes with confirms. None: not within this time, and then what was published is not known.
    pub async fn publish(&self, messages: Vec<Arc<Message>>, wait: Duration) -> Option<Vec<Published>> {
        let asked = async {
            let (done, outcome) = oneshot::channel();
            self.0.send(Order { messages, done }).await.ok()?;
            outcome.await.ok()
        };
        tokio::time::timeout(wait, asked).await.ok().flatten()
    }
}

/// How often the outbox and the connection are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// One connection's life. `Ok` once it is to stop.
pub async fn session(env: &Env, orders: &mut Orders, relay: &mut Relay, mut stop: watch::Receiver<bool>) -> Result<()> {
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
                order = orders.0.recv() => match order {
                    Some(order) => obey(&link, &outlet, order).await?,
                    None => return Ok::<_, AmqpError>(()),
                },
                _ = look.tick(), if !link.blocked() => {
                    relay.pass(env, &link, &outlet).await?;
                    env.failures.succeeded(COMPONENT, Side::Publisher.task());
                    // A round trip, also when there is nothing to say.
                    if checked.elapsed() >= env.bridge.check_every {
                        let parked = link.depth(PARKED).await?.map(|depth| u64::from(depth.messages));
                        env.state.metrics().queue_holds(PARKED, parked);
                        checked = tokio::time::Instant::now();
                    }
                }
                // Blocked: nothing is sent, and nothing can be asked.
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    };
    // Beside the work, which waits as long as the broker holds it back.
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
    // The last announcements of a shutdown.
    if !link.blocked() {
        let _ = tokio::time::timeout(env.bridge.wait, relay.pass(env, &link, &outlet)).await;
    }
    link.close().await;
    Ok(())
}

async fn obey(link: &Link, outlet: &Outlet, order: Order) -> Result<()> {
    // Nobody waits any more: it is asked for again, or comes again.
    if order.done.is_closed() {
        return Ok(());
    }
    let outcomes = outlet.publish(link, &order.messages).await?;
    let _ = order.done.send(outcomes);
    Ok(())
}
