//! What the system counts about itself, for monitoring. Nothing here decides anything.
//!
//! Every label has a bound: an algorithm, an actor, a room of the store, a state. No id of a job, a model or a client is one.

mod bus;
mod disk;
mod family;
mod histogram;
mod process;
pub(crate) mod stored;

pub use bus::BusCounts;
pub use family::{Family, Kind, Labels, Sample, Value};
pub use histogram::{Histogram, Observed};
pub use process::families as of_the_process;

use chrono::{DateTime, Utc};
use disk::Disk;
use provost_domain::Algorithm;
use provost_domain::job::JobStatus;
use provost_domain::watch::WindowKind;
use provost_store::timed::{Call, Observer};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stored::Stored;

/// Of a fit, or of one candidate of a search, in seconds.
const FIT_BOUNDS: &[f64] = &[0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0];
/// Of a call of the store, in seconds.
const STORE_BOUNDS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// From an event's own time to its record, in seconds.
const LAG_BOUNDS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 3600.0, 86_400.0];

/// How an attempt at a fit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitEnd {
    Finished,
    /// By a cancel, a shutdown or a limit.
    Stopped,
    Failed,
}

impl FitEnd {
    pub(crate) const ALL: [FitEnd; 3] = [FitEnd::Finished, FitEnd::Stopped, FitEnd::Failed];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            FitEnd::Finished => "finished",
            FitEnd::Stopped => "stopped",
            FitEnd::Failed => "failed",
        }
    }
}

/// Of one algorithm.
#[derive(Debug)]
pub(crate) struct Fits {
    pub(crate) ends: [AtomicU64; FitEnd::ALL.len()],
    pub(crate) seconds: Histogram,
    pub(crate) trials: Histogram,
    pub(crate) retries: AtomicU64,
}

impl Default for Fits {
    fn default() -> Self {
        let (seconds, trials) = (Histogram::new(FIT_BOUNDS), Histogram::new(FIT_BOUNDS));
        Self { ends: Default::default(), seconds, trials, retries: AtomicU64::default() }
    }
}

/// Of one kind of call of the store.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) seconds: Histogram,
    pub(crate) failures: AtomicU64,
}

impl Default for Calls {
    fn default() -> Self {
        Self { seconds: Histogram::new(STORE_BOUNDS), failures: AtomicU64::default() }
    }
}

pub(crate) const FINAL: [JobStatus; 3] = [JobStatus::Completed, JobStatus::Failed, JobStatus::Cancelled];

#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) fits: [Fits; Algorithm::ALL.len()],
    /// Units of work that workers of this process are at.
    pub(crate) units: AtomicU64,
    pub(crate) jobs_submitted: AtomicU64,
    pub(crate) jobs_ended: [AtomicU64; FINAL.len()],
    pub(crate) mails_sent: AtomicU64,
    pub(crate) mails_dropped: AtomicU64,
    pub(crate) looks: AtomicU64,
    /// Looks of Watch.
    pub(crate) watch_looks: AtomicU64,
    /// When its last look ended, or its first began, in microseconds since 1970; 0 is never.
    pub(crate) watch_last_look: AtomicI64,
    /// Windows that were closed, by kind, and those of them with an alarm.
    pub(crate) windows: [[AtomicU64; 2]; WindowKind::ALL.len()],
    /// Microseconds since 1970; 0 is never.
    pub(crate) last_look: AtomicI64,
    pub(crate) bus: Mutex<BusCounts>,
    /// Messages in the broker's queues, when they were last asked for.
    pub(crate) queues: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) lag: Histogram,
    pub(crate) calls: Vec<Calls>,
    pub(crate) stored: Stored,
    pub(crate) disk: Disk,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            fits: Default::default(),
            units: AtomicU64::default(),
            jobs_submitted: AtomicU64::default(),
            jobs_ended: Default::default(),
            mails_sent: AtomicU64::default(),
            mails_dropped: AtomicU64::default(),
            looks: AtomicU64::default(),
            watch_looks: AtomicU64::default(),
            watch_last_look: AtomicI64::default(),
            windows: Default::default(),
            last_look: AtomicI64::default(),
            bus: Mutex::default(),
            queues: Mutex::default(),
            lag: Histogram::new(LAG_BOUNDS),
            calls: (0..Call::COUNT).map(|_| Calls::default()).collect(),
            stored: Stored::default(),
            disk: Disk::default(),
        }
    }
}

/// Counts as a unit of work at hand until it is dropped.
pub(crate) struct UnitAtHand(Arc<Counts>);

impl Drop for UnitAtHand {
    fn drop(&mut self) {
        self.0.units.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The counts of one system, over all rebuilds of its actors.
#[derive(Debug, Clone, Default)]
pub struct Metrics(pub(crate) Arc<Counts>);

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn place<T: PartialEq>(all: &[T], one: &T) -> usize {
    // Each list holds every value that is asked for.
    all.iter().position(|known| known == one).unwrap_or(0)
}

impl Metrics {
    pub(crate) fn fits(&self, algorithm: Algorithm) -> &Fits {
        &self.0.fits[place(&Algorithm::ALL, &algorithm)]
    }

    pub(crate) fn fit_ended(&self, algorithm: Algorithm, end: FitEnd, took: Duration) {
        let fits = self.fits(algorithm);
        one_more(&fits.ends[place(&FitEnd::ALL, &end)]);
        fits.seconds.observe(took);
    }

    /// A candidate of a search was recorded; `seconds` are those of its fits.
    pub(crate) fn trial_recorded(&self, algorithm: Algorithm, seconds: f64) {
        self.fits(algorithm).trials.observe(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    }

    /// An attempt at a unit of work failed for a reason that may pass.
    pub(crate) fn attempt_failed(&self, algorithm: Algorithm) {
        one_more(&self.fits(algorithm).retries);
    }

    /// A worker has a unit of work at hand from now on.
    pub(crate) fn unit_taken(&self) -> UnitAtHand {
        one_more(&self.0.units);
        UnitAtHand(self.0.clone())
    }

    pub(crate) fn job_submitted(&self) {
        one_more(&self.0.jobs_submitted);
    }

    /// A job's record was saved with this status; it was not final before.
    pub(crate) fn job_saved(&self, status: JobStatus) {
        if status.is_final() {
            one_more(&self.0.jobs_ended[place(&FINAL, &status)]);
        }
    }

    pub(crate) fn mails(&self, sent: u64, dropped: u64) {
        self.0.mails_sent.fetch_add(sent, Ordering::Relaxed);
        self.0.mails_dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    /// The scheduler has looked at its rules.
    pub(crate) fn scheduler_looked(&self, at: DateTime<Utc>) {
        one_more(&self.0.looks);
        self.0.last_look.store(at.timestamp_micros(), Ordering::Relaxed);
    }

    /// Watch begins to look. A first look that never ends is then seen as one that is overdue.
    pub(crate) fn watch_begins(&self, at: DateTime<Utc>) {
        let _ = self.0.watch_last_look.compare_exchange(0, at.timestamp_micros(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Watch has looked, and nothing kept it from what it looks at.
    pub(crate) fn watch_looked(&self, at: DateTime<Utc>) {
        one_more(&self.0.watch_looks);
        self.0.watch_last_look.store(at.timestamp_micros(), Ordering::Relaxed);
    }

    /// A window was closed, with an alarm or without.
    pub(crate) fn window_closed(&self, kind: WindowKind, alarm: bool) {
        let [closed, alarms] = &self.0.windows[place(WindowKind::ALL, &kind)];
        one_more(closed);
        if alarm {
            one_more(alarms);
        }
    }

    pub(crate) fn bus(&self) -> MutexGuard<'_, BusCounts> {
        lock(&self.0.bus)
    }

    /// How many messages wait in a queue of the broker; None: it is not known any more.
    pub(crate) fn queue_holds(&self, queue: &'static str, messages: Option<u64>) {
        let mut queues = lock(&self.0.queues);
        match messages {
            Some(messages) => queues.insert(queue, messages),
            None => queues.remove(queue),
        };
    }

    /// An event was recorded at `now` that says of itself when it was.
    pub(crate) fn event_recorded(&self, time: DateTime<Utc>, now: DateTime<Utc>) {
        // One from the future has no lag.
        self.0.lag.observe((now - time).to_std().unwrap_or_default());
    }
}

impl Observer for Metrics {
    fn observe(&self, call: Call, took: Duration, failed: bool) {
        let calls = &self.0.calls[call.index()];
        calls.seconds.observe(took);
        if failed {
            one_more(&calls.failures);
        }
    }
}
