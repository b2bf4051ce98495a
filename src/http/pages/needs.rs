//! What waits for a person, derived from what the service knows: each fact says since when, and where to deal with it.

use super::text::{Mark, Moment, algorithm, counted, said, short, shown};
use super::{PageError, State};
use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::gate::{GateDecision, GateOutcome};
use provost_domain::job::JobStatus;
use provost_domain::model::Activation;
use provost_domain::status::{ComponentStatus, Health};
use std::collections::BTreeMap;

/// Failed jobs of so many days count; older ones are in the list of jobs.
const DAYS: i64 = 7;
/// Rows of one kind at most.
const MOST: u32 = 5;

pub struct Need {
    pub mark: Mark,
    pub fact: String,
    pub detail: String,
    pub since: Option<Moment>,
    pub path: String,
    pub action: &'static str,
}

pub type Components = BTreeMap<String, ComponentStatus>;

/// A component's name for people.
pub fn component(name: &str) -> String {
    match name {
        "store" => "Store".to_owned(),
        "bridge" => "Bus".to_owned(),
        "notifier" => "Mail".to_owned(),
        name => {
            let words = name.replace('_', " ");
            let mut letters = words.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        }
    }
}

/// A number in an actor's own state.
pub fn told(components: &Components, name: &str, pointer: &str) -> u64 {
    components.get(name).and_then(|component| component.state.pointer(pointer)?.as_u64()).unwrap_or(0)
}

/// Failed jobs, what is unwell, messages set aside, decisions that wait.
pub async fn needs(state: &State, components: &Components, now: DateTime<Utc>) -> Result<Vec<Need>, PageError> {
    let store = state.handle.store();
    let (failed, decisions, activations) = tokio::try_join!(
        store.list_jobs(Some(JobStatus::Failed), None, MOST),
        store.newest_decisions(Some(now - TimeDelta::days(90)), 20),
        store.activations(None, 20),
    )?;
    let mut needs = of_components(components);
    needs.extend(of_decisions(&decisions, &activations.items, now));
    if activations.items.is_empty()
        && let Some(model) = store.list_models(false, None, 1).await?.items.first()
    {
        needs.push(Need {
            mark: Mark::NEEDS,
            fact: "No model serves".to_owned(),
            detail: format!("{} could", counted(store.model_count().await?, "model")),
            since: Some(Moment::new(model.training_date, now)),
            path: "/models".to_owned(),
            action: "Choose one",
        });
    }
    let recent = |at: DateTime<Utc>| now - at < TimeDelta::days(DAYS);
    for job in failed.items.iter().filter(|job| recent(job.completed_at.unwrap_or(job.created_at))) {
        needs.push(Need {
            mark: Mark::FAILED,
            fact: format!("Training job {} failed", short(job.job_id.as_str())),
            detail: job.error_message.as_deref().and_then(|text| text.lines().next()).map(shown).unwrap_or_default(),
            since: Some(Moment::new(job.completed_at.unwrap_or(job.created_at), now)),
            path: format!("/jobs/{}", job.job_id),
            action: "See why",
        });
    }
    Ok(needs)
}

fn of_components(components: &Components) -> Vec<Need> {
    let mut needs: Vec<Need> = components
        .iter()
        .filter(|(_, component)| matches!(component.health, Health::Degraded | Health::Down))
        .map(|(name, found)| Need {
            mark: if found.health == Health::Down { Mark::FAILED } else { Mark::NEEDS },
            fact: format!("{} is {}", component(name), Mark::of_health(found.health).word),
            detail: found.last_error.as_deref().map(shown).unwrap_or_default(),
            since: None,
            path: format!("/system#{name}"),
            action: "Look",
        })
        .collect();
    let aside = told(components, "bridge", "/events/parked");
    if aside > 0 {
        needs.push(Need {
            mark: Mark::ASIDE,
            fact: format!("{} set aside since the start", counted(aside, "message")),
            detail: "They could not be taken in; each has its reason.".to_owned(),
            since: None,
            path: "/system#messages".to_owned(),
            action: "See them",
        });
    }
    needs
}

fn of_decisions(decisions: &[GateDecision], activations: &[Activation], now: DateTime<Utc>) -> Vec<Need> {
    let is_open = |decision: &&GateDecision| {
        decision.outcome == GateOutcome::AwaitsApproval
            && !activations.iter().any(|activation| activation.activated_at >= decision.decided_at)
    };
    decisions
        .iter()
        .filter(is_open)
        .map(|decision| Need {
            mark: Mark::NEEDS,
            fact: format!("{} awaits approval", name_of(decision.challenger_id.as_str())),
            detail: said(&decision.reason),
            since: Some(Moment::new(decision.decided_at, now)),
            path: match &decision.champion_id {
                Some(champion) => format!("/compare?ids={champion}&ids={}", decision.challenger_id),
                None => format!("/models/{}", decision.challenger_id),
            },
            action: "Decide",
        })
        .collect()
}

/// A model's algorithm and the end of its id.
pub fn name_of(id: &str) -> String {
    let name = id.strip_prefix("model_").and_then(|rest| rest.rsplit_once('_')).map_or("", |(name, _)| name);
    let name = provost_domain::Algorithm::parse(name).map_or("Model", algorithm);
    format!("{name} {}", short(id))
}

/// `2 things need you`
pub fn sentence(needs: &[Need], running: usize) -> String {
    match needs.len() {
        0 if running == 0 => "All is well. Nothing needs you.".to_owned(),
        0 => format!("All is well. {} at work; nothing needs you.", counted(running as u64, "job")),
        1 => "1 thing needs you.".to_owned(),
        n => format!("{n} things need you."),
    }
}
