//! The Notifier sends the mails that wait in the outbox. What is wrong with mail stops nothing but mail.

mod address;
mod carrier;
pub mod letters;
mod parcel;
mod render;
mod session;

pub use address::{MailUrl, Security};
pub use parcel::{Parcel, ParcelError, Sender};
pub use session::ConnectError;

use crate::background::WhileReachable;
use crate::options::Options;
use crate::supervise::Status;
use actix::{Actor, AsyncContext, Context, Handler, MessageResult};
use carrier::{Carrier, Report};
use serde_json::{Value, json};
use session::Session;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How to reach the mail server, and who writes.
#[derive(Debug, Clone)]
pub struct MailOptions {
    pub url: MailUrl,
    pub from: Sender,
    /// How long connecting, or handing over one mail, may take.
    pub timeout: Duration,
    /// Certificates (PEM) to trust besides this machine's own; with it, TLS is used on this machine too.
    pub ca_file: Option<PathBuf>,
    /// A mail that could not be sent for this long is given up.
    pub give_up_after: Duration,
}

impl MailOptions {
    pub fn new(url: MailUrl, from: Sender) -> Self {
        let (timeout, give_up_after) = (Duration::from_secs(30), Duration::from_secs(3 * 86_400));
        Self { url, from, timeout, ca_file: None, give_up_after }
    }

    pub fn security(&self) -> Security {
        self.url.security(self.ca_file.is_some())
    }
}

/// Whether the server would take mail: connects, secures the connection, logs in, and leaves without sending anything.
pub async fn check(mail: &MailOptions) -> Result<(), ConnectError> {
    Session::open(mail).await?.close().await;
    Ok(())
}

pub struct Notifier {
    options: Arc<Options>,
    report: Arc<Mutex<Report>>,
}

impl Notifier {
    pub fn new(options: Arc<Options>) -> Self {
        Self { options, report: Arc::default() }
    }

    fn status(&self) -> Value {
        let Some(mail) = &self.options.mail else { return json!({ "health": "disabled" }) };
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
        if let Some(mail) = self.options.mail.clone() {
            let carrier = Carrier::new(self.options.clone(), mail, self.report.clone());
            context.spawn(WhileReachable::new(carrier.run()));
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
