//! The Notifier sends the mails in the outbox. A fault of mail affects nothing but mail.

mod delivery;
mod entities;
mod letter_view;
pub mod mail_content;
mod render;
mod rendered_mail;
mod session;

pub use rendered_mail::{RenderError, RenderedMail};
pub use session::ConnectError;

use crate::background::WhileReachable;
use crate::options::{MailOptions, NotifierResources};
use crate::supervise::Status;
use actix::{Actor, AsyncContext, Context, Handler, MessageResult};
use delivery::{Delivery, Report};
use serde_json::{Value, json};
use session::Session;
use std::sync::{Arc, Mutex, PoisonError};

/// Checks whether the server would accept mail: connects, secures the connection, logs in, and disconnects without
/// sending.
pub async fn check(mail: &MailOptions) -> Result<(), ConnectError> {
    Session::open(mail).await?.close().await;
    Ok(())
}

pub struct Notifier {
    resources: Arc<NotifierResources>,
    report: Arc<Mutex<Report>>,
}

impl Notifier {
    pub fn new(resources: Arc<NotifierResources>) -> Self {
        Self { resources, report: Arc::default() }
    }

    fn status(&self) -> Value {
        let Some(mail) = &self.resources.mail else { return json!({ "health": "disabled" }) };
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        json!({
            "health": if report.failing { "degraded" } else { "up" },
            "server": mail.url.to_string(),
            "security": mail.security().to_string(),
            "from": mail.from.to_string(),
            "pending": report.pending,
            "sent": report.sent,
            "dropped": report.dropped,
            "last_error": report.last_error,
            "next_try": report.next_try,
        })
    }
}

impl Actor for Notifier {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        if let Some(mail) = self.resources.mail.clone() {
            let delivery = Delivery::new(self.resources.clone(), mail, self.report.clone());
            context.spawn(WhileReachable::new(delivery.run()));
        }
    }
}

crate::takes_messages!(Notifier);

impl Handler<Status> for Notifier {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.status())
    }
}
