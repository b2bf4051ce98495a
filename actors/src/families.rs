//! Families of metrics that a server and a process of workers have in common.

use crate::failures::{Failures, Kind};
use crate::metrics::{Calls, Family, FitEnd, Fits, Labels, Metrics};
use crate::panics::Panics;
use crate::supervise::Child;
use provost_domain::Algorithm;
use provost_store::timed::{Call, Group, Operation};
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) fn one(name: &'static str, value: impl Into<Cow<'static, str>>) -> Labels {
    vec![(name, value.into())]
}

pub(crate) fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// Of microseconds.
pub(crate) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// What supervision counts of these actors, and the panics of the process.
pub(crate) fn of_actors<'a>(children: impl Iterator<Item = &'a dyn Child>, panicked: &Panics) -> Vec<Family> {
    let mut restarts = Family::counter("provost_actor_restarts", "Rebuilds of an actor");
    let mut exits = Family::counter(
        "provost_actor_exits",
        "Instances of an actor that ended, by how: panicked, failed, stopped, killed",
    );
    let mut panics = Family::counter("provost_panics", "Panics of a component and of the work that it started");
    let mut waits = Family::histogram("provost_mailbox_wait_seconds", "How long a message waited for its actor");
    let mut waiting = Family::gauge("provost_mailbox_messages", "Messages that wait for an actor");
    for child in children {
        let (name, mailbox) = (child.name().to_owned(), child.mailbox());
        restarts.add(one("actor", name.clone()), child.restarts().into());
        let ended = child.exits();
        for (exit, count) in [
            ("panicked", ended.panicked),
            ("failed", ended.failed),
            ("stopped", ended.stopped),
            ("killed", ended.killed),
        ] {
            exits.add(vec![("actor", name.clone().into()), ("exit", exit.into())], count.into());
        }
        panics.add(one("component", name.clone()), panicked.of(&name).0.into());
        waits.add(one("actor", name.clone()), mailbox.waits().into());
        waiting.add(one("actor", name), mailbox.waiting().into());
    }
    panics.add(one("component", "process"), Panics::of_the_process().into());
    vec![restarts, exits, panics, waits, waiting]
}

/// What these components have failed at.
pub(crate) fn of_failures<'a>(components: impl Iterator<Item = &'a str>, failures: &Failures) -> Vec<Family> {
    let told = failures.told();
    let mut failed = Family::counter("provost_failures", "Failed tries of what a component repeats, by kind");
    let mut failing = Family::gauge("provost_failing_tasks", "Tasks of a component that failed three times in a row");
    let mut success = Family::gauge(
        "provost_last_success_timestamp_seconds",
        "When a component last succeeded at what it repeats, in seconds since 1970",
    );
    for name in components {
        let told = told.get(name).copied().unwrap_or_default();
        for (kind, word) in [(Kind::Outage, "outage"), (Kind::Fault, "fault")] {
            let labels = vec![("component", name.to_owned().into()), ("kind", word.into())];
            failed.add(labels, told.failures(kind).into());
        }
        failing.add(one("component", name.to_owned()), told.failing.into());
        if let Some(at) = told.succeeded_at {
            success.add(one("component", name.to_owned()), seconds(at.timestamp_micros()).into());
        }
    }
    vec![failed, failing, success]
}

/// Searches and fits of this process, by algorithm.
pub(crate) fn of_fits(metrics: &Metrics) -> Vec<Family> {
    let mut ends = Family::counter("provost_fits", "Attempts at an algorithm's search and fit, by how they ended");
    let mut fit_seconds = Family::histogram("provost_fit_seconds", "How long such an attempt took");
    let mut trial_seconds =
        Family::histogram("provost_trial_seconds", "Fitting time of each candidate that a search recorded");
    let mut retries = Family::counter("provost_fit_attempts_failed", "Attempts that failed for a reason that may pass");
    for algorithm in Algorithm::ALL {
        let Fits { ends: by_end, seconds, trials, retries: failed } = metrics.fits(algorithm);
        for (end, count) in FitEnd::ALL.iter().zip(by_end) {
            let labels = vec![("algorithm", algorithm.as_str().into()), ("end", end.as_str().into())];
            ends.add(labels, load(count).into());
        }
        let labels = || one("algorithm", algorithm.as_str());
        fit_seconds.add(labels(), seconds.read().into());
        trial_seconds.add(labels(), trials.read().into());
        retries.add(labels(), load(failed).into());
    }
    vec![ends, fit_seconds, trial_seconds, retries]
}

/// How long the calls of the store took, and how many failed.
pub(crate) fn of_calls(metrics: &Metrics) -> Vec<Family> {
    let mut took = Family::histogram("provost_store_seconds", "How long a call of the store took");
    let mut failed = Family::counter("provost_store_failures", "Calls of the store that failed");
    for call in Call::all().filter(|call| (call.group, call.operation) != (Group::Health, Operation::Write)) {
        let Calls { seconds, failures } = &metrics.0.calls[call.index()];
        let labels = || vec![("group", call.group.as_str().into()), ("operation", call.operation.as_str().into())];
        took.add(labels(), seconds.read().into());
        failed.add(labels(), load(failures).into());
    }
    vec![took, failed]
}
