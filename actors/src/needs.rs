//! Needs finds what needs a person: failed jobs, candidates that await approval, degraded components, parked messages,
//! and a service in which no model serves. It raises a need for each in the store, and withdraws the need once the
//! cause is gone. Other actors raise needs through the same role, `NeedProducer`.
//!
//! It reconciles like the Scheduler: a need's id is derived from its cause, so that a look after a crash raises nothing
//! twice.

mod facts;

use crate::background::WhileReachable;
use crate::failures::Kind;
use crate::options::NeedsResources;
use crate::root::ANSWER_WITHIN;
use crate::supervise::Status;
use actix::{Actor, AsyncContext, Context, Handler, MessageResult};
use chrono::{DateTime, TimeDelta, Utc};
use facts::Facts;
pub use facts::approval;
use provost_domain::TrainingJob;
use provost_domain::job::JobStatus;
use provost_domain::need::{Need, NeedState};
use provost_store::StoreError;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Interval between looks.
const PERIOD: Duration = Duration::from_secs(3);
/// Jobs that failed longer ago than this raise no need.
const DAYS: i64 = 7;
/// How many failed jobs are considered.
const FAILED_JOBS: u32 = 200;
/// How many waiting and running jobs are considered.
const UNFINISHED_JOBS: usize = 20;
/// How many decisions and activations are considered.
const DECISIONS: u32 = 20;
/// How many facts are remembered.
const REMEMBERED: usize = 500;
const COMPONENT: &str = "needs";

/// Facts about the actor's looks, for `Status`.
#[derive(Default)]
struct Seen {
    looks: u64,
    raised: u64,
    withdrawn: u64,
    error: Option<String>,
}

/// Results of earlier looks, which save calls of the store; a rebuilt actor starts without them.
#[derive(Default)]
struct Known {
    /// The fact that was last raised under each id.
    raised: BTreeMap<String, String>,
    /// Ids that are known to be no open needs.
    gone: BTreeSet<String>,
    /// Components that were degraded in the last look, and since when.
    unwell: BTreeMap<String, DateTime<Utc>>,
    set_aside: u64,
    failed_jobs: u64,
}

struct NeedLoop {
    resources: NeedsResources,
    seen: Arc<Mutex<Seen>>,
    known: Known,
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl NeedLoop {
    async fn run(mut self) {
        let clock = self.resources.clock.clone();
        loop {
            // A component must be degraded in two looks: a start or one slow answer is no need.
            clock.sleep(PERIOD).await;
            let looked = self.look().await;
            match &looked {
                // The store's own state reports that it is away.
                Err(error) if Kind::of(error) == Kind::Outage => {}
                _ => self.resources.failures.note(COMPONENT, "a look", &looked, Kind::of),
            }
            let mut seen = lock(&self.seen);
            seen.looks += 1;
            seen.error = looked.err().map(|error| error.to_string());
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let now = self.resources.clock.now();
        let mut facts = self.component_facts(now).await?;
        facts.extend(self.decision_facts(now).await?);
        facts.here.extend(self.failed_jobs(now).await?);
        let Facts { here, gone } = facts;
        for need in here {
            self.raise(need).await?;
        }
        for id in gone {
            self.withdraw(id, now).await?;
        }
        Ok(())
    }

    async fn component_facts(&mut self, now: DateTime<Utc>) -> Result<Facts, StoreError> {
        let Some(components) = self.resources.components.get().and_then(Weak::upgrade) else {
            return Ok(Facts::default());
        };
        let found = components.look(ANSWER_WITHIN).await.components;
        let mut facts = Facts::default();
        let mut unwell = BTreeMap::new();
        for (name, component) in &found {
            let id = facts::component_id(name);
            if !facts::is_unwell(component.health) {
                facts.gone.push(id);
                continue;
            }
            match self.known.unwell.get(name) {
                Some(since) => {
                    facts.here.push(facts::component(name, component, *since));
                    unwell.insert(name.clone(), *since);
                }
                None if self.known.gone.contains(&id) => {
                    unwell.insert(name.clone(), now);
                }
                None => {
                    // A component that was degraded before this process began has been so since then.
                    let was = self.resources.needs.need(&id).await?.filter(|need| need.withdrawn_at.is_none());
                    unwell.insert(name.clone(), was.map_or(now, |need| need.since));
                }
            }
        }
        self.known.unwell = unwell;
        let set_aside = facts::set_aside(&found);
        if set_aside > self.known.set_aside {
            facts.here.push(facts::messages_set_aside(set_aside, now));
        }
        self.known.set_aside = set_aside;
        Ok(facts)
    }

    async fn decision_facts(&self, now: DateTime<Utc>) -> Result<Facts, StoreError> {
        let (decisions, models) = (&self.resources.decisions, &self.resources.models);
        let newest = decisions.newest_decisions(Some(now - TimeDelta::days(90)), DECISIONS).await?;
        let activations = models.activations(None, DECISIONS).await?.items;
        let mut facts = facts::approvals(&newest, &activations);
        let newest_model = match models.active_model().await? {
            Some(_) => None,
            None => models.list_models(false, None, 1).await?.items.into_iter().next(),
        };
        facts.extend(match newest_model {
            Some(model) => {
                let is_awaited = self.may_activate().await?;
                facts::no_serving_model(models.model_count().await?, model.training_date, is_awaited)
            }
            None => facts::a_model_serves(),
        });
        Ok(facts)
    }

    /// Whether a job that waits or runs may activate its model by itself.
    async fn may_activate(&self) -> Result<bool, StoreError> {
        let jobs = &self.resources.jobs;
        for queued in jobs.unfinished_jobs().await?.into_iter().filter(|job| !job.is_cancelled).take(UNFINISHED_JOBS) {
            match jobs.job(&queued.job_id).await {
                Ok(Some(record)) if record.activation.is_automatic() => return Ok(true),
                // A damaged record never begins, so nobody waits for its model.
                Ok(_) | Err(StoreError::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Recently failed jobs, if there are more than at the last look.
    async fn failed_jobs(&mut self, now: DateTime<Utc>) -> Result<Vec<Need>, StoreError> {
        let counts = self.resources.jobs.job_counts().await?;
        let failed = counts.get(&JobStatus::Failed).copied().unwrap_or(0);
        if failed == self.known.failed_jobs {
            return Ok(Vec::new());
        }
        let ended = |job: &TrainingJob| job.completed_at.unwrap_or(job.created_at);
        let mut jobs = self.resources.jobs.newest_jobs_in(JobStatus::Failed, FAILED_JOBS).await?;
        jobs.retain(|job| now - ended(job) < TimeDelta::days(DAYS));
        self.known.failed_jobs = failed;
        Ok(jobs.iter().map(|job| facts::job_failed(job, ended(job))).collect())
    }

    async fn raise(&mut self, need: Need) -> Result<(), StoreError> {
        let (id, fact) = (need.need_id.clone(), need.fact.clone());
        if self.known.raised.get(&id) == Some(&fact) {
            return Ok(());
        }
        if self.resources.needs.raise_need(need).await? {
            lock(&self.seen).raised += 1;
        }
        self.known.gone.remove(&id);
        self.known.raised.insert(id, fact);
        if self.known.raised.len() > REMEMBERED {
            // Raising a need again changes nothing.
            self.known.raised.clear();
        }
        Ok(())
    }

    async fn withdraw(&mut self, id: String, now: DateTime<Utc>) -> Result<(), StoreError> {
        if self.known.gone.contains(&id) {
            return Ok(());
        }
        let waits = |need: &Need| matches!(need.state(now), NeedState::Open | NeedState::Snoozed);
        if self.resources.needs.need(&id).await?.as_ref().is_some_and(waits)
            && self.resources.needs.withdraw_need(&id, now).await?
        {
            lock(&self.seen).withdrawn += 1;
        }
        self.known.raised.remove(&id);
        self.known.gone.insert(id);
        Ok(())
    }
}

pub struct Needs {
    resources: NeedsResources,
    seen: Arc<Mutex<Seen>>,
}

impl Needs {
    pub fn new(resources: NeedsResources) -> Self {
        Self { resources, seen: Arc::default() }
    }
}

impl Actor for Needs {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        let work = NeedLoop { resources: self.resources.clone(), seen: self.seen.clone(), known: Known::default() };
        context.spawn(WhileReachable::new(work.run()));
    }
}

crate::takes_messages!(Needs);

impl Handler<Status> for Needs {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        let seen = lock(&self.seen);
        MessageResult(json!({
            "health": if seen.error.is_some() { "degraded" } else { "up" },
            "looks": seen.looks,
            "raised": seen.raised,
            "withdrawn": seen.withdrawn,
            "last_error": seen.error,
        }))
    }
}
