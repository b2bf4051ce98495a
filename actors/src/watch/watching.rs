//! The looks of Watch: each finds out what is to be watched and goes on from there.

use super::idle_pool::IdlePool;
use super::plan::{self, Present};
use super::reference::{WatchedModel, watched_model};
use crate::error::EvaluateError;
use crate::failures::Kind;
use crate::lease::Role;
use crate::loader::Loader;
use crate::options::WatchResources;
use crate::supervise::Slot;
use provost_domain::model::ModelRecord;
use provost_domain::watch::WindowKind;
use provost_domain::watch_record::WatchState;
use provost_learn::control::StopReason;
use provost_learn::{Control, LearnError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The component's name in reports of failures.
pub(super) const COMPONENT: &str = "watch";
const READING: &str = "reading the store";
const OUTCOMES: &str = "comparing outcomes";
/// How long after a prediction its entry is read: the log is written in batches, and by several servers.
pub(super) const SETTLE: Duration = Duration::from_secs(1);
/// Shortest time between two looks for outcomes that a nudge leads to: each reads the rows of many windows.
const OUTCOMES_EVERY: Duration = Duration::from_secs(600);
/// Until the next look where the store was away.
const RETRY: Duration = Duration::from_secs(30);
/// The lease of the one server that watches.
const ROLE: &str = "watch";

/// How a look, or a part of it, ended without a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    Done,
    /// The store went away, or another server was faster: it is looked again soon.
    Interrupted,
}

/// What the last look found, for `Status`.
#[derive(Default)]
pub(super) struct Seen {
    pub looks: u64,
    /// The model that is watched.
    pub model: Option<String>,
    /// Why nothing is watched.
    pub idle: Option<&'static str>,
    /// Rows that came in since the last window.
    pub waiting: BTreeMap<WindowKind, u64>,
    /// Windows that were closed since the actor was built.
    pub closed: BTreeMap<WindowKind, u64>,
    /// Whether the last window has an alarm.
    pub alarm: BTreeMap<WindowKind, bool>,
    pub error: Option<String>,
    /// Whether the needs are those of the windows that were closed so far.
    settled: bool,
}

/// The looks, apart from the actor: handlers only start futures.
pub(super) struct Watching {
    pub resources: WatchResources,
    loader: Slot<Loader>,
    pub pool: IdlePool,
    /// Ends the work when the actor ends.
    pub control: Control,
    pub role: tokio::sync::Mutex<Role>,
    model: Mutex<Option<Arc<WatchedModel>>>,
    seen: Mutex<Seen>,
}

impl Watching {
    pub fn new(resources: WatchResources, loader: Slot<Loader>) -> Self {
        Self {
            loader,
            pool: IdlePool::new(resources.idle_priority),
            control: Control::default(),
            role: tokio::sync::Mutex::new(Role::new(resources.leases.clone(), ROLE)),
            model: Mutex::default(),
            seen: Mutex::default(),
            resources,
        }
    }

    /// Without an end.
    pub async fn run(self: Arc<Self>) {
        let clock = self.resources.clock.clone();
        self.resources.metrics.watch_begins(clock.now());
        let mut outcomes_at = clock.monotonic();
        let mut outcomes = true;
        loop {
            let looked = self.look(outcomes).await;
            // Whoever looks next may be another server.
            self.role.lock().await.leave().await;
            let is_away = match &looked {
                // That the store is away is told by the store's own state.
                Err(error) if error.kind() == Kind::Outage => true,
                _ => {
                    self.resources.failures.note(COMPONENT, READING, &looked, EvaluateError::kind);
                    matches!(looked, Ok(Looked::Interrupted))
                }
            };
            if looked.is_ok() && !is_away {
                self.resources.metrics.watch_looked(clock.now());
            }
            {
                let mut seen = self.seen();
                seen.looks += 1;
                seen.error = looked.err().map(|e| e.to_string());
            }
            if outcomes && !is_away {
                outcomes_at = clock.monotonic();
            }
            let every = self.resources.options.every;
            let nudged = tokio::select! {
                () = clock.sleep(if is_away { every.min(RETRY) } else { every }) => false,
                () = self.resources.nudge.notified() => true,
            };
            if nudged {
                clock.sleep(SETTLE).await;
            }
            outcomes = !nudged || clock.monotonic() >= outcomes_at + OUTCOMES_EVERY;
        }
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    fn idle(&self, why: &'static str) {
        let mut seen = self.seen();
        (seen.idle, seen.model) = (Some(why), None);
        (seen.waiting, seen.alarm) = Default::default();
    }

    /// One look. A window that cannot be compared keeps no window of the other kind from being compared; an error is one of
    /// reading what all of them need.
    async fn look(&self, outcomes: bool) -> Result<Looked, EvaluateError> {
        let resources = &self.resources;
        if !self.role.lock().await.is_mine().await? {
            self.idle("another server looks now");
            return Ok(Looked::Done);
        }
        let active = match resources.models.active_model().await? {
            Some(id) => resources.models.model(&id).await?,
            None => None,
        };
        let Some(record) = active else {
            self.idle("no model is active");
            return Ok(Looked::Done);
        };
        if !record.version.has_artifact() || record.snapshot.is_empty() {
            self.idle("the active model has no training data here");
            return Ok(Looked::Done);
        }
        let known = resources.watch.watch_state().await?;
        let activation = resources.models.activations(None, 1).await?.items.into_iter().next();
        let now = resources.clock.now();
        let present = Present {
            now,
            model_id: record.version.model_id.clone(),
            activated_at: activation
                .filter(|activation| activation.model_id == record.version.model_id)
                .map_or(now, |activation| activation.activated_at),
            last_point: resources.points.last_point_position().await?,
        };
        let mut state = match (plan::begun(known.as_ref(), &present), known) {
            (None, Some(known)) => known,
            (next, known) => {
                let Some(next) = next else { return Ok(Looked::Done) };
                if !resources.watch.record_watch(next.clone(), None, Vec::new()).await? {
                    return Ok(Looked::Interrupted);
                }
                if let Some(before) = known.filter(|known| known.model_id != next.model_id) {
                    self.withdraw_needs(&before.model_id).await?;
                }
                next
            }
        };
        {
            let mut seen = self.seen();
            (seen.idle, seen.model) = (None, Some(state.model_id.to_string()));
        }
        let revision = state.revision;
        let mut looked = Looked::Done;
        for kind in WindowKind::ALL {
            if self.try_windows(&record, &mut state, *kind).await == Looked::Interrupted {
                looked = Looked::Interrupted;
            }
        }
        // At the first look, too: an earlier process may have died between a window and its need.
        let settled = std::mem::replace(&mut self.seen().settled, true);
        if !settled || state.revision != revision {
            self.settle_needs(&state.model_id).await.inspect_err(|_| self.seen().settled = false)?;
        }
        if outcomes {
            match self.compare_outcomes(&record).await {
                Err(error) if error.kind() == Kind::Outage => looked = Looked::Interrupted,
                compared => resources.failures.note(COMPONENT, OUTCOMES, &compared, EvaluateError::kind),
            }
        }
        Ok(looked)
    }

    /// Closes the windows of a kind, unless that is given up.
    async fn try_windows(&self, record: &ModelRecord, state: &mut WatchState, kind: WindowKind) -> Looked {
        let resources = &self.resources;
        let task = format!("windows of {kind}");
        // What is compared changes with the model and with every window.
        let input = format!("{} {}", state.model_id, plan::run(state, kind).closed);
        let now = resources.clock.monotonic();
        if !resources.failures.may_try(COMPONENT, &task, (&input, now)) {
            return Looked::Done;
        }
        let closed = match kind {
            WindowKind::Predictions => self.windows_of_predictions(record, state).await,
            WindowKind::Points => self.windows_of_points(record, state).await,
        };
        match closed {
            Ok(()) => {
                resources.failures.succeeded(COMPONENT, &task);
                Looked::Done
            }
            // The actor ends.
            Err(EvaluateError::Learn(LearnError::Stopped(_))) => Looked::Done,
            Err(error) if error.kind() == Kind::Outage => Looked::Interrupted,
            Err(error) => {
                resources.failures.gives_up(COMPONENT, &task, error.kind(), &error.to_string(), (&input, now));
                Looked::Done
            }
        }
    }

    /// The active model with what its windows are compared with, prepared once.
    pub(super) async fn watched(&self, record: &ModelRecord) -> Result<Arc<WatchedModel>, EvaluateError> {
        let id = &record.version.model_id;
        if let Some(known) = lock(&self.model).as_ref().filter(|known| known.record.version.model_id == *id) {
            return Ok(known.clone());
        }
        let made =
            watched_model(&self.resources, &self.loader, &self.pool, record.clone(), self.control.clone()).await?;
        *lock(&self.model) = Some(made.clone());
        Ok(made)
    }

    /// Ends the work that is under way.
    pub fn stop(&self) {
        self.control.token.trip(StopReason::Shutdown);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
