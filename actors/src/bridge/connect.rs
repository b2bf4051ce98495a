//! Connects to the broker and declares the topology.

use super::amqp::{Link, Result};
use super::env::BridgeEnv;
use super::topology::TOPOLOGY;
use std::time::Duration;
use tokio::sync::watch;

/// How long an attempt may take to end once the bridge stops.
const LAST_ATTEMPT: Duration = Duration::from_millis(500);

/// Connects and declares the topology; None if the bridge stops meanwhile.
pub async fn connect(env: &BridgeEnv, name: &str, stop: &mut watch::Receiver<bool>) -> Result<Option<Link>> {
    let connecting = async {
        let link = Link::open(&env.bridge.url, env.bridge.ca_file.as_deref(), name, env.bridge.wait).await?;
        link.declare(&TOPOLOGY).await?;
        Ok(Some(link))
    };
    tokio::pin!(connecting);
    tokio::select! {
        link = &mut connecting => link,
        _ = stop.wait_for(|stop| *stop) => {
            // Waits, because lapin's thread panics if the runtime ends while a connection is being opened.
            let _ = tokio::time::timeout(LAST_ATTEMPT, connecting).await;
            Ok(None)
        }
    }
}
