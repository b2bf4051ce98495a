//! The latest events, and which of them happened since the browser's last visit.

use super::super::needs::name_of;
use super::super::text::{Mark, Moment, activated_by, counted, short};
use super::super::{PageError, State};
use chrono::{DateTime, Utc};
use provost_domain::gate::GateOutcome;
use provost_domain::job::JobStatus;

/// Something that happened.
pub struct Change {
    pub mark: Mark,
    pub fact: String,
    pub path: String,
    pub at: Moment,
    order: DateTime<Utc>,
    /// Whether it happened since the last visit.
    pub is_new: bool,
}

/// The latest ends of jobs, activations and decisions.
pub async fn changes(
    state: &State,
    now: DateTime<Utc>,
    visited: Option<DateTime<Utc>>,
) -> Result<Vec<Change>, PageError> {
    let store = state.handle.store();
    let (jobs, activations, decisions) =
        tokio::try_join!(store.list_jobs(None, None, 10), store.activations(None, 6), store.decisions(None, None, 6))?;
    let mut changes = Vec::new();
    let mut add = |mark: Mark, fact: String, path: String, order: DateTime<Utc>| {
        let is_new = visited.is_some_and(|visited| order > visited);
        changes.push(Change { mark, fact, path, at: Moment::new(order, now), order, is_new });
    };
    for job in jobs.items.iter().filter(|job| job.status.is_final()) {
        let mark = Mark::of_job(job.status);
        let models = counted(job.trained_models.len() as u64, "model");
        let fact = match job.status {
            JobStatus::Completed => format!("Training job {} is done: {models}", short(job.job_id.as_str())),
            _ => format!("Training job {} {}", short(job.job_id.as_str()), mark.word),
        };
        add(mark, fact, format!("/jobs/{}", job.job_id), job.completed_at.unwrap_or(job.created_at));
    }
    for a in &activations.items {
        let by = activated_by(a.activated_by.as_deref());
        let fact = format!("{} serves, by {by}", name_of(a.model_id.as_str()));
        add(Mark::SERVING, fact, format!("/models/{}", a.model_id), a.activated_at);
    }
    for d in decisions.items.iter().filter(|d| d.outcome != GateOutcome::Activated) {
        let mark = Mark::of_decision(d.outcome);
        let fact = format!("{} {}", name_of(d.challenger_id.as_str()), mark.word);
        add(mark, fact, format!("/decisions/{}", d.job_id), d.decided_at);
    }
    changes.sort_by_key(|change| std::cmp::Reverse(change.order));
    changes.truncate(8);
    Ok(changes)
}
