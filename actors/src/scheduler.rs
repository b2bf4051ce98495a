//! The Scheduler knows the retraining schedule and its next slot. Its rules do not act yet: it only tells.

pub mod cron;

use crate::options::Options;
use crate::supervise::Status;
use actix::{Actor, Context, Handler, ResponseActFuture, WrapFuture};
use cron::Cron;
use serde_json::{Value, json};
use std::sync::Arc;

pub struct Scheduler {
    options: Arc<Options>,
}

impl Scheduler {
    pub fn new(options: Arc<Options>) -> Self {
        Self { options }
    }
}

impl Actor for Scheduler {
    type Context = Context<Self>;
}

impl Handler<Status> for Scheduler {
    type Result = ResponseActFuture<Self, Value>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        let options = self.options.clone();
        let status = async move {
            let schedule = match options.store.schedule().await {
                Ok(schedule) => schedule.unwrap_or_default(),
                Err(e) => return json!({ "error": e.to_string() }),
            };
            let enabled = options.schedule_enabled && schedule.enabled;
            match Cron::parse(&schedule.schedule_cron) {
                Ok(cron) => {
                    let next = if enabled { cron.next_after(options.clock.now()) } else { None };
                    json!({ "enabled": enabled, "schedule_cron": schedule.schedule_cron, "next_slot": next })
                }
                Err(e) => {
                    json!({ "enabled": enabled, "schedule_cron": schedule.schedule_cron, "error": e.to_string() })
                }
            }
        };
        Box::pin(status.into_actor(self))
    }
}
