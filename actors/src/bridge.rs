//! The Bridge stands between RabbitMQ and the system: inbound events into the inbox, the outbox onto the bus.

use crate::options::Options;
use crate::supervise::Status;
use actix::{Actor, Context, Handler, MessageResult};
use serde_json::json;
use std::sync::Arc;

/// How to reach the broker, and what may come from it.
#[derive(Debug, Clone)]
pub struct BridgeOptions {}

pub struct Bridge {
    options: Arc<Options>,
}

impl Bridge {
    pub fn new(options: Arc<Options>) -> Self {
        Self { options }
    }
}

impl Actor for Bridge {
    type Context = Context<Self>;
}

impl Handler<Status> for Bridge {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        let health = if self.options.bridge.is_none() { "disabled" } else { "up" };
        MessageResult(json!({ "health": health }))
    }
}
