//! The arbiter settles pending triggers: each leads to a new job, joins a waiting one, or is recorded with the reason
//! why there is no job.

use super::settlement::{Next, after_join, after_submit};
use super::{COMPONENT, Look, TriggerLoop, config_of, is_automatic, rules};
use crate::failures::Kind;
use crate::jobs::{Joined, Submission, Submitted};
use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::TrainingConfig;
use provost_domain::gate::ActivationWish;
use provost_store::{StoreError, TriggerRecord};

/// Pending triggers with the same configuration.
struct Group {
    config: TrainingConfig,
    hash: String,
    triggers: Vec<TriggerRecord>,
}

/// Prefix of the task's name in reports of failures.
const TASK: &str = "making a job of triggers";

fn task_of(config_hash: &str) -> String {
    format!("{TASK} for configuration {}", config_hash.get(..12).unwrap_or(config_hash))
}

impl TriggerLoop {
    /// Returns the failures of groups of triggers.
    pub(super) async fn arbitrate(&self, look: Look) -> Result<Option<String>, StoreError> {
        let pending = self.resources.triggers.pending_triggers().await?;
        let mut groups: Vec<Group> = Vec::new();
        for mut trigger in pending {
            if is_automatic(trigger.trigger.trigger_type) && trigger.activation == ActivationWish::None {
                trigger.activation = rules::wish(&look.schedule);
            }
            let config = config_of(&trigger, &look.schedule);
            let hash = config.content_hash();
            match groups.iter_mut().find(|g| g.hash == hash) {
                Some(group) => group.triggers.push(trigger),
                None => groups.push(Group { config, hash, triggers: vec![trigger] }),
            }
        }
        let (mut waiting, mut failed) = (0, None);
        let mut ready_at = if groups.is_empty() { None } else { self.ready_at(&look).await? };
        self.seen().cooldown_until = ready_at.filter(|at| *at > look.now);
        let resources = &self.resources;
        let tasks: Vec<String> = groups.iter().map(|g| task_of(&g.hash)).collect();
        resources.failures.keep(COMPONENT, TASK, |task| tasks.iter().any(|known| known == task));
        for group in groups {
            let count = group.triggers.len();
            let task = task_of(&group.hash);
            let ids: Vec<&str> = group.triggers.iter().map(|t| t.id.as_str()).collect();
            let tried = (ids.join(" "), resources.clock.monotonic());
            let tried = (tried.0.as_str(), tried.1);
            if !resources.failures.may_try(COMPONENT, &task, tried) {
                waiting += count;
                continue;
            }
            match self.settle(&look, group, &mut ready_at).await {
                Ok(settled) => {
                    resources.failures.succeeded(COMPONENT, &task);
                    waiting += if settled { 0 } else { count };
                }
                Err(Failed { kind, text }) => {
                    waiting += count;
                    resources.failures.gives_up(COMPONENT, &task, kind, &text, tried);
                    failed.get_or_insert(text);
                }
            }
        }
        self.seen().pending = waiting;
        Ok(failed)
    }

    /// The end of the cooldown after the last automatic job.
    async fn ready_at(&self, look: &Look) -> Result<Option<DateTime<Utc>>, StoreError> {
        let cooldown = TimeDelta::from_std(self.resources.cooldown).unwrap_or(TimeDelta::MAX);
        Ok(self.last_automatic(look.now).await?.and_then(|at| at.checked_add_signed(cooldown)))
    }

    /// Whether the triggers were settled; others are tried again at the next look.
    async fn settle(
        &self,
        look: &Look,
        mut group: Group,
        ready_at: &mut Option<DateTime<Utc>>,
    ) -> Result<bool, Failed> {
        let cooling = ready_at.is_some_and(|at| at > look.now);
        let joined = self.admission.join(group.hash.clone(), group.triggers.clone()).await;
        if let Ok(Joined::Job(job)) = &joined {
            tracing::info!(%job, triggers = group.triggers.len(), "triggers joined a job that waits");
        }
        match after_join(&joined, cooling) {
            Next::Submit => {}
            Next::SettleSlots => {
                let (slots, others): (Vec<_>, Vec<_>) = group.triggers.into_iter().partition(rules::is_slot);
                self.settle_all(&slots, "a job for the same configuration was running").await?;
                return Ok(others.is_empty());
            }
            next => return self.carry_out(next, &group.triggers).await,
        }
        let by = group.triggers.first().and_then(|t| t.trigger.triggered_by.clone());
        for trigger in &mut group.triggers {
            trigger.config = Some(group.config.clone());
        }
        let submission =
            Submission { config: group.config, created_by: by, triggers: group.triggers.clone(), idempotency: None };
        let submitted = self.admission.submit(submission, None).await;
        match &submitted {
            Ok(Submitted::New(accepted)) => {
                tracing::info!(job = %accepted.job.job_id, triggers = group.triggers.len(), "triggers led to a job");
                // The cooldown now applies to the next group of this look as well.
                let cooldown = TimeDelta::from_std(self.resources.cooldown).unwrap_or(TimeDelta::MAX);
                *ready_at = look.now.checked_add_signed(cooldown);
                self.seen().cooldown_until = *ready_at;
            }
            Ok(Submitted::Repeated(_)) => {}
            Err(error) => tracing::debug!(%error, "no job was created for triggers"),
        }
        self.carry_out(after_submit(&submitted), &group.triggers).await
    }

    /// Whether the triggers are settled.
    async fn carry_out(&self, next: Next, triggers: &[TriggerRecord]) -> Result<bool, Failed> {
        match next {
            Next::Settled => Ok(true),
            Next::Wait | Next::Submit | Next::SettleSlots => Ok(false),
            Next::Refuse(why) => {
                tracing::warn!(why, triggers = triggers.len(), "triggers lead to no job");
                self.settle_all(triggers, &why).await?;
                Ok(true)
            }
            Next::Failed { kind, text } => Err(Failed { kind, text }),
        }
    }

    /// Records why these triggers lead to no job of their own.
    async fn settle_all(&self, triggers: &[TriggerRecord], why: &str) -> Result<(), StoreError> {
        for trigger in triggers {
            self.resources.triggers.settle_trigger(&trigger.id, why.to_owned()).await?;
        }
        Ok(())
    }
}

/// Why a group of triggers could not be settled in this look.
struct Failed {
    kind: Kind,
    text: String,
}

impl From<StoreError> for Failed {
    fn from(e: StoreError) -> Self {
        Self { kind: Kind::of(&e), text: e.to_string() }
    }
}
