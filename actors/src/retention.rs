//! Retention deletes records that ended long enough ago, and artifacts that no record names.
//!
//! Artifacts are listed before records are read: an artifact that is old by then and unnamed can only be used again by
//! being stored again, which renews its age.

use crate::background::WhileReachable;
use crate::blocking::blocking;
use crate::error::Unreachable;
use crate::failures::Kind;
use crate::lease::Role;
use crate::options::{RetentionOptions, RetentionResources};
use crate::supervise::Status;
use actix::{Actor, AsyncContext, Context, Handler, MessageResult};
use chrono::{DateTime, TimeDelta, Utc};
use provost_store::artifacts::Swept;
use provost_store::{Cutoffs, Forgotten, StoreError};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Rows deleted per transaction, which takes milliseconds of the writer's time.
const STEP: u32 = 500;
/// Pause between two steps, so that other transactions can write.
const PAUSE: Duration = Duration::from_millis(20);
/// The first round waits, so that it does not compete with the resumption of jobs.
const FIRST: Duration = Duration::from_secs(60);

/// Closed needs are kept at least this long, which is longer than the records that raise needs are considered.
const NEEDS: Duration = Duration::from_secs(30 * 86_400);

/// Counts since the actor was built, for `Status`.
#[derive(Debug, Default)]
struct Report {
    rounds: u64,
    last: Option<DateTime<Utc>>,
    forgotten: Forgotten,
    predictions: u64,
    artifacts: u64,
    bytes: u64,
    error: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum RetentionError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl RetentionError {
    fn kind(&self) -> Kind {
        match self {
            RetentionError::Store(e) => Kind::of(e),
            RetentionError::Unreachable(_) => Kind::Fault,
        }
    }
}

/// The lease's name. Two servers that forget the entries of one prediction log would take their callers' counts down twice.
const ROLE: &str = "retention";

struct Sweeper {
    resources: Arc<RetentionResources>,
    keep: RetentionOptions,
    report: Arc<Mutex<Report>>,
    role: Role,
    /// When the folder was last swept, by the monotonic clock.
    swept_at: Option<Duration>,
}

fn lock(report: &Mutex<Report>) -> MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}

fn before(now: DateTime<Utc>, age: Duration) -> DateTime<Utc> {
    let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(age).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

impl Sweeper {
    async fn run(mut self) {
        let clock = self.resources.clock.clone();
        clock.sleep(FIRST.min(self.keep.every)).await;
        loop {
            let outcome = self.round().await;
            // Whoever has the next round may be another server.
            self.role.leave().await;
            let is_done = !matches!(outcome, Ok(false));
            // The next round is an hour away in any case, so a failure causes no busy loop.
            self.resources.failures.note("retention", "a round", &outcome, RetentionError::kind);
            {
                let mut report = lock(&self.report);
                if is_done {
                    report.rounds += 1;
                    report.last = Some(clock.now());
                }
                report.error = outcome.err().map(|e| e.to_string());
            }
            // Another server has the role, or had it when it died: the lease is free after a term.
            clock.sleep(if is_done { self.keep.every } else { FIRST.min(self.keep.every) }).await;
        }
    }

    /// False if another server has the role: then only this server's folder of artifacts is swept, once per `retention.every`.
    async fn round(&mut self) -> Result<bool, RetentionError> {
        self.resources.failpoints.hit("retention");
        let now = self.resources.clock.now();
        let cutoffs = Cutoffs {
            inbox: before(now, self.keep.inbox),
            outbox: before(now, self.keep.outbox),
            job_events: before(now, self.keep.job_events),
            trials: before(now, self.keep.trials),
            needs: before(now, self.keep.job_events.max(NEEDS)),
            windows: before(now, self.keep.predictions),
            now,
        };
        let is_mine = self.role.is_mine().await?;
        let mut forgotten = Forgotten::default();
        while self.role.is_mine().await? {
            let step = self.resources.retention.forget(cutoffs.clone(), STEP).await?;
            if step.total() == 0 {
                break;
            }
            forgotten += step;
            lock(&self.report).forgotten += step;
            self.resources.clock.sleep(PAUSE).await;
        }
        let mut predictions = 0;
        let done = self.forget_predictions(before(now, self.keep.predictions), &mut predictions).await;
        // A damaged log keeps no artifact on the disk.
        let time = self.resources.clock.monotonic();
        let is_due = is_mine || self.swept_at.is_none_or(|at| time.saturating_sub(at) >= self.keep.every);
        let swept = if is_due { self.sweep(is_mine).await? } else { Swept::default() };
        if is_due {
            self.swept_at = Some(time);
        }
        {
            let mut report = lock(&self.report);
            report.predictions += predictions;
            report.artifacts += swept.removed;
            report.bytes += swept.bytes;
        }
        if forgotten.total() + predictions + swept.removed > 0 {
            tracing::info!(
                ?forgotten,
                predictions,
                artifacts = swept.removed,
                bytes = swept.bytes,
                "forgot what was over"
            );
        }
        done.map(|()| is_mine)
    }

    /// Deletes old entries of the prediction log, and the oldest beyond its limit; counts them in `removed`.
    async fn forget_predictions(&mut self, before: DateTime<Utc>, removed: &mut u64) -> Result<(), RetentionError> {
        while self.role.is_mine().await? {
            let (log, keep) = (&self.resources.predictions, self.resources.predictions_max);
            match log.forget_predictions(before, keep, STEP).await? {
                0 => break,
                some => *removed += some,
            }
            self.resources.clock.sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Removes old artifacts that no record names. With `everywhere` also from the remote storage that the servers share.
    async fn sweep(&self, everywhere: bool) -> Result<Swept, RetentionError> {
        // The age of files comes from the machine, not from the actors' clock.
        let cutoff = SystemTime::now().checked_sub(self.keep.artifacts).unwrap_or(SystemTime::UNIX_EPOCH);
        let all = &self.resources.artifacts;
        let swept = if everywhere { all.clone() } else { all.local() };
        let artifacts = swept.clone();
        let mut old = blocking(move || artifacts.older_than(cutoff).map_err(RetentionError::from)).await?;
        if old.is_empty() {
            return Ok(Swept::default());
        }
        let named = self.resources.retention.artifacts_in_use().await?;
        old.retain(|name| !named.contains(name));
        blocking(move || swept.sweep(&old, cutoff).map_err(RetentionError::from)).await
    }
}

pub struct Retention {
    resources: Arc<RetentionResources>,
    report: Arc<Mutex<Report>>,
}

impl Retention {
    pub fn new(resources: Arc<RetentionResources>) -> Self {
        Self { resources, report: Arc::default() }
    }

    fn status(&self) -> Value {
        if self.resources.keep.is_none() {
            return json!({ "health": "disabled" });
        }
        let report = lock(&self.report);
        json!({
            "health": if report.error.is_some() { "degraded" } else { "up" },
            "rounds": report.rounds,
            "last_round": report.last,
            "forgotten": report.forgotten,
            "predictions_removed": report.predictions,
            "artifacts_removed": report.artifacts,
            "bytes_removed": report.bytes,
            "last_error": report.error,
        })
    }
}

impl Actor for Retention {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        if let Some(keep) = self.resources.keep.clone() {
            let role = Role::new(self.resources.leases.clone(), ROLE);
            let sweeper =
                Sweeper { resources: self.resources.clone(), keep, report: self.report.clone(), role, swept_at: None };
            context.spawn(WhileReachable::new(sweeper.run()));
        }
    }
}

crate::takes_messages!(Retention);

impl Handler<Status> for Retention {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.status())
    }
}
