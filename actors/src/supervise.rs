//! Supervision: an actor's context runs as a task whose join handle is awaited, so that a panic is seen, its text kept, and
//! the actor built anew from a factory. Restarts are budgeted and backed off; beyond the budget the actor is down.
//!
//! An address changes with every rebuild, so nobody keeps one: a `Slot` is asked for it each time.

mod exit;

pub use exit::ActorExit;

use crate::clock::Clock;
use crate::error::Unreachable;
use crate::mailbox::{Mailbox, Stamped};
use crate::panics::{self, Owner, Panics, panic_text};
use crate::retry::Backoff;
use actix::dev::ToEnvelope;
use actix::{Actor, Addr, AsyncContext, Context, Handler, MailboxError, Message};
use provost_domain::status::{ComponentStatus, Exits, Health};
use serde_json::Value;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How often an actor may be rebuilt before it is given up.
#[derive(Debug, Clone, PartialEq)]
pub struct RestartBudget {
    /// Restarts allowed within `within`.
    pub restarts: u32,
    pub within: Duration,
    /// Wait before the first restart; doubles with each further one up to `max_backoff`.
    pub backoff: Duration,
    pub max_backoff: Duration,
}

impl Default for RestartBudget {
    fn default() -> Self {
        Self {
            restarts: 5,
            within: Duration::from_secs(60),
            backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
        }
    }
}

/// Asks any actor what it knows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Status;

impl Message for Status {
    type Result = Value;
}

/// Where an actor stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Up,
    /// Ended unexpectedly; a rebuild is due.
    Rebuilding,
    /// The restart budget is used up.
    Down,
    /// Ended on purpose.
    Stopped,
}

#[derive(Debug, Clone)]
struct Life<A: Actor> {
    addr: Option<Addr<A>>,
    phase: Phase,
}

#[derive(Debug, Default)]
struct History {
    restarts: u64,
    exits: Exits,
    last_exit: Option<ActorExit>,
}

struct Inner<A: Actor> {
    name: String,
    owner: Owner,
    life: watch::Sender<Life<A>>,
    history: Mutex<History>,
    mailbox: Arc<Mailbox>,
}

/// The way to a supervised actor: knows its present address and its history.
pub struct Slot<A: Actor>(Arc<Inner<A>>);

impl<A: Actor> Clone for Slot<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Actor<Context = Context<A>>> Slot<A> {
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn phase(&self) -> Phase {
        self.0.life.borrow().phase
    }

    /// Rebuilds so far.
    pub fn restarts(&self) -> u64 {
        self.history().restarts
    }

    /// How many instances ended in which way.
    pub fn exits(&self) -> Exits {
        self.history().exits
    }

    /// How the last instance that ended did so.
    pub fn last_exit(&self) -> Option<ActorExit> {
        self.history().last_exit.clone()
    }

    /// Resolves once the actor reached `phase`.
    pub async fn reached(&self, phase: Phase) {
        let mut life = self.0.life.subscribe();
        // The sender lives in `self`, so it cannot be gone.
        let _ = life.wait_for(|l| l.phase == phase).await;
    }

    /// Delivers to the present instance, waiting for a rebuild that is due. If the actor dies before it answers, the
    /// message may or may not have had its effect; the caller decides whether to ask again. An actor that is asked so has
    /// [`takes_messages`](crate::takes_messages) beside its handlers.
    pub async fn send<M>(&self, message: M) -> Result<M::Result, Unreachable>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<Stamped<M>>,
        A::Context: ToEnvelope<A, Stamped<M>>,
    {
        let addr = self.address().await?;
        match addr.send(Stamped::new(message, &self.0.mailbox)).await {
            Ok(answer) => Ok(answer),
            Err(MailboxError::Closed | MailboxError::Timeout) => Err(Unreachable::Restarted(self.0.name.clone())),
        }
    }

    async fn address(&self) -> Result<Addr<A>, Unreachable> {
        let mut life = self.0.life.subscribe();
        let ready = life.wait_for(|l| {
            l.addr.as_ref().is_some_and(Addr::connected) || matches!(l.phase, Phase::Down | Phase::Stopped)
        });
        let Ok(life) = ready.await else { return Err(Unreachable::Down(self.0.name.clone())) };
        match (&life.addr, life.phase) {
            (Some(addr), Phase::Up) => Ok(addr.clone()),
            _ => Err(Unreachable::Down(self.0.name.clone())),
        }
    }

    /// Ends supervision: the actor's mailbox closes once nobody holds its address, and it is not rebuilt.
    pub fn stop(&self) {
        self.0.life.send_modify(|l| {
            l.addr = None;
            l.phase = Phase::Stopped;
        });
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.0.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the Root asks of every child, whatever its type.
pub trait Child: Send + Sync {
    fn name(&self) -> &str;
    /// Rebuilds so far.
    fn restarts(&self) -> u64;
    /// How many instances ended in which way.
    fn exits(&self) -> Exits;
    fn mailbox(&self) -> &Mailbox;
    fn stop(&self);
    fn status(&self) -> std::pin::Pin<Box<dyn Future<Output = ComponentStatus> + Send + '_>>;
}

impl<A> Child for Slot<A>
where
    A: Actor<Context = Context<A>> + Handler<Stamped<Status>>,
{
    fn name(&self) -> &str {
        Slot::name(self)
    }
    fn restarts(&self) -> u64 {
        Slot::restarts(self)
    }
    fn exits(&self) -> Exits {
        Slot::exits(self)
    }
    fn mailbox(&self) -> &Mailbox {
        &self.0.mailbox
    }
    fn stop(&self) {
        Slot::stop(self);
    }
    fn status(&self) -> std::pin::Pin<Box<dyn Future<Output = ComponentStatus> + Send + '_>> {
        Box::pin(async move {
            let answer = match self.phase() {
                // One that is being rebuilt is not waited for: its status is that it is being rebuilt.
                Phase::Up => match self.address().await {
                    Ok(addr) => addr.send(Stamped::new(Status, &self.0.mailbox)).await.ok(),
                    Err(_) => None,
                },
                _ => None,
            };
            // An actor may know better than that it runs: what it depends on may be away, or switched off.
            let own = answer.as_ref().and_then(|state| serde_json::from_value(state.get("health")?.clone()).ok());
            let health = match (self.phase(), &answer) {
                (Phase::Up, Some(_)) => own.unwrap_or(Health::Up),
                (Phase::Up | Phase::Rebuilding, _) => Health::Degraded,
                (Phase::Down | Phase::Stopped, _) => Health::Down,
            };
            let (panics, last_panic) = self.0.owner.panics_of_this();
            let history = self.history();
            ComponentStatus {
                health,
                restarts: history.restarts,
                exits: history.exits,
                panics,
                last_panic: last_panic.map(|panic| panic.to_string()),
                last_error: history.last_exit.as_ref().map(ToString::to_string),
                state: answer.unwrap_or_else(|| serde_json::json!({})),
            }
        })
    }
}

/// Starts an actor on the current arbiter and keeps it running. The factory makes fresh state each time; an actor that
/// stops by itself is treated like one that panicked.
pub fn supervise<A, F>(name: impl Into<String>, budget: RestartBudget, clock: Arc<dyn Clock>, factory: F) -> Slot<A>
where
    A: Actor<Context = Context<A>>,
    F: FnMut() -> A + 'static,
{
    supervise_in(&Panics::default(), name, budget, clock, factory)
}

/// As `supervise`, for an actor whose panics, and those of the work that it starts, are counted under its name.
pub fn supervise_in<A, F>(
    panics: &Panics,
    name: impl Into<String>,
    budget: RestartBudget,
    clock: Arc<dyn Clock>,
    mut factory: F,
) -> Slot<A>
where
    A: Actor<Context = Context<A>>,
    F: FnMut() -> A + 'static,
{
    panics::count();
    let name = name.into();
    let slot = Slot(Arc::new(Inner {
        owner: Owner::new(panics.clone(), &name),
        name,
        life: watch::Sender::new(Life { addr: None, phase: Phase::Rebuilding }),
        history: Mutex::new(History::default()),
        mailbox: Arc::default(),
    }));
    let first = spawn_instance(&slot, &mut factory);
    let supervised = slot.clone();
    actix_rt::spawn(async move { keep_running(supervised, budget, clock, factory, first).await });
    slot
}

/// The task of an instance, or why there is none.
type Instance = Result<tokio::task::JoinHandle<()>, ActorExit>;

fn spawn_instance<A, F>(slot: &Slot<A>, factory: &mut F) -> Instance
where
    A: Actor<Context = Context<A>>,
    F: FnMut() -> A,
{
    let owner = slot.0.owner.clone();
    let actor = std::panic::catch_unwind(AssertUnwindSafe(|| owner.run(factory)))
        .map_err(|p| ActorExit::Failed(panic_text(&*p)))?;
    let context = Context::new();
    let addr = context.address();
    let task = actix_rt::spawn(owner.follow(context.into_future(actor)));
    slot.0.life.send_modify(|l| {
        if l.phase != Phase::Stopped {
            l.addr = Some(addr);
            l.phase = Phase::Up;
        }
    });
    Ok(task)
}

async fn keep_running<A, F>(
    slot: Slot<A>,
    budget: RestartBudget,
    clock: Arc<dyn Clock>,
    mut factory: F,
    mut instance: Instance,
) where
    A: Actor<Context = Context<A>>,
    F: FnMut() -> A,
{
    let mut recent: VecDeque<Duration> = VecDeque::new();
    loop {
        let exit = match instance {
            Ok(task) => ActorExit::of(task.await),
            Err(exit) => exit,
        };
        exit.count(&mut slot.history().exits);
        if slot.phase() == Phase::Stopped {
            return;
        }
        let now = clock.monotonic();
        while recent.front().is_some_and(|t| now.saturating_sub(*t) > budget.within) {
            recent.pop_front();
        }
        let exhausted = recent.len() as u64 >= u64::from(budget.restarts);
        let phase = if exhausted { Phase::Down } else { Phase::Rebuilding };
        slot.history().last_exit = Some(exit.clone());
        slot.0.life.send_modify(|l| {
            if l.phase != Phase::Stopped {
                l.addr = None;
                l.phase = phase;
            }
        });
        if exhausted {
            tracing::error!(actor = %slot.0.name, error = %exit, "the restart budget is used up: the actor is down");
            return;
        }
        let wait = Backoff::new(budget.backoff, budget.max_backoff).after(recent.len() as u32 + 1);
        tracing::error!(actor = %slot.0.name, error = %exit, backoff_ms = wait.as_millis() as u64, "the actor died and is rebuilt");
        recent.push_back(now);
        clock.sleep(wait).await;
        if slot.phase() == Phase::Stopped {
            return;
        }
        slot.history().restarts += 1;
        instance = spawn_instance(&slot, &mut factory);
    }
}
