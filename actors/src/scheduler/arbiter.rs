//! The arbiter: each pending trigger leads to a new job, joins one that waits, or is told why it leads to none.

use super::{Desk, Look, config_of, is_automatic, may_pass, rules};
use crate::error::SubmitError;
use crate::jobs::{Joined, Submission, Submitted};
use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::TrainingConfig;
use provost_domain::gate::ActivationWish;
use provost_store::{StoreError, TriggerRecord};

/// Triggers that wait for one configuration.
struct Group {
    config: TrainingConfig,
    hash: String,
    triggers: Vec<TriggerRecord>,
}

impl Desk {
    pub(super) async fn arbitrate(&self, look: Look) -> Result<(), StoreError> {
        let pending = self.door.options.store.pending_triggers().await?;
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
        let mut waiting = 0;
        let mut ready_at = if groups.is_empty() { None } else { self.ready_at(&look).await? };
        self.seen().cooldown_until = ready_at.filter(|at| *at > look.now);
        for group in groups {
            let count = group.triggers.len();
            if !self.settle(&look, group, &mut ready_at).await? {
                waiting += count;
            }
        }
        self.seen().pending = waiting;
        Ok(())
    }

    /// When the cooldown after the last automatic job is over.
    async fn ready_at(&self, look: &Look) -> Result<Option<DateTime<Utc>>, StoreError> {
        let cooldown = TimeDelta::from_std(self.door.options.cooldown).unwrap_or(TimeDelta::MAX);
        Ok(self.last_automatic(look.now).await?.and_then(|at| at.checked_add_signed(cooldown)))
    }

    /// Whether something has become of the triggers; those that wait are looked at again.
    async fn settle(
        &self,
        look: &Look,
        mut group: Group,
        ready_at: &mut Option<DateTime<Utc>>,
    ) -> Result<bool, StoreError> {
        match self.door.join(group.hash.clone(), group.triggers.clone()).await {
            Ok(Joined::Job(job)) => {
                tracing::info!(%job, triggers = group.triggers.len(), "triggers joined a job that waits");
                return Ok(true);
            }
            Ok(Joined::None) => {}
            Ok(Joined::Busy) => return Ok(false),
            Ok(Joined::Begun) => {
                // A request waits for a job of its own; the schedule's own slot is served by the one that has begun.
                let (slots, others): (Vec<_>, Vec<_>) = group.triggers.into_iter().partition(rules::is_slot);
                for slot in slots {
                    let why = "a job for the same configuration was running".to_owned();
                    self.door.options.store.settle_trigger(&slot.id, why).await?;
                }
                return Ok(others.is_empty());
            }
            Err(error) => {
                tracing::warn!(%error, "triggers wait: they could not be joined to a job");
                return Ok(false);
            }
        }
        if ready_at.is_some_and(|at| at > look.now) {
            return Ok(false);
        }
        let by = group.triggers.first().and_then(|t| t.trigger.triggered_by.clone());
        for trigger in &mut group.triggers {
            trigger.config = Some(group.config.clone());
        }
        let submission =
            Submission { config: group.config, created_by: by, triggers: group.triggers.clone(), idempotency: None };
        match self.door.submit(submission).await {
            Ok(Submitted::New { job, .. }) => {
                tracing::info!(job = %job.job_id, triggers = group.triggers.len(), "triggers led to a job");
                // The next group of this look has its cooldown too.
                let cooldown = TimeDelta::from_std(self.door.options.cooldown).unwrap_or(TimeDelta::MAX);
                *ready_at = look.now.checked_add_signed(cooldown);
                self.seen().cooldown_until = *ready_at;
                Ok(true)
            }
            Ok(Submitted::Repeated(_)) | Err(SubmitError::Settled) => Ok(true),
            Err(error) if may_pass(&error) => {
                tracing::warn!(%error, "triggers wait: no job could be created for them");
                Ok(false)
            }
            Err(error) => {
                let why = refusal(&error);
                tracing::warn!(why, triggers = group.triggers.len(), "triggers lead to no job");
                for trigger in &group.triggers {
                    self.door.options.store.settle_trigger(&trigger.id, why.clone()).await?;
                }
                Ok(true)
            }
        }
    }
}

fn refusal(error: &SubmitError) -> String {
    match error {
        SubmitError::Quality(report) => format!("{error}: {}", report.quality_issues.join("; ")),
        error => error.to_string(),
    }
}
