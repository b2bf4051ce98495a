//! The ends of an actor's instance.

use crate::panics::panic_text;
use provost_domain::status::Exits;
use std::fmt;
use tokio::task::JoinError;

/// How one instance of an actor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorExit {
    /// A handler, or work that the actor's context runs, panicked with this text.
    Panicked(String),
    /// The factory panicked with this text: there was no instance.
    Failed(String),
    /// The instance stopped itself, or its slot was told to stop.
    Stopped,
    /// The task of the instance was cancelled.
    Killed,
}

impl ActorExit {
    /// The exit of a context's task that was awaited.
    pub(super) fn of(ended: Result<(), JoinError>) -> Self {
        match ended {
            Ok(()) => ActorExit::Stopped,
            Err(e) if e.is_panic() => ActorExit::Panicked(panic_text(&*e.into_panic())),
            Err(_) => ActorExit::Killed,
        }
    }

    /// Counts this exit.
    pub(super) fn count(&self, exits: &mut Exits) {
        let count = match self {
            ActorExit::Panicked(_) => &mut exits.panicked,
            ActorExit::Failed(_) => &mut exits.failed,
            ActorExit::Stopped => &mut exits.stopped,
            ActorExit::Killed => &mut exits.killed,
        };
        *count += 1;
    }
}

impl fmt::Display for ActorExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActorExit::Panicked(text) => f.write_str(text),
            ActorExit::Failed(text) => write!(f, "its factory panicked: {text}"),
            ActorExit::Stopped => f.write_str("it stopped by itself"),
            ActorExit::Killed => f.write_str("its task was cancelled"),
        }
    }
}
