//! The Notifier sends the mails that wait in the outbox.

use crate::options::Options;
use crate::supervise::Status;
use actix::{Actor, Context, Handler, MessageResult};
use serde_json::json;
use std::sync::Arc;

/// How to reach the mail server, and who writes.
#[derive(Debug, Clone)]
pub struct MailOptions {}

pub struct Notifier {
    options: Arc<Options>,
}

impl Notifier {
    pub fn new(options: Arc<Options>) -> Self {
        Self { options }
    }
}

impl Actor for Notifier {
    type Context = Context<Self>;
}

impl Handler<Status> for Notifier {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        let health = if self.options.mail.is_none() { "disabled" } else { "up" };
        MessageResult(json!({ "health": health }))
    }
}
