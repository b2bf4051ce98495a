//! The Scheduler owns the triggers: rules raise them, and the arbiter decides which job each leads to.
//!
//! It reconciles: woken by a notification or after a period, it reads the store and acts on its content, so that a lost
//! notification or a crash between two steps costs only time.

mod arbiter;
pub mod cron;
mod occasion;
mod rules;
mod settlement;

use crate::admission::Admission;
use crate::background::WhileReachable;
use crate::evaluator::Evaluator;
use crate::failures::Kind;
use crate::jobs::may_claim;
use crate::options::SchedulerResources;
use crate::supervise::{Slot, Status};
use actix::{Actor, AsyncContext, Context, Handler, MessageResult};
use chrono::{DateTime, NaiveDate, Utc};
use provost_domain::queue::QueuedJob;
use provost_domain::schedule::{ScheduledTrainingConfig, TriggerType};
use provost_domain::{ModelId, TrainingConfig};
use provost_store::{StoreError, TriggerRecord};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Interval between looks without a notification: for imports by commands, slots, and the end of a cooldown.
const PERIOD: Duration = Duration::from_secs(5);
/// How many of the newest triggers are searched for the last job of some kind.
const LOOKED_AT: u32 = 200;

/// The result of the last look, for `Status`.
#[derive(Default)]
struct Seen {
    looks: u64,
    schedule: ScheduledTrainingConfig,
    next_slot: Option<DateTime<Utc>>,
    new_points: Option<u64>,
    pending: usize,
    performance: Option<String>,
    cooldown_until: Option<DateTime<Utc>>,
    rules: BTreeMap<&'static str, RuleCounts>,
    error: Option<String>,
}

/// How often a rule was evaluated since the actor was built.
#[derive(Debug, Default, Clone, Copy, Serialize)]
struct RuleCounts {
    looks: u64,
    failures: u64,
    /// Number of new triggers.
    triggers: u64,
    /// For the performance rule: how many looks tested the active model.
    tests: u64,
}

/// The component's name in reports of failures.
const COMPONENT: &str = "scheduler";
const READING: &str = "reading the store";

/// The parts that handlers work with, apart from the actor: handlers only start futures.
struct TriggerLoop {
    resources: SchedulerResources,
    admission: Admission,
    evaluator: Slot<Evaluator>,
    seen: Mutex<Seen>,
    /// The state at the last test of the active model's performance.
    checked: Mutex<Option<Checked>>,
    /// When the test last failed, by the monotonic clock.
    check_failed: Mutex<Option<Duration>>,
}

struct Checked {
    model: ModelId,
    arrived: u64,
    on: NaiveDate,
    /// By the monotonic clock.
    at: Duration,
}

impl Checked {
    /// Whether enough has changed since the last test.
    fn is_due(&self, last: &Checked) -> bool {
        self.model != last.model
            || self.on != last.on
            || (self.arrived >= last.arrived + rules::CHECK_POINTS && self.at >= last.at + rules::CHECK_EVERY)
    }
}

/// The state that rules and the arbiter read, at one moment.
struct Look {
    now: DateTime<Utc>,
    schedule: ScheduledTrainingConfig,
    /// Unfinished jobs, without those that cannot be begun, because no process works on them.
    unfinished: Vec<QueuedJob>,
    /// Newest first.
    triggers: Vec<TriggerRecord>,
}

impl Look {
    fn at_work(&self, config_hash: &str) -> bool {
        self.unfinished.iter().any(|job| job.config_hash == config_hash)
    }
}

fn is_automatic(kind: TriggerType) -> bool {
    kind != TriggerType::Manual
}

impl TriggerLoop {
    async fn run(self: Arc<Self>) {
        let resources = self.resources.clone();
        loop {
            let looked = self.look().await;
            resources.metrics.scheduler_looked(resources.clock.now());
            resources.failures.note(COMPONENT, READING, &looked, Kind::of);
            // A rule reports its own failure; the next look tries again.
            self.seen().error = match looked {
                Ok(failed) => failed,
                Err(e) => Some(e.to_string()),
            };
            tokio::select! {
                () = resources.clock.sleep(PERIOD) => {}
                () = resources.nudge.notified() => {}
            }
        }
    }

    /// One look: the rules raise triggers, and the arbiter settles pending ones. Returns the failures of rules and
    /// groups of triggers. An error is a failure to read the common state.
    async fn look(&self) -> Result<Option<String>, StoreError> {
        let look = self.read().await?;
        {
            let mut seen = self.seen();
            seen.looks += 1;
            seen.schedule = look.schedule.clone();
        }
        // A failing rule does not keep pending triggers from their jobs.
        let raised = self.raise(&look).await;
        let settled = self.arbitrate(look).await?;
        Ok(raised?.or(settled))
    }

    async fn read(&self) -> Result<Look, StoreError> {
        let resources = &self.resources;
        let mut unfinished = resources.jobs.unfinished_jobs().await?;
        unfinished.retain(|job| may_claim(&resources.failures, &*resources.clock, &job.job_id));
        Ok(Look {
            now: resources.clock.now(),
            schedule: resources.schedule.schedule().await?.unwrap_or_default(),
            unfinished,
            triggers: resources.triggers.newest_triggers(LOOKED_AT).await?,
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> Value {
        let enabled = self.resources.enabled;
        let seen = self.seen();
        json!({
            "enabled": enabled && seen.schedule.enabled,
            "schedule_cron": seen.schedule.schedule_cron,
            "time_zone": seen.schedule.time_zone,
            "next_slot": seen.next_slot,
            "new_points": seen.new_points,
            "min_new_samples": seen.schedule.min_new_samples,
            "performance": seen.performance,
            "pending_triggers": seen.pending,
            "cooldown_until": seen.cooldown_until,
            "looks": seen.looks,
            "rules": seen.rules,
            "error": seen.error,
            "health": if seen.error.is_some() { "degraded" } else { "up" },
        })
    }
}

/// The configuration of a trigger: its own, else the schedule's.
fn config_of(trigger: &TriggerRecord, schedule: &ScheduledTrainingConfig) -> TrainingConfig {
    trigger.config.clone().unwrap_or_else(|| schedule.training_config.clone())
}

pub struct Scheduler {
    triggers: Arc<TriggerLoop>,
}

impl Scheduler {
    pub(crate) fn new(resources: SchedulerResources, admission: Admission, evaluator: Slot<Evaluator>) -> Self {
        let (seen, checked, check_failed) = Default::default();
        Self { triggers: Arc::new(TriggerLoop { resources, admission, evaluator, seen, checked, check_failed }) }
    }
}

impl Actor for Scheduler {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.spawn(WhileReachable::new(self.triggers.clone().run()));
    }
}

crate::takes_messages!(Scheduler);

impl Handler<Status> for Scheduler {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.triggers.status())
    }
}
