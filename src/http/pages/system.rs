//! `/system`: the service's parts, the reasons for training, the messages on the bus, the audit log and the keys.

use super::facts::{Facts, facts};
use super::needs::told;
use super::shell::{Section, Shell};
use super::text::{Mark, Moment, count, reason, said, short, shown, span};
use super::{PageError, State, html};
use crate::http::problem::{only, readable};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use provost_actors::{Cron, KEPT_WITHOUT_BUS};
use provost_domain::audit::AuditEntry;
use provost_domain::key::ApiKey;
use provost_domain::schedule::ScheduledTrainingConfig;
use provost_domain::status::{Health, component_title};
use provost_store::TriggerRecord;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/system").route(readable().to(page)).default_service(only("GET, HEAD")));
}

struct Component {
    id: String,
    name: String,
    mark: Mark,
    restarts: u64,
    panics: u64,
    error: String,
    state: Facts,
}

struct Trigger {
    at: Moment,
    kind: &'static str,
    by: String,
    why: String,
    job: Option<(String, String)>,
    outcome: String,
}

struct Deed {
    number: String,
    at: Moment,
    who: String,
    act: String,
    subject: String,
    outcome: String,
}

struct Key {
    name: String,
    id: String,
    role: String,
    created: Moment,
    mark: Mark,
    until: String,
}

#[derive(Template)]
#[template(path = "system/page.html")]
struct Page {
    shell: Shell,
    health: Mark,
    components: Vec<Component>,
    schedule: Vec<(&'static str, String)>,
    triggers: Vec<Trigger>,
    messages: Vec<(&'static str, String)>,
    outbox: Vec<(&'static str, String)>,
    deeds: Vec<Deed>,
    keys: Vec<Key>,
}

fn trigger(record: &TriggerRecord, now: DateTime<Utc>) -> Trigger {
    let trigger = &record.trigger;
    Trigger {
        at: Moment::new(trigger.triggered_at, now),
        kind: reason(trigger.trigger_type),
        by: trigger.triggered_by.as_deref().map(shown).unwrap_or_default(),
        why: trigger.reason.as_deref().map(said).unwrap_or_default(),
        job: record.job_id.as_ref().map(|id| (format!("/jobs/{id}"), short(id.as_str()))),
        outcome: record
            .outcome
            .as_deref()
            .map_or_else(|| if record.is_pending() { "waits".to_owned() } else { String::new() }, said),
    }
}

fn deed(entry: &AuditEntry, now: DateTime<Utc>) -> Deed {
    Deed {
        number: count(entry.number),
        at: Moment::new(entry.deed.at, now),
        who: shown(&entry.deed.who),
        act: entry.deed.act.as_str().replace('_', " "),
        subject: shown(&entry.deed.subject),
        outcome: entry.deed.outcome.as_deref().map(shown).unwrap_or_default(),
    }
}

fn key(key: &ApiKey, now: DateTime<Utc>) -> Key {
    let ends = [key.expires_at, key.revoked_at].into_iter().flatten().min();
    Key {
        name: key.name.as_deref().map(shown).unwrap_or_default(),
        id: key.id.clone(),
        role: key.role.to_string(),
        created: Moment::new(key.created_at, now),
        mark: if key.is_valid(now) { Mark::VALID } else { Mark::ENDED },
        until: ends.map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default(),
    }
}

fn schedule(schedule: &ScheduledTrainingConfig, is_on: bool, now: DateTime<Utc>) -> Vec<(&'static str, String)> {
    let next = Cron::parse(&schedule.schedule_cron, &schedule.time_zone).ok().and_then(|cron| cron.next_after(now));
    let next =
        next.map(|at| format!("{}, in {}", at.format("%Y-%m-%d %H:%M UTC"), span((at - now).num_seconds() as f64)));
    let state = match (schedule.enabled, is_on) {
        (true, true) => "on".to_owned(),
        (true, false) => "on, but this process does not schedule (schedule.enabled = false)".to_owned(),
        (false, _) => "off".to_owned(),
    };
    let gate = match schedule.auto_activate_if_better {
        true => format!("by itself, if better by {} beyond chance", schedule.improvement_threshold),
        false => "after somebody's approval".to_owned(),
    };
    vec![
        ("Schedule", state),
        ("When", format!("{} ({})", shown(&schedule.schedule_cron), shown(&schedule.time_zone))),
        ("Next", next.unwrap_or_else(|| "–".to_owned())),
        ("New rows that start a training", count(schedule.min_new_samples)),
        ("Age that starts a training", format!("{} days", schedule.max_model_age_days)),
        ("A better model serves", gate),
        ("Mail to", shown(&schedule.notification_emails.join(", "))),
    ]
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let (store, now) = (state.handle.store(), state.handle.options().clock.now());
    let mut shell = Shell::of(&request, Section::System, "System");
    let components = state.handle.components().await;
    let triggers = store.list_triggers(None, 20).await?.items;
    let (events, mails) = tokio::try_join!(store.outbox_count("event"), store.outbox_count("mail"))?;
    let (deeds, keys) = if shell.may_administer {
        let (audit, keys) = tokio::try_join!(store.audit(None, 30), store.keys())?;
        (audit.items, keys)
    } else {
        (Vec::new(), Vec::new())
    };
    let unwell = components.values().filter(|c| matches!(c.health, Health::Degraded | Health::Down)).count();
    let health = Mark::of_health(if unwell > 0 { Health::Degraded } else { Health::Up });
    shell.title = format!("{} System", health.shape);
    let bus = |pointer| count(told(&components, "bridge", pointer));
    let has_no_bus = components.get("bridge").is_some_and(|bridge| bridge.health == Health::Disabled);
    let announcements = match (has_no_bus, state.handle.options().leases.is_none()) {
        (true, true) => {
            format!(
                "{}; no bus is configured, so at most the newest {} are kept",
                count(events),
                count(KEPT_WITHOUT_BUS)
            )
        }
        (true, false) => format!("{}; this server has no bus", count(events)),
        (false, _) => count(events),
    };
    html(&Page {
        health,
        components: components
            .iter()
            .map(|(name, found)| Component {
                id: name.clone(),
                name: component_title(name),
                mark: Mark::of_health(found.health),
                restarts: found.restarts,
                panics: found.panics,
                error: found.last_error.as_deref().map(shown).unwrap_or_default(),
                // Addresses of servers are for admins.
                state: if shell.may_administer { facts(&found.state) } else { Vec::new() },
            })
            .collect(),
        schedule: schedule(&store.schedule().await?.unwrap_or_default(), state.handle.options().schedule_enabled, now),
        triggers: triggers.iter().map(|record| trigger(record, now)).collect(),
        messages: vec![
            ("Taken in", bus("/events/taken")),
            ("Repeated", bus("/events/duplicates")),
            ("Set aside", bus("/events/parked")),
            ("Tried again", bus("/events/retried")),
        ],
        outbox: vec![("Announcements that wait", announcements), ("Mails that wait", count(mails))],
        deeds: deeds.iter().map(|entry| deed(entry, now)).collect(),
        keys: keys.iter().rev().map(|one| key(one, now)).collect(),
        shell,
    })
}
