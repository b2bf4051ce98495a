//! A mail ready to be handed over: addresses checked, texts rendered, bytes made. The same outbox message always makes the
//! same bytes.

use super::render::{Rendered, render};
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use lettre::{Address, address::AddressError};
use provost_domain::mail::Mail;
use provost_domain::visible;
use provost_store::OutboxMessage;
use std::fmt;

/// Why a message of the outbox is no mail: nothing that passes with time.
#[derive(Debug, thiserror::Error)]
pub enum ParcelError {
    #[error("it is of a kind that this version does not know: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("`{0}` is no address to send to: {1}")]
    Address(String, AddressError),
    #[error("its text cannot be made: {0}")]
    Text(String),
    #[error(transparent)]
    Form(#[from] lettre::error::Error),
}

/// Who writes: `Provost <provost@example.org>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sender(Mailbox);

impl Sender {
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|m: &Mailbox| visible::is_plain(&m.to_string())).map(Self)
    }

    pub fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug)]
pub struct Parcel {
    pub from: Address,
    pub to: Address,
    pub bytes: Vec<u8>,
}

impl Parcel {
    pub fn new(sender: &Sender, message: &OutboxMessage) -> Result<Self, ParcelError> {
        let mail: Mail = serde_json::from_value(message.payload.clone())?;
        let to: Address = mail.to.parse().map_err(|e| ParcelError::Address(mail.to.clone(), e))?;
        let Rendered { subject, text, html } = render(&mail.letter).map_err(|e| ParcelError::Text(cause(&e)))?;
        let id = &message.id;
        // Fixed, so that a mail that is sent again is the same one.
        let parts = MultiPart::alternative()
            .boundary(format!("=_{id}"))
            .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(text))
            .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(html));
        let bytes = Message::builder()
            .from(sender.0.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(subject)
            .date(message.at.into())
            .message_id(Some(format!("<{id}@{}>", sender.domain())))
            .header(AutoSubmitted)
            .multipart(parts)?
            .formatted();
        Ok(Self { from: sender.0.email.clone(), to, bytes })
    }

    /// Whether an address needs a server that takes more than ASCII.
    pub fn is_international(&self) -> bool {
        [&self.from, &self.to].iter().any(|a| !AsRef::<str>::as_ref(a).is_ascii())
    }
}

/// An error with what it came from.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |e| e.source());
    sources.fold(error.to_string(), |text, e| format!("{text}: {e}"))
}

/// Keeps absence notes from being sent in answer (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }
    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
