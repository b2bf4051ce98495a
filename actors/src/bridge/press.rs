//! The publishing side: one connection that publishes what lanes want moved and what the outbox wants announced.

use super::amqp::{Link, Message, Outlet, Published, Result};
use super::env::Env;
use super::relay::Relay;
use super::session::connect;
use super::state::Side;
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
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut checked = tokio::time::Instant::now();
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            order = orders.0.recv() => match order {
                Some(order) => obey(&link, &outlet, order).await?,
                None => break,
            },
            _ = look.tick() => {
                if !link.connected() {
                    return Err(super::amqp::AmqpError::Lost);
                }
                env.state.blocked(link.blocked());
                if link.blocked() {
                    continue;
                }
                relay.pass(env, &link, &outlet).await?;
                // A round trip, also when there is nothing to say.
                if checked.elapsed() >= env.bridge.check_every {
                    link.depth(super::topology::PARKED).await?;
                    checked = tokio::time::Instant::now();
                }
            }
        }
    }
    // The last announcements of a shutdown.
    let _ = tokio::time::timeout(env.bridge.wait, relay.pass(env, &link, &outlet)).await;
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
