//! A mail that is ready to send: addresses checked, texts rendered, bytes built. The same outbox message always gives
//! the same bytes.

use super::render::{Rendered, render};
use crate::options::Sender;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use lettre::{Address, address::AddressError};
use provost_domain::mail::Mail;
use provost_store::OutboxMessage;

/// Why a message of the outbox cannot become a mail; permanent faults only.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("it is of a kind that this version does not know: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("`{0}` is no address to send to: {1}")]
    Address(String, AddressError),
    #[error("its text cannot be made: {0}")]
    Text(String),
    #[error(transparent)]
    Form(#[from] lettre::error::Error),
}

#[derive(Debug)]
pub struct RenderedMail {
    pub from: Address,
    pub to: Address,
    pub bytes: Vec<u8>,
}

impl RenderedMail {
    pub fn new(sender: &Sender, message: &OutboxMessage) -> Result<Self, RenderError> {
        let mail: Mail = serde_json::from_value(message.payload.clone())?;
        let to: Address = mail.to.parse().map_err(|e| RenderError::Address(mail.to.clone(), e))?;
        let Rendered { subject, text, html } = render(&mail.letter).map_err(|e| RenderError::Text(cause(&e)))?;
        let id = &message.id;
        // Fixed, so that a mail that is sent again is identical.
        let parts = MultiPart::alternative()
            .boundary(format!("=_{id}"))
            .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(text))
            .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(html));
        let bytes = Message::builder()
            .from(sender.mailbox().clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(subject)
            .date(message.at.into())
            .message_id(Some(format!("<{id}@{}>", sender.domain())))
            .header(AutoSubmitted)
            .multipart(parts)?
            .formatted();
        Ok(Self { from: sender.mailbox().email.clone(), to, bytes })
    }

    /// Whether an address needs a server that accepts more than ASCII (SMTPUTF8).
    pub fn is_international(&self) -> bool {
        [&self.from, &self.to].iter().any(|a| !AsRef::<str>::as_ref(a).is_ascii())
    }
}

/// An error with its causes.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |e| e.source());
    sources.fold(error.to_string(), |text, e| format!("{text}: {e}"))
}

/// Prevents automatic replies (RFC 3834).
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
