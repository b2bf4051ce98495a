//! Background work of an actor.

use actix::{Actor, ActorFuture, Context};
use std::pin::Pin;
use std::task::Poll;

/// A future of an actor that ends once no address of the actor is left. An endless plain future would keep a stopped
/// actor alive, because a context waits for its futures.
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
        // Dropping the last address wakes the context, and thereby all its futures.
        if context.connected() { self.0.as_mut().poll(task) } else { Poll::Ready(()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::clock::TestClock;
    use crate::supervise::{Phase, RestartBudget, Status, supervise};
    use actix::{AsyncContext, Handler, MessageResult};
    use std::sync::Arc;
    use tokio::sync::watch;

    /// Never ends by itself; the sender is dropped together with this future.
    struct Busy(Option<watch::Sender<()>>);
    impl Actor for Busy {
        type Context = Context<Self>;
        fn started(&mut self, context: &mut Context<Self>) {
            let held = self.0.take();
            context.spawn(WhileReachable::new(async move {
                let _held = held;
                std::future::pending::<()>().await;
            }));
        }
    }

    crate::takes_messages!(Busy);
    impl Handler<Status> for Busy {
        type Result = MessageResult<Status>;
        fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
            MessageResult(serde_json::json!("busy"))
        }
    }

    #[actix_rt::test]
    async fn work_without_an_end_ends_with_its_actor() {
        let (tx, mut working) = watch::channel(());
        let (clock, mut once) = (Arc::new(TestClock::new(Default::default())), Some(tx));
        let slot = supervise("busy", RestartBudget::default(), clock, move || Busy(once.take()));
        assert_eq!(slot.send(Status).await.unwrap(), "busy");
        assert!(working.has_changed().is_ok());
        slot.stop();
        assert!(working.changed().await.is_err(), "the work goes on");
        assert_eq!((slot.phase(), slot.restarts()), (Phase::Stopped, 0));
    }
}
