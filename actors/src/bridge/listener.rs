//! Listens for announcements on a connection of its own. An announcement only says that it is time to look: a worker that
//! hears nothing looks periodically.

use super::amqp::{Link, Result};
use super::topology::{EVENTS, TOPOLOGY};
use crate::options::BridgeOptions;
use crate::retry::{Backoff, stopped_within};
use std::time::Duration;
use tokio::sync::{Notify, watch};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Until `stop`, on the calling thread; connects anew whatever happens.
pub fn run(bridge: &BridgeOptions, key: &str, news: &Notify, mut stop: watch::Receiver<bool>) {
    let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
    while !*stop.borrow() {
        // Dropped with the connection, as the Bridge's are.
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "no runtime to listen with: units of work are looked for without the bus");
                return;
            }
        };
        let heard = runtime.block_on(async {
            let mut stopped = stop.clone();
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => Ok(()),
                heard = hear(bridge, key, news, &mut backoff) => heard,
            }
        });
        if let Err(error) = heard {
            if !backoff.is_failing() {
                tracing::warn!(%error, broker = %bridge.url, "the bus is away: units of work are looked for without it");
            }
            // Real time: it is the broker's that is waited for.
            runtime.block_on(stopped_within(backoff.failed(), &mut stop));
        }
        runtime.shutdown_background();
    }
}

/// Ends only with a fault.
async fn hear(bridge: &BridgeOptions, key: &str, news: &Notify, backoff: &mut Backoff) -> Result<()> {
    let link = Link::open(&bridge.url, bridge.ca_file.as_deref(), "provost worker", bridge.wait).await?;
    link.declare(&TOPOLOGY).await?;
    let mut heard = link.subscribe(EVENTS, key).await?;
    tracing::info!(broker = %bridge.url, "listening for units of work");
    backoff.succeeded();
    loop {
        heard.next().await?;
        news.notify_waiters();
        news.notify_one();
    }
}
