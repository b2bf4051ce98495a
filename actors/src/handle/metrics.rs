//! All metrics of a running system, read at one moment. What needs an actor or the store is waited for within a bound; the rest
//! is always there.

use super::Handle;
use crate::families::{load, of_actors, of_calls, of_failures, of_fits, one, seconds};
use crate::metrics::stored::Figures;
use crate::metrics::{FINAL, Family, Metrics, lock};
use crate::root::degraded;
use crate::supervise::Child;
use provost_domain::status::{ComponentStatus, Health};
use provost_domain::watch::WindowKind;
use rustix::fs::StatVfs;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How long the actors may take to tell their state. Each has less than this to answer; one that is being rebuilt may not.
const ANSWER_WITHIN: Duration = Duration::from_millis(900);

type Components = BTreeMap<String, ComponentStatus>;

impl Handle {
    /// Every metric of this system, in the same order each time. Answered within a second, whatever is away.
    pub async fn metrics(&self) -> Vec<Family> {
        let metrics = &self.options().metrics;
        let components = async {
            let told = tokio::time::timeout(ANSWER_WITHIN, self.components()).await;
            // No component answered in time: on an overloaded machine their state is unknown.
            let names = self.every_child().map(|child| child.name().to_owned()).chain(["store".to_owned()]);
            told.unwrap_or_else(|_| names.map(|name| (name, degraded())).collect())
        };
        let disk = metrics.0.disk.look(self.artifacts().folder(), ANSWER_WITHIN);
        let (components, figures, disk) = tokio::join!(components, metrics.0.stored.figures(&**self.store()), disk);
        let mut families = of_components(&components);
        families.extend(of_actors(self.every_child(), self.panics()));
        families.extend(of_failures(self.every_child().map(Child::name), &self.options().failures));
        families.extend(of_jobs(metrics, &components, figures.as_ref()));
        families.extend(of_fits(metrics));
        families.extend(of_models(self, figures.as_ref()));
        families.extend(of_scheduler(metrics, &components));
        families.extend(of_serving(&components));
        families.extend(of_watch(self, &components));
        families.extend(of_bus(metrics, &components, figures.as_ref()));
        families.extend(of_mail(metrics, figures.as_ref()));
        families.extend(of_store(self, figures.as_ref()));
        families.extend(of_disk(disk.as_ref()));
        families
    }
}

fn of_disk(disk: Option<&StatVfs>) -> Vec<Family> {
    let bytes = |blocks: fn(&StatVfs) -> u64| disk.map(|d| blocks(d).saturating_mul(d.f_frsize));
    vec![
        Family::gauge("provost_disk_free_bytes", "Free space of the disk that holds the artifacts")
            .of_known(bytes(|disk| disk.f_bavail)),
        Family::gauge("provost_disk_size_bytes", "Size of the disk that holds the artifacts")
            .of_known(bytes(|disk| disk.f_blocks)),
    ]
}

const HEALTHS: [(Health, &str); 4] =
    [(Health::Up, "up"), (Health::Degraded, "degraded"), (Health::Down, "down"), (Health::Disabled, "disabled")];

fn of_components(components: &Components) -> Vec<Family> {
    let mut up = Family::gauge("provost_component_up", "Whether a component runs: 0 where it is down");
    let mut health = Family::gauge("provost_component_health", "1 for the state that a component is in, 0 for others");
    for (name, component) in components {
        up.add(one("component", name.clone()), (component.health != Health::Down).into());
        for (state, word) in HEALTHS {
            let labels = vec![("component", name.clone().into()), ("health", word.into())];
            health.add(labels, (component.health == state).into());
        }
    }
    vec![up, health]
}

/// A time that was noted, in seconds since 1970; None where none was.
fn noted(micros: &AtomicI64) -> Option<f64> {
    let micros = micros.load(Ordering::Relaxed);
    (micros != 0).then(|| seconds(micros))
}

/// A number of an actor's own state; None where the actor has not told it.
fn told(components: &Components, component: &str, pointer: &str) -> Option<u64> {
    match components.get(component)?.state.pointer(pointer)? {
        Json::Array(list) => Some(list.len() as u64),
        Json::Bool(yes) => Some(u64::from(*yes)),
        number => number.as_u64(),
    }
}

fn of_jobs(metrics: &Metrics, components: &Components, figures: Option<&Figures>) -> Vec<Family> {
    let counts = &metrics.0;
    let mut jobs = Family::gauge("provost_jobs", "Jobs in the store, by status");
    for (status, count) in figures.iter().flat_map(|figures| &figures.jobs) {
        jobs.add(one("status", status.as_str()), (*count).into());
    }
    let mut ended = Family::counter("provost_jobs_ended", "Jobs that this process saw to their end, by status");
    for (status, count) in FINAL.iter().zip(&counts.jobs_ended) {
        ended.add(one("status", status.as_str()), load(count).into());
    }
    let told = |pointer| told(components, "jobs", pointer);
    vec![
        jobs,
        Family::gauge("provost_queue_jobs", "Jobs that wait in this process").of_known(told("/queued")),
        Family::gauge("provost_queue_max_jobs", "Jobs that may wait (jobs.max_queued)").of_known(told("/max_queued")),
        Family::gauge("provost_running_jobs", "Jobs that run in this process").of_known(told("/running")),
        Family::gauge("provost_running_max_jobs", "Jobs that may run (jobs.max_running)")
            .of_known(told("/max_running")),
        Family::counter("provost_jobs_submitted", "Jobs that this process took in").of(load(&counts.jobs_submitted)),
        ended,
    ]
}

fn of_models(handle: &Handle, figures: Option<&Figures>) -> Vec<Family> {
    let now = handle.options().clock.now();
    let age = |at: chrono::DateTime<chrono::Utc>| seconds((now - at).num_microseconds().unwrap_or(i64::MAX).max(0));
    let active = figures.and_then(|figures| figures.active.as_ref());
    vec![
        Family::gauge("provost_models", "Model versions").of_known(figures.map(|f| f.models)),
        Family::gauge("provost_active_model", "Whether there is an active model")
            .of_known(figures.map(|figures| figures.active.is_some())),
        Family::gauge("provost_active_model_age_seconds", "Since the active model was trained")
            .of_known(active.map(|active| age(active.trained))),
        Family::gauge("provost_active_model_active_seconds", "Since the active model was made the active one")
            .of_known(active.map(|active| age(active.activated))),
        Family::gauge("provost_points", "Data points in the store").of_known(figures.map(|f| f.points)),
    ]
}

fn of_scheduler(metrics: &Metrics, components: &Components) -> Vec<Family> {
    let told = |pointer| told(components, "scheduler", pointer);
    vec![
        Family::counter("provost_scheduler_looks", "Looks of the scheduler at its rules").of(load(&metrics.0.looks)),
        Family::gauge(
            "provost_scheduler_last_look_timestamp_seconds",
            "When the scheduler last looked at its rules, in seconds since 1970",
        )
        .of_known(noted(&metrics.0.last_look)),
        Family::gauge("provost_pending_triggers", "Triggers that have led to nothing yet")
            .of_known(told("/pending_triggers")),
    ]
}

fn of_serving(components: &Components) -> Vec<Family> {
    let told = |pointer| told(components, "serving", pointer);
    vec![
        Family::gauge("provost_serving", "Whether a model serves predictions")
            .of_known(components.get("serving").map(|serving| u64::from(serving.state["model_id"].is_string()))),
        Family::gauge("provost_prediction_log_waiting", "Predictions that wait for the log")
            .of_known(told("/log_waiting")),
        Family::counter("provost_prediction_log_dropped", "Predictions that were not logged, for want of room")
            .of_known(told("/log_dropped")),
        Family::counter("provost_shadow_dropped", "Predictions that no shadow model has scored, for want of room")
            .of_known(told("/shadow_dropped")),
    ]
}

fn of_watch(handle: &Handle, components: &Components) -> Vec<Family> {
    let (metrics, watch) = (&handle.options().metrics, &handle.options().watch);
    let last = noted(&metrics.0.watch_last_look);
    let looks = [
        Family::counter("provost_watch_looks", "Looks of Watch at what came in").of(load(&metrics.0.watch_looks)),
        Family::gauge(
            "provost_watch_last_look_timestamp_seconds",
            "When Watch last looked at what came in, in seconds since 1970",
        )
        .of_known(last),
        Family::gauge(
            "provost_watch_interval_seconds",
            "Longest time between two looks of Watch; absent where it is off",
        )
        .of_known(watch.enabled.then_some(watch.every.as_secs_f64())),
    ];
    let mut windows = Family::counter(
        "provost_watch_windows",
        "Windows of predictions and points that were compared with the serving model's training data",
    );
    let mut alarms = Family::counter("provost_watch_alarm_windows", "Windows that had an alarm");
    let mut waiting = Family::gauge("provost_watch_waiting_rows", "Rows that came in since the last window");
    let mut alarm =
        Family::gauge("provost_watch_alarm", "Whether the last window has an alarm; of the server that watches");
    for (kind, [closed, with_alarm]) in WindowKind::ALL.iter().zip(&metrics.0.windows) {
        windows.add(one("kind", kind.as_str()), load(closed).into());
        alarms.add(one("kind", kind.as_str()), load(with_alarm).into());
        for (gauge, member) in [(&mut waiting, "waiting_rows"), (&mut alarm, "alarm")] {
            if let Some(value) = told(components, "watch", &format!("/{member}/{kind}")) {
                gauge.add(one("kind", kind.as_str()), value.into());
            }
        }
    }
    looks.into_iter().chain([windows, alarms, waiting, alarm]).collect()
}

fn of_bus(metrics: &Metrics, components: &Components, figures: Option<&Figures>) -> Vec<Family> {
    let counts = *metrics.bus();
    let mut connected = Family::gauge(
        "provost_broker_connected",
        "Whether a connection to the broker is there; absent without a broker",
    );
    for (side, pointer) in [("consumer", "/consumer/connected"), ("publisher", "/publisher/connected")] {
        if let Some(is_there) = told(components, "bridge", pointer) {
            connected.add(one("side", side), is_there.into());
        }
    }
    let mut events = Family::counter("provost_events", "Events that came in, by what became of them");
    for (outcome, count) in [
        ("taken", counts.taken),
        ("duplicate", counts.duplicates),
        ("parked", counts.parked),
        ("retried", counts.retried),
        ("replayed", counts.replayed),
    ] {
        events.add(one("outcome", outcome), count.into());
    }
    let mut announcements = Family::counter("provost_announcements", "Announcements, by what became of them");
    for (outcome, count) in [
        ("relayed", counts.relayed),
        ("unroutable", counts.unroutable),
        ("refused", counts.refused),
        ("given_up", counts.given_up),
    ] {
        announcements.add(one("outcome", outcome), count.into());
    }
    let mut queues = Family::gauge("provost_broker_queue_messages", "Messages that are ready in a queue of the broker");
    for (queue, messages) in lock(&metrics.0.queues).iter() {
        queues.add(one("queue", *queue), (*messages).into());
    }
    vec![
        connected,
        Family::gauge("provost_broker_blocked", "Whether the broker holds publishers back").of_known(told(
            components,
            "bridge",
            "/blocked_by_broker",
        )),
        events,
        Family::counter(
            "provost_events_unacknowledged",
            "Acknowledgements that reached no broker: the events come again",
        )
        .of(counts.unacknowledged),
        Family::histogram("provost_inbox_lag_seconds", "From an event's own time to its record")
            .of(metrics.0.lag.read()),
        queues,
        announcements,
        Family::gauge("provost_outbox_messages", "Announcements that wait in the outbox")
            .of_known(figures.map(|figures| figures.announcements)),
    ]
}

fn of_mail(metrics: &Metrics, figures: Option<&Figures>) -> Vec<Family> {
    vec![
        Family::gauge("provost_mail_messages", "Mails that wait").of_known(figures.map(|figures| figures.mails)),
        Family::counter("provost_mails_sent", "Mails that the server accepted").of(load(&metrics.0.mails_sent)),
        Family::counter("provost_mails_dropped", "Mails that were given up").of(load(&metrics.0.mails_dropped)),
    ]
}

fn of_store(handle: &Handle, figures: Option<&Figures>) -> Vec<Family> {
    let mut families = vec![
        Family::gauge("provost_store_up", "Whether the store told within a second what it holds").of(figures.is_some()),
    ];
    families.extend(of_calls(&handle.options().metrics));
    let unreadable = Family::gauge(
        "provost_unreadable_records",
        "Records that were met since the store was opened and could not be read, at most a hundred",
    );
    families.push(unreadable.of(handle.store().unreadable().len() as u64));
    families
}
