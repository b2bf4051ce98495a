//! The part of AMQP 0-9-1 that the bridge needs. Only this module uses lapin.
//!
//! lapin's automatic recovery is not used: any fault of a connection ends it, and its owner opens a new one.

mod intake;
mod link;
mod message;
mod outlet;

pub use intake::{Acker, Intake, Received};
pub use link::{Depth, Link, Reader};
pub use message::Message;
pub use outlet::{Outlet, Published};

use lapin::ErrorKind;
use provost_domain::address::why_unreachable;
use std::time::Duration;

/// Why communication with the broker failed. Never contains credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmqpError {
    #[error("the broker did not answer within {0:?} ({1})")]
    Mute(Duration, &'static str),
    /// The broker cancelled the consumer: the queue was deleted, or its leader is gone.
    #[error("the broker cancelled the consumer of {0}")]
    Cancelled(String),
    #[error("the connection is lost")]
    Lost,
    /// The broker cannot be reached.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(&'static str),
    /// The broker refused a request with this AMQP code.
    #[error("the broker answered {} ({code})", name(*.code))]
    Refused { code: u16 },
    /// The broker refused to declare or use a queue or exchange of this name, with this code.
    #[error("the broker answered {} ({code}) about {about}", name(*.code))]
    RefusedAbout { code: u16, about: String },
    #[error("{0}")]
    Protocol(&'static str),
    #[error("cannot read {0}")]
    File(String),
}

/// The login was refused, or a permission is missing.
pub const ACCESS_REFUSED: u16 = 403;
/// A queue or exchange exists with other arguments or of another type.
pub const PRECONDITION_FAILED: u16 = 406;
/// When a connection is opened: there is no such virtual host, or the user may not access it.
pub const NOT_ALLOWED: u16 = 530;

/// Describes an AMQP code.
fn name(code: u16) -> &'static str {
    match code {
        311 => "CONTENT_TOO_LARGE",
        320 => "CONNECTION_FORCED: it closes the connection",
        402 => "INVALID_PATH: it knows no such virtual host",
        ACCESS_REFUSED => "ACCESS_REFUSED: user, password or the user's rights do not suffice",
        404 => "NOT_FOUND: it has no such queue or exchange",
        405 => "RESOURCE_LOCKED: another connection has the queue for itself",
        PRECONDITION_FAILED => "PRECONDITION_FAILED: it is there with other arguments, or was settled before",
        501 => "FRAME_ERROR",
        502 => "SYNTAX_ERROR",
        503 => "COMMAND_INVALID",
        504 => "CHANNEL_ERROR",
        505 => "UNEXPECTED_FRAME",
        506 => "RESOURCE_ERROR: it lacks memory, disk space or file handles",
        NOT_ALLOWED => "NOT_ALLOWED: it has no such virtual host, or the user may not enter it",
        540 => "NOT_IMPLEMENTED",
        541 => "INTERNAL_ERROR",
        _ => "an error",
    }
}

impl AmqpError {
    /// Adds the name of the queue or exchange.
    fn about(self, what: &str) -> Self {
        match self {
            AmqpError::Refused { code } => AmqpError::RefusedAbout { code, about: what.to_owned() },
            other => other,
        }
    }

    /// The AMQP code of a refusal.
    pub fn code(&self) -> Option<u16> {
        match self {
            AmqpError::Refused { code } | AmqpError::RefusedAbout { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// The texts are our own: the broker's and the driver's may name host, user and virtual host, and clients see these
/// texts.
impl From<lapin::Error> for AmqpError {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::IOError(e) | ErrorKind::RuntimeShutdownError(e) => {
                AmqpError::Unreachable(why_unreachable(&e.to_string()))
            }
            ErrorKind::ProtocolError(e) => AmqpError::Refused { code: e.get_id() },
            ErrorKind::MissingHeartbeatError => AmqpError::Protocol("the broker's heartbeat is missing"),
            ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => AmqpError::Lost,
            ErrorKind::AuthProviderError(_) => AmqpError::Protocol("the credentials cannot be used"),
            ErrorKind::InvalidProtocolVersion(_) => AmqpError::Protocol("the broker does not speak AMQP 0-9-1"),
            ErrorKind::ParsingError(_) => AmqpError::Protocol("the broker's answer is not AMQP"),
            _ => AmqpError::Protocol("the connection to the broker failed"),
        }
    }
}

pub type Result<T> = std::result::Result<T, AmqpError>;

/// Waits for an answer of the broker, but not for ever. Uses real time, because a test cannot move the broker's clock.
async fn within<T>(wait: Duration, what: &'static str, answer: impl Future<Output = lapin::Result<T>>) -> Result<T> {
    match tokio::time::timeout(wait, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(AmqpError::Mute(wait, what)),
    }
}
