//! Measures how many messages wait in an actor's mailbox, and how long. A message is stamped when it is sent, and the
//! stamp is read when the actor handles the message.

use crate::metrics::{Histogram, Observed};
use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Message};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// In seconds. A message waits for microseconds unless the thread is busy.
const BOUNDS: &[f64] = &[0.000_1, 0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// The figures of an actor's mailbox, over all its rebuilds.
#[derive(Debug)]
pub struct Mailbox {
    waits: Histogram,
    waiting: AtomicU64,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self { waits: Histogram::new(BOUNDS), waiting: AtomicU64::new(0) }
    }
}

impl Mailbox {
    /// The waiting times of messages that the actor handled.
    pub fn waits(&self) -> Observed {
        self.waits.read()
    }

    /// Messages that were sent and not handled yet.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A message with the time at which it was sent.
pub struct Stamped<M> {
    message: M,
    stamp: Stamp,
}

impl<M> Stamped<M> {
    pub(crate) fn new(message: M, mailbox: &Arc<Mailbox>) -> Self {
        mailbox.waiting.fetch_add(1, Ordering::Relaxed);
        // Real time, because the wait is for the thread.
        Self { message, stamp: Stamp { mailbox: mailbox.clone(), sent: Instant::now() } }
    }

    /// Returns the message to the handler, and records the wait.
    pub fn taken_up(self) -> M {
        self.stamp.mailbox.waits.observe(self.stamp.sent.elapsed());
        self.message
    }
}

struct Stamp {
    mailbox: Arc<Mailbox>,
    sent: Instant,
}

impl Drop for Stamp {
    /// The message was handled, or lost with its actor.
    fn drop(&mut self) {
        self.mailbox.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<M: Message> Message for Stamped<M> {
    type Result = M::Result;
}

/// The answer of a handler to a stamped message.
pub struct Answer<R>(pub R);

impl<A, M, R> MessageResponse<A, Stamped<M>> for Answer<R>
where
    A: Actor,
    M: Message,
    R: MessageResponse<A, M>,
{
    fn handle(self, context: &mut A::Context, answer: Option<OneshotSender<M::Result>>) {
        self.0.handle(context, answer);
    }
}

/// Makes an actor reachable through its `Slot`: it handles every message also in its stamped form.
#[macro_export]
macro_rules! takes_messages {
    ($actor:ty) => {
        impl<M> ::actix::Handler<$crate::mailbox::Stamped<M>> for $actor
        where
            M: ::actix::Message,
            Self: ::actix::Handler<M>,
        {
            type Result = $crate::mailbox::Answer<<Self as ::actix::Handler<M>>::Result>;
            fn handle(
                &mut self,
                stamped: $crate::mailbox::Stamped<M>,
                context: &mut <Self as ::actix::Actor>::Context,
            ) -> Self::Result {
                $crate::mailbox::Answer(<Self as ::actix::Handler<M>>::handle(self, stamped.taken_up(), context))
            }
        }
    };
}
