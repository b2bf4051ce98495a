//! How long messages wait in an actor's mailbox, and how many do. A message is stamped when it is sent, and the stamp is read
//! when the actor takes it up.

use crate::metrics::{Histogram, Observed};
use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Message};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// In seconds. On a thread that does nothing long a message waits for microseconds.
const BOUNDS: &[f64] = &[0.000_1, 0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// What is known of an actor's mailbox, over all its rebuilds.
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
    /// Of messages that the actor took up.
    pub fn waits(&self) -> Observed {
        self.waits.read()
    }

    /// Messages that were sent and not taken up yet.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A message with the moment when it was sent.
pub struct Stamped<M> {
    message: M,
    stamp: Stamp,
}

impl<M> Stamped<M> {
    pub(crate) fn new(message: M, mailbox: &Arc<Mailbox>) -> Self {
        mailbox.waiting.fetch_add(1, Ordering::Relaxed);
        // Real time: it is the thread's that is waited for.
        Self { message, stamp: Stamp { mailbox: mailbox.clone(), sent: Instant::now() } }
    }

    /// The message, for the handler that takes it up now.
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
    /// Taken up, or lost with the actor that had it.
    fn drop(&mut self) {
        self.mailbox.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<M: Message> Message for Stamped<M> {
    type Result = M::Result;
}

/// A handler's answer to the message that was stamped.
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

/// Lets an actor be asked through its `Slot`: whatever message it handles, it handles with a stamp too.
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
