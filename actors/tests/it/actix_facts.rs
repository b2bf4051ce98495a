//! What the design leans on in actix 0.13: an upgrade that changes one of these facts shall not go unseen.

use actix::{
    Actor, Addr, AsyncContext, AtomicResponse, Context, Handler, MailboxError, Message, ResponseActFuture,
    ResponseFuture, WrapFuture,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::oneshot;

#[derive(Default, Clone)]
struct Log(Arc<std::sync::Mutex<Vec<u32>>>);
impl Log {
    fn push(&self, n: u32) {
        self.0.lock().unwrap().push(n);
    }
    fn all(&self) -> Vec<u32> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Default)]
struct Probe {
    log: Log,
}
impl Actor for Probe {
    type Context = Context<Self>;
}

struct Panic;
impl Message for Panic {
    type Result = ();
}
impl Handler<Panic> for Probe {
    type Result = ();
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("on purpose");
    }
}

struct Note(u32);
impl Message for Note {
    type Result = u32;
}
impl Handler<Note> for Probe {
    type Result = u32;
    fn handle(&mut self, Note(n): Note, _: &mut Context<Self>) -> u32 {
        self.log.push(n);
        n
    }
}

/// Notes `.0` by way of `ctx.notify`.
struct NotifyNote(u32);
impl Message for NotifyNote {
    type Result = ();
}
impl Handler<NotifyNote> for Probe {
    type Result = ();
    fn handle(&mut self, NotifyNote(n): NotifyNote, ctx: &mut Context<Self>) {
        ctx.notify(Note(n));
    }
}

/// Notes `.0` once `.1` resolves.
struct Later(u32, oneshot::Receiver<()>);
impl Message for Later {
    type Result = ();
}
impl Handler<Later> for Probe {
    type Result = ResponseFuture<()>;
    fn handle(&mut self, Later(n, when): Later, _: &mut Context<Self>) -> Self::Result {
        let log = self.log.clone();
        Box::pin(async move {
            let _ = when.await;
            log.push(n);
        })
    }
}

/// As `Later`, but nothing else is handled meanwhile.
struct Alone(u32, oneshot::Receiver<()>);
impl Message for Alone {
    type Result = ();
}
impl Handler<Alone> for Probe {
    type Result = AtomicResponse<Self, ()>;
    fn handle(&mut self, Alone(n, when): Alone, _: &mut Context<Self>) -> Self::Result {
        let log = self.log.clone();
        AtomicResponse::new(Box::pin(
            async move {
                let _ = when.await;
                log.push(n);
            }
            .into_actor(self),
        ))
    }
}

/// As `Later`, in a future of the actor.
struct Within(u32, oneshot::Receiver<()>);
impl Message for Within {
    type Result = ();
}
impl Handler<Within> for Probe {
    type Result = ResponseActFuture<Self, ()>;
    fn handle(&mut self, Within(n, when): Within, _: &mut Context<Self>) -> Self::Result {
        let log = self.log.clone();
        let later = async move {
            let _ = when.await;
            log.push(n);
        };
        Box::pin(later.into_actor(self))
    }
}

struct PanicWithin;
impl Message for PanicWithin {
    type Result = ();
}
impl Handler<PanicWithin> for Probe {
    type Result = ResponseActFuture<Self, ()>;
    fn handle(&mut self, _: PanicWithin, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async { panic!("on purpose") }.into_actor(self))
    }
}

struct PanicBeside;
impl Message for PanicBeside {
    type Result = ();
}
impl Handler<PanicBeside> for Probe {
    type Result = ResponseFuture<()>;
    fn handle(&mut self, _: PanicBeside, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async { panic!("on purpose") })
    }
}

fn probe() -> (Addr<Probe>, Log) {
    let log = Log::default();
    (Probe { log: log.clone() }.start(), log)
}

#[actix_rt::test]
async fn a_panic_closes_the_mailbox_and_siblings_live_on() {
    let ((dead, log), (sibling, _)) = (probe(), probe());
    assert_eq!(dead.send(Panic).await, Err(MailboxError::Closed));
    assert_eq!(dead.send(Note(1)).await, Err(MailboxError::Closed));
    assert!(!dead.connected());
    // Dropped without a word.
    dead.do_send(Note(2));
    assert_eq!(sibling.send(Note(3)).await, Ok(3));
    assert!(log.all().is_empty());
}

#[actix_rt::test]
async fn a_context_can_be_awaited_as_a_task_whose_panic_is_seen() {
    let context = Context::new();
    let addr = context.address();
    let task = actix_rt::spawn(context.into_future(Probe::default()));
    addr.do_send(Panic);
    let error = task.await.unwrap_err();
    assert!(error.is_panic());
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "on purpose");
}

#[actix_rt::test]
async fn a_response_future_outlives_its_actor_and_an_actor_future_does_not() {
    let (addr, log) = probe();
    let (go_on, when) = oneshot::channel();
    let waiting = addr.send(Later(1, when));
    addr.do_send(Panic);
    go_on.send(()).unwrap();
    assert_eq!(waiting.await, Ok(()));
    assert_eq!(log.all(), [1]);

    let (addr, log) = probe();
    let (_keep, when) = oneshot::channel();
    let waiting = addr.send(Within(1, when));
    addr.do_send(Panic);
    assert_eq!(waiting.await, Err(MailboxError::Closed));
    assert!(log.all().is_empty());
}

#[actix_rt::test]
async fn a_panic_in_an_actor_future_closes_the_mailbox_and_one_in_a_response_future_goes_unseen() {
    let (addr, _) = probe();
    assert_eq!(addr.send(PanicBeside).await, Err(MailboxError::Closed));
    assert_eq!(addr.send(Note(1)).await, Ok(1));
    assert_eq!(addr.send(PanicWithin).await, Err(MailboxError::Closed));
    assert_eq!(addr.send(Note(2)).await, Err(MailboxError::Closed));
}

#[actix_rt::test]
async fn a_mailbox_is_first_in_first_out_but_notify_comes_later() {
    let (addr, log) = probe();
    addr.do_send(NotifyNote(1));
    addr.do_send(Note(2));
    addr.send(Note(3)).await.unwrap();
    addr.send(Note(4)).await.unwrap();
    assert_eq!(log.all().iter().position(|n| *n == 2), Some(0), "{:?}", log.all());
    assert!(log.all().contains(&1));
}

#[actix_rt::test]
async fn async_handlers_interleave_unless_they_are_atomic() {
    let (addr, log) = probe();
    let (first, when) = oneshot::channel();
    let waiting = actix_rt::spawn(addr.send(Later(1, when)));
    addr.send(Note(2)).await.unwrap();
    first.send(()).unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(log.all(), [2, 1]);

    let (addr, log) = probe();
    let (first, when) = oneshot::channel();
    let (waiting, second) = (actix_rt::spawn(addr.send(Alone(1, when))), actix_rt::spawn(addr.send(Note(2))));
    actix_rt::task::yield_now().await;
    first.send(()).unwrap();
    waiting.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(log.all(), [1, 2]);
}

#[actix_rt::test]
async fn do_send_ignores_the_mailbox_bound() {
    let (addr, log) = probe();
    for n in 0..200 {
        addr.do_send(Note(n));
    }
    addr.send(Note(200)).await.unwrap();
    assert_eq!(log.all().len(), 201);
}

#[actix_rt::test]
async fn the_mailbox_drains_without_yielding_to_other_tasks() {
    let (addr, log) = probe();
    addr.send(Note(0)).await.unwrap();
    let seen = Arc::new(AtomicU32::new(0));
    for n in 1..=500 {
        addr.do_send(Note(n));
    }
    let (handled, at) = (log.clone(), seen.clone());
    // Queued behind the actor's task: it runs only once the whole mailbox is empty.
    let other = actix_rt::spawn(async move { at.store(handled.all().len() as u32, Ordering::SeqCst) });
    other.await.unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 501);
}

#[actix_rt::test]
async fn a_dropped_request_does_not_take_the_message_back() {
    let (addr, log) = probe();
    let (first, when) = oneshot::channel();
    let mut request = Box::pin(addr.send(Later(1, when)));
    assert!(futures_util::poll!(&mut request).is_pending());
    addr.send(Note(2)).await.unwrap();
    drop(request);
    first.send(()).unwrap();
    addr.send(Note(3)).await.unwrap();
    actix_rt::task::yield_now().await;
    assert!(log.all().contains(&1), "{:?}", log.all());
}
