//! Repeated failures. Every task that is repeated reports its outcomes here: a rule of the scheduler, a sweep, a relay, a
//! look at the store. The third failure in a row makes its component `degraded`, with the text; a success clears that.
//!
//! An outage (the store, the broker or the mail server is away) is waited for as long as it lasts. A fault (anything else) is
//! tried three times and then given up, until what it works on changes or a day has passed.

use crate::retry::Backoff;
use chrono::{DateTime, Utc};
use provost_store::StoreError;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Failures in a row that make a component degraded, and after which a fault is given up.
pub const MOST: u32 = 3;
/// After which what was given up is tried again.
pub const LONG_PAUSE: Duration = Duration::from_secs(86_400);
/// Tasks that are kept in mind; of more, those that have failed least are forgotten.
const REMEMBERED: usize = 1_000;

/// Whether a failure is waited out or given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A store, a broker or a mail server is away.
    Outage,
    /// Anything else: to try again without a change does not help.
    Fault,
}

impl Kind {
    pub fn of(e: &StoreError) -> Self {
        if e.may_pass() { Kind::Outage } else { Kind::Fault }
    }
}

#[derive(Debug, Clone)]
struct Streak {
    /// In a row.
    failures: u32,
    /// Faults in a row: since the last outage, and since the task was begun anew with another input or after a long pause.
    faults: u32,
    text: String,
    /// What it worked on when it last failed, where that is known.
    input: Option<String>,
    /// What it worked on when it was given up, and until when (monotonic) it is left.
    left: Option<(String, Duration)>,
}

type Streaks = BTreeMap<(String, String), Streak>;

/// What a component has failed and succeeded at since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    outages: u64,
    faults: u64,
    /// Tasks that have failed three times in a row, or more often.
    pub failing: u64,
    /// By the machine's clock.
    pub succeeded_at: Option<DateTime<Utc>>,
}

impl Told {
    /// All failures of a kind.
    pub fn failures(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Outage => self.outages,
            Kind::Fault => self.faults,
        }
    }
}

/// The failures of one system: those in a row by component and task, and how many there were of each component.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    streaks: Arc<Mutex<Streaks>>,
    told: Arc<Mutex<BTreeMap<String, Told>>>,
}

impl Failures {
    fn lock(&self) -> MutexGuard<'_, Streaks> {
        self.streaks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, component: &str, tell: impl FnOnce(&mut Told)) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match told.get_mut(component) {
            Some(known) => tell(known),
            None => tell(told.entry(component.to_owned()).or_default()),
        }
    }

    /// What each component has failed and succeeded at.
    pub fn told(&self) -> BTreeMap<String, Told> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for ((component, _), _) in self.lock().iter().filter(|(_, streak)| streak.failures >= MOST) {
            told.entry(component.clone()).or_default().failing += 1;
        }
        told
    }

    /// Counts a failure; answers how many there were in a row. The log tells of the first and of the third.
    pub fn failed(&self, component: &str, task: &str, kind: Kind, text: &str) -> u32 {
        self.count(component, task, kind, text, None).0
    }

    /// Counts a failure; answers how many there were in a row, and how many faults.
    fn count(&self, component: &str, task: &str, kind: Kind, text: &str, input: Option<&str>) -> (u32, u32) {
        let mut all = self.lock();
        if all.len() >= REMEMBERED
            && let Some(least) = all.iter().min_by_key(|(_, streak)| streak.failures).map(|(key, _)| key.clone())
        {
            all.remove(&least);
        }
        let new = || Streak { failures: 0, faults: 0, text: String::new(), input: None, left: None };
        let streak = all.entry((component.to_owned(), task.to_owned())).or_insert_with(new);
        streak.failures = streak.failures.saturating_add(1);
        if kind == Kind::Outage || input != streak.input.as_deref() {
            streak.faults = 0;
        }
        if kind == Kind::Fault {
            streak.faults = streak.faults.saturating_add(1);
        }
        streak.input = input.map(str::to_owned);
        text.clone_into(&mut streak.text);
        let (failures, faults) = (streak.failures, streak.faults);
        drop(all);
        self.tell(component, |told| match kind {
            Kind::Outage => told.outages += 1,
            Kind::Fault => told.faults += 1,
        });
        match (failures, kind) {
            (1, _) => tracing::warn!(component, task, error = text, "failed; it is tried again"),
            (MOST, Kind::Outage) => {
                tracing::warn!(
                    component,
                    task,
                    error = text,
                    "failed three times in a row; it is tried until it succeeds"
                );
            }
            (MOST, Kind::Fault) => tracing::error!(component, task, error = text, "failed three times in a row"),
            (_, Kind::Fault) if faults == MOST => {
                tracing::error!(component, task, failures, error = text, "failed three times in a row for good");
            }
            _ => tracing::debug!(component, task, failures, error = text, "failed"),
        }
        (failures, faults)
    }

    /// As `failed`; answers how long to wait before the next try: `first`, doubling to `longest`, and a day after the third
    /// fault in a row.
    pub fn wait(
        &self,
        component: &str,
        task: &str,
        kind: Kind,
        text: &str,
        (first, longest): (Duration, Duration),
    ) -> Duration {
        let (failures, faults) = self.count(component, task, kind, text, None);
        if faults >= MOST { LONG_PAUSE } else { Backoff::new(first, longest).after(failures) }
    }

    /// A policy for [`retry`](crate::retry::retry) that never gives up: waits as `wait` says.
    pub fn policy<'a, E: std::fmt::Display>(
        &'a self,
        component: &'a str,
        task: &'a str,
        kind: impl Fn(&E) -> Kind + 'a,
        pauses: (Duration, Duration),
    ) -> impl FnMut(&E) -> Option<Duration> + 'a {
        move |error| Some(self.wait(component, task, kind(error), &error.to_string(), pauses))
    }

    /// As `failed`, for what is done to `input`: true once it is given up, which is at the third fault in a row. It is left
    /// until `may_try` says otherwise.
    pub fn gives_up(
        &self,
        component: &str,
        task: &str,
        kind: Kind,
        text: &str,
        (input, now): (&str, Duration),
    ) -> bool {
        self.count(component, task, kind, text, Some(input));
        let mut all = self.lock();
        let streak = all.get_mut(&(component.to_owned(), task.to_owned()));
        let Some(streak) = streak.filter(|streak| streak.faults >= MOST) else { return false };
        streak.left = Some((input.to_owned(), now + LONG_PAUSE));
        true
    }

    /// Whether something is to be tried on `input` at `now` (monotonic): not while it is given up.
    pub fn may_try(&self, component: &str, task: &str, (input, now): (&str, Duration)) -> bool {
        let mut all = self.lock();
        let Some(streak) = all.get_mut(&(component.to_owned(), task.to_owned())) else { return true };
        let left = streak.left.as_ref().is_some_and(|(of, until)| of == input && now < *until);
        if !left && streak.left.take().is_some() {
            streak.faults = 0;
        }
        !left
    }

    /// Ends the streak.
    pub fn succeeded(&self, component: &str, task: &str) {
        self.tell(component, |told| told.succeeded_at = Some(Utc::now()));
        let ended = self.lock().remove(&(component.to_owned(), task.to_owned()));
        if let Some(streak) = ended.filter(|streak| streak.failures >= MOST) {
            tracing::info!(component, task, failures = streak.failures, "succeeds again");
        }
    }

    /// Ends the streak of a task that is no longer done.
    pub fn over(&self, component: &str, task: &str) {
        self.lock().remove(&(component.to_owned(), task.to_owned()));
    }

    /// Ends the streak when it is dropped: for a task that may be over in many ways.
    pub fn ending(&self, component: &'static str, task: &'static str) -> Ending {
        Ending { failures: self.clone(), component, task }
    }

    /// Ends the streaks of tasks that begin with `prefix` and are not done any more.
    pub fn keep(&self, component: &str, prefix: &str, done: impl Fn(&str) -> bool) {
        self.lock().retain(|(of, task), _| of != component || !task.starts_with(prefix) || done(task));
    }

    /// Whether it succeeded, or what it failed with.
    pub fn note<T, E: std::fmt::Display>(
        &self,
        component: &str,
        task: &str,
        outcome: &Result<T, E>,
        kind: impl FnOnce(&E) -> Kind,
    ) {
        match outcome {
            Ok(_) => self.succeeded(component, task),
            Err(e) => {
                self.failed(component, task, kind(e), &e.to_string());
            }
        }
    }

    /// What a component fails at, three times in a row or more; None where it fails at nothing.
    pub fn of(&self, component: &str) -> Option<String> {
        let all = self.lock();
        let of_component = all.iter().filter(|((of, _), streak)| of == component && streak.failures >= MOST);
        let texts: Vec<String> = of_component.map(|((_, task), streak)| streak.tell(task)).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

/// See `Failures::ending`.
#[must_use]
#[derive(Debug)]
pub struct Ending {
    failures: Failures,
    component: &'static str,
    task: &'static str,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.failures.over(self.component, self.task);
    }
}

impl Streak {
    fn tell(&self, task: &str) -> String {
        let given_up = if self.left.is_some() { ", given up until its input changes or a day has passed" } else { "" };
        format!("{task} failed {} times in a row{given_up}: {}", self.failures, self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn the_third_failure_in_a_row_degrades_and_a_success_clears() {
        let failures = Failures::default();
        for n in 1..=2 {
            assert_eq!(failures.failed("scheduler", "rule age", Kind::Outage, "away"), n);
            assert_eq!(failures.of("scheduler"), None);
        }
        failures.succeeded("scheduler", "rule age");
        for _ in 0..3 {
            failures.failed("scheduler", "rule age", Kind::Outage, "away");
            failures.failed("scheduler", "rule slot", Kind::Fault, "bad");
        }
        let text = failures.of("scheduler").unwrap();
        assert!(text.contains("rule age failed 3 times in a row: away") && text.contains("rule slot"), "{text}");
        assert_eq!(failures.of("retention"), None);
        failures.succeeded("scheduler", "rule age");
        failures.keep("scheduler", "group", |_| false);
        failures.keep("retention", "rule", |_| false);
        assert!(failures.of("scheduler").is_some_and(|text| text.contains("rule slot") && !text.contains("age")));
        failures.keep("scheduler", "rule", |task| task != "rule slot");
        assert_eq!(failures.of("scheduler"), None);
    }

    #[test]
    fn what_a_component_failed_and_succeeded_at_is_told_by_its_name_alone() {
        let failures = Failures::default();
        for job in 0..5 {
            failures.failed("jobs", &format!("claiming job {job}"), Kind::Outage, "away");
        }
        for _ in 0..3 {
            failures.failed("jobs", "saving a job", Kind::Fault, "bad");
        }
        let told = failures.told();
        let jobs = told["jobs"];
        assert_eq!((told.len(), jobs.failures(Kind::Outage), jobs.failures(Kind::Fault)), (1, 5, 3));
        assert_eq!((jobs.failing, jobs.succeeded_at), (1, None));
        drop(failures.ending("jobs", "saving a job"));
        assert_eq!((failures.told()["jobs"].failing, failures.told()["jobs"].succeeded_at), (0, None));
        failures.succeeded("jobs", "claiming job 1");
        assert!(failures.told()["jobs"].succeeded_at.is_some());
    }

    #[test]
    fn an_outage_is_waited_out_and_a_fault_is_left_for_a_day() {
        let (failures, pauses) = (Failures::default(), (Duration::from_secs(1), Duration::from_secs(60)));
        let waits = |kind, task| -> Vec<u64> {
            (0..8).map(|_| failures.wait("notifier", task, kind, "x", pauses).as_secs()).collect()
        };
        assert_eq!(waits(Kind::Outage, "a"), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits(Kind::Fault, "b"), [1, 2, 86_400, 86_400, 86_400, 86_400, 86_400, 86_400]);
    }

    #[test]
    fn what_is_given_up_is_tried_again_when_its_input_changes_or_a_day_has_passed() {
        let failures = Failures::default();
        let fail = |input: &str| failures.gives_up("scheduler", "rule", Kind::Fault, "a panic", (input, NOW));
        assert_eq!([fail("a"), fail("a"), fail("a")], [false, false, true]);
        assert!(!failures.may_try("scheduler", "rule", ("a", NOW + Duration::from_secs(1))));
        assert!(failures.of("scheduler").unwrap().contains("given up"));
        assert!(failures.may_try("scheduler", "rule", ("b", NOW)), "another input");
        assert!(failures.of("scheduler").is_some(), "degraded until it succeeds");
        assert_eq!([fail("b"), fail("b"), fail("b")], [false, false, true]);
        assert!(failures.may_try("scheduler", "rule", ("b", NOW + LONG_PAUSE)), "a day later");
        assert!(!failures.gives_up("scheduler", "rule", Kind::Outage, "away", ("b", NOW)));
        assert!(failures.may_try("scheduler", "rule", ("b", NOW)), "an outage is never given up");
        assert!(failures.may_try("scheduler", "another rule", ("a", NOW)));
    }

    #[test]
    fn an_outage_is_no_try_of_a_fault() {
        let failures = Failures::default();
        let fail = |kind, input: &str| failures.gives_up("jobs", "claiming", kind, "x", (input, NOW));
        assert_eq!([(); 3].map(|()| fail(Kind::Outage, "a")), [false; 3]);
        assert!(failures.of("jobs").is_some(), "degraded after three failures of any kind");
        assert!(!fail(Kind::Fault, "a"), "the first fault");
        assert!(!fail(Kind::Fault, "a"));
        assert!(!fail(Kind::Outage, "a"), "the count begins anew");
        assert_eq!([(); 3].map(|()| fail(Kind::Fault, "a")), [false, false, true]);
        assert!(!fail(Kind::Fault, "b"), "another input");

        let pauses = (Duration::from_secs(1), Duration::from_secs(60));
        let wait = |kind| failures.wait("jobs", "reading", kind, "x", pauses).as_secs();
        let kinds = [Kind::Outage, Kind::Outage, Kind::Outage, Kind::Fault, Kind::Fault, Kind::Fault];
        assert_eq!(kinds.map(wait), [1, 2, 4, 8, 16, 86_400]);
    }

    #[test]
    fn a_task_that_is_over_fails_no_more() {
        let failures = Failures::default();
        let ending = failures.ending("jobs", "loading");
        for _ in 0..3 {
            failures.failed("jobs", "loading", Kind::Outage, "away");
        }
        assert!(failures.of("jobs").is_some());
        drop(ending);
        assert_eq!(failures.of("jobs"), None);
    }

    #[test]
    fn memory_is_bounded() {
        let failures = Failures::default();
        failures.failed("evaluator", "kept", Kind::Fault, "x");
        failures.failed("evaluator", "kept", Kind::Fault, "x");
        for n in 0..3 * REMEMBERED {
            failures.failed("evaluator", &n.to_string(), Kind::Fault, "x");
        }
        assert!(failures.lock().len() <= REMEMBERED);
        assert_eq!(failures.failed("evaluator", "kept", Kind::Fault, "x"), 3, "what fails most is kept in mind");
    }
}
