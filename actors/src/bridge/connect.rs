//! Connects to the broker and declares the topology.

use super::amqp::{Link, Result};
use super::env::BridgeEnv;
use super::topology::TOPOLOGY;
use tokio::sync::watch;

/// Connects and declares; None if it is to stop meanwhile.
pub async fn connect(env: &BridgeEnv, name: &str, stop: &mut watch::Receiver<bool>) -> Result<Option<Link>> {
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
