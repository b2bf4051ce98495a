//! Supervision: a panic is seen, counted and answered by a rebuild from the factory, within a budget.

use actix::{Actor, ActorContext, Context, Handler, Message, MessageResult};
use chrono::DateTime;
use provost_actors::error::Unreachable;
use provost_actors::supervise::{ActorExit, Child, Phase, Status, supervise};
use provost_actors::{RestartBudget, TestClock};
use provost_domain::status::{Exits, Health};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

struct Counter {
    instance: u32,
    count: u32,
}
impl Actor for Counter {
    type Context = Context<Self>;
}

provost_actors::takes_messages!(Counter);
impl Handler<Status> for Counter {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(serde_json::json!({ "instance": self.instance, "count": self.count }))
    }
}

enum Do {
    Count,
    Panic,
    Stop,
}
impl Message for Do {
    type Result = (u32, u32);
}
impl Handler<Do> for Counter {
    type Result = MessageResult<Do>;
    fn handle(&mut self, what: Do, ctx: &mut Context<Self>) -> Self::Result {
        match what {
            Do::Count => self.count += 1,
            Do::Panic => panic!("the count was {}", self.count),
            Do::Stop => ctx.stop(),
        }
        MessageResult((self.instance, self.count))
    }
}

fn budget(restarts: u32) -> RestartBudget {
    RestartBudget {
        restarts,
        within: Duration::from_secs(60),
        backoff: Duration::from_secs(1),
        max_backoff: Duration::from_secs(4),
    }
}

fn counters() -> impl FnMut() -> Counter {
    let instances = Rc::new(Cell::new(0));
    move || {
        instances.set(instances.get() + 1);
        Counter { instance: instances.get(), count: 0 }
    }
}

#[actix_rt::test]
async fn a_panic_is_answered_by_fresh_state_after_a_back_off() {
    let clock = TestClock::new(DateTime::UNIX_EPOCH);
    let mut sleeps = clock.sleeps();
    let slot = supervise("counter", budget(3), Arc::new(clock.clone()), counters());
    assert_eq!(slot.send(Do::Count).await, Ok((1, 1)));
    assert_eq!(slot.send(Do::Panic).await, Err(Unreachable::Restarted("counter".to_owned())));
    sleeps.wait_for(|n| *n == 1).await.unwrap();
    let status = slot.status().await;
    assert_eq!(status.health, Health::Degraded);
    assert_eq!(status.last_error.as_deref(), Some("the count was 1"));
    // A message that comes during the back-off waits for the rebuild.
    let waiting = {
        let slot = slot.clone();
        actix_rt::spawn(async move { slot.send(Do::Count).await })
    };
    actix_rt::task::yield_now().await;
    assert!(!waiting.is_finished());
    clock.advance(Duration::from_secs(1));
    assert_eq!(waiting.await.unwrap(), Ok((2, 1)));
    let status = slot.status().await;
    assert_eq!((status.health, status.restarts), (Health::Up, 1));
    assert_eq!(status.state["instance"], 2);
}

#[actix_rt::test]
async fn beyond_the_budget_the_actor_is_down_and_callers_are_told() {
    let clock = TestClock::new(DateTime::UNIX_EPOCH);
    let mut sleeps = clock.sleeps();
    let slot = supervise("counter", budget(2), Arc::new(clock.clone()), counters());
    for restart in 1..=2u64 {
        assert!(slot.send(Do::Panic).await.is_err());
        sleeps.wait_for(|n| *n == restart).await.unwrap();
        clock.advance(Duration::from_secs(restart));
        slot.reached(Phase::Up).await;
    }
    assert!(slot.send(Do::Panic).await.is_err());
    slot.reached(Phase::Down).await;
    assert_eq!(slot.send(Do::Count).await, Err(Unreachable::Down("counter".to_owned())));
    let status = slot.status().await;
    assert_eq!((status.health, status.restarts), (Health::Down, 2));
    assert_eq!(status.exits, Exits { panicked: 3, ..Exits::default() });
}

#[actix_rt::test]
async fn old_restarts_do_not_count() {
    let clock = TestClock::new(DateTime::UNIX_EPOCH);
    let mut sleeps = clock.sleeps();
    let slot = supervise("counter", budget(1), Arc::new(clock.clone()), counters());
    for restart in 1..=3u64 {
        assert!(slot.send(Do::Panic).await.is_err());
        sleeps.wait_for(|n| *n == restart).await.unwrap();
        // Each panic is more than the budget's span after the last.
        clock.advance(Duration::from_secs(61));
        slot.reached(Phase::Up).await;
    }
    assert_eq!(slot.send(Do::Count).await, Ok((4, 1)));
}

#[actix_rt::test]
async fn an_actor_that_stops_by_itself_is_rebuilt_and_a_stopped_one_is_not() {
    let clock = TestClock::new(DateTime::UNIX_EPOCH);
    let mut sleeps = clock.sleeps();
    let slot = supervise("counter", budget(3), Arc::new(clock.clone()), counters());
    slot.send(Do::Stop).await.unwrap();
    sleeps.wait_for(|n| *n == 1).await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(slot.send(Do::Count).await, Ok((2, 1)));
    assert_eq!(slot.exits(), Exits { stopped: 1, ..Exits::default() });
    slot.stop();
    assert_eq!(slot.send(Do::Count).await, Err(Unreachable::Down("counter".to_owned())));
    assert_eq!(slot.restarts(), 1);
}

#[actix_rt::test]
async fn a_factory_that_panics_uses_the_budget_up() {
    let clock = TestClock::new(DateTime::UNIX_EPOCH);
    let slot = supervise("broken", budget(0), Arc::new(clock), || -> Counter { panic!("no parts") });
    slot.reached(Phase::Down).await;
    assert_eq!(slot.last_exit(), Some(ActorExit::Failed("no parts".to_owned())));
}
