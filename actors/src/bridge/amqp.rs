//! AMQP 0-9-1, as much of it as the bridge needs. The only place that knows lapin.
//!
//! lapin's automatic recovery is not used: whatever goes wrong on a connection ends it, and its owner makes a new one.

mod address;
mod intake;
mod link;
mod message;
mod outlet;

pub use address::Address;
pub use intake::{Acker, Intake, Received};
pub use link::{Depth, Link, Reader};
pub use message::Message;
pub use outlet::{Outlet, Published};

use lapin::ErrorKind;
use std::time::Duration;

/// Why the broker could not be talked to. Says nothing of credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmqpError {
    #[error("the broker did not answer within {0:?} ({1})")]
    Mute(Duration, &'static str),
    /// It was told to stop delivering: the queue was deleted, or its leader is gone.
    #[error("the broker cancelled the consumer of {0}")]
    Cancelled(String),
    #[error("the connection is lost")]
    Lost,
    #[error("{0}")]
    Protocol(String),
    #[error("cannot read {0}")]
    File(String),
}

impl From<lapin::Error> for AmqpError {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::IOError(e) => AmqpError::Protocol(format!("connection: {e}")),
            _ => AmqpError::Protocol(error.to_string()),
        }
    }
}

pub type Result<T> = std::result::Result<T, AmqpError>;

/// Every answer of the broker is waited for, and none for ever. Real time: the broker's clock cannot be moved by a test.
async fn within<T>(wait: Duration, what: &'static str, answer: impl Future<Output = lapin::Result<T>>) -> Result<T> {
    match tokio::time::timeout(wait, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(AmqpError::Mute(wait, what)),
    }
}
