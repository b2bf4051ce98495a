//! Watch reads new predictions and points, closes windows of them, compares these with the training data of the active
//! model, and reports drift and expected performance.
//!
//! It reconciles: woken by a notification or after a period, it reads its recorded progress and continues from there,
//! so that a lost notification or a crash costs only time. Of several servers that share a store, one watches.

mod announcement;
mod closing;
mod idle_pool;
mod needs;
mod outcomes;
mod plan;
mod reference;
mod rows;
mod watching;
mod window;

use crate::background::WhileReachable;
use crate::loader::Loader;
use crate::options::WatchResources;
use crate::supervise::{Slot, Status};
use actix::{Actor, AsyncContext, Context, Handler, MessageResult};
use serde_json::{Value, json};
use std::sync::Arc;
use watching::Watching;

pub struct Watch {
    watching: Arc<Watching>,
}

impl Watch {
    pub fn new(resources: WatchResources, loader: Slot<Loader>) -> Self {
        Self { watching: Arc::new(Watching::new(resources, loader)) }
    }

    fn status(&self) -> Value {
        if !self.watching.resources.options.enabled {
            return json!({ "health": "disabled" });
        }
        let seen = self.watching.seen();
        json!({
            "health": if seen.error.is_some() { "degraded" } else { "up" },
            "looks": seen.looks,
            "model_id": seen.model,
            "idle": seen.idle,
            "waiting_rows": seen.waiting,
            "windows_closed": seen.closed,
            "alarm": seen.alarm,
            "last_error": seen.error,
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watching.stop();
    }
}

impl Actor for Watch {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        if self.watching.resources.options.enabled {
            context.spawn(WhileReachable::new(self.watching.clone().run()));
        }
    }
}

crate::takes_messages!(Watch);

impl Handler<Status> for Watch {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.status())
    }
}
