//! Work that goes on as long as its actor is there.

use actix::{Actor, ActorFuture, Context};
use std::pin::Pin;
use std::task::Poll;

/// A future of an actor that ends once nobody can reach the actor any more. A plain one without an end would keep a stopped
/// actor alive, since a context waits for its futures.
pub struct WhileReachable(Pin<Box<dyn Future<Output = ()>>>);

impl WhileReachable {
    pub fn new(work: impl Future<Output = ()> + 'static) -> Self {
        Self(Box::pin(work))
    }
}

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for WhileReachable {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        _: &mut A,
        context: &mut Context<A>,
        task: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        // The last address that goes wakes the context, and with it all of its futures.
        if context.connected() { self.0.as_mut().poll(task) } else { Poll::Ready(()) }
    }
}
