//! The rules: each looks at the store and raises a trigger when its occasion is there. An occasion has an id, so that
//! however often and by however many schedulers it is seen, it is one trigger.

use super::cron::Cron;
use super::occasion::{SlotStep, crossing, slot_step, weeks_too_old};
use super::{COMPONENT, Checked, Look, TriggerLoop, is_automatic};
use crate::error::EvaluateError;
use crate::evaluator::CheckPerformance;
use crate::failures::Kind;
use crate::outbox::announcement_of;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use provost_domain::TrainingJob;
use provost_domain::event::outbound::{DriftAnnouncement, Topic};
use provost_domain::gate::ActivationWish;
use provost_domain::job::JobRecord;
use provost_domain::model::ModelRecord;
use provost_domain::schedule::{ScheduledTrainingConfig, SlotProgress, TrainingTrigger, TriggerType};
use provost_domain::watch::WindowKind;
use provost_domain::watch_alarm::DriftAlarm;
use provost_store::{OutboxMessage, StoreError, TriggerRecord, WindowFilter};
use serde_json::json;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Stands for the schedule while it is off: slots of that time are not missed.
const OFF: &str = "off";

/// Newest jobs that are looked through for the last automatic one.
const JOBS_LOOKED_AT: u32 = 50;
/// Points that come in before the active model's performance is tested again.
pub(super) const CHECK_POINTS: u64 = 100;
/// Between two tests of it: each reads all points.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(60);

/// The rules' names, in the status and where a failure is told.
const SLOT: &str = "slot";
const THRESHOLD: &str = "threshold";
const AGE: &str = "age";
const PERFORMANCE: &str = "performance";
const DRIFT: &str = "drift";

/// Newest windows of each kind that are looked through for the one that raised an alarm.
const WINDOWS_LOOKED_AT: u32 = 50;

/// Why a rule could not be evaluated.
#[derive(Debug, thiserror::Error)]
enum RuleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the active model's performance cannot be tested: {0}")]
    Evaluate(#[from] EvaluateError),
}

impl RuleError {
    fn kind(&self) -> Kind {
        match self {
            RuleError::Store(e) => Kind::of(e),
            RuleError::Evaluate(e) => e.kind(),
        }
    }
}

/// What the rules know of the active model.
struct ActiveModel {
    model: ModelRecord,
    job: Option<JobRecord>,
}

impl TriggerLoop {
    /// Looks at every rule; one that fails keeps no other from being looked at. Answers what the first of them failed with.
    pub(super) async fn raise(&self, look: &Look) -> Result<Option<String>, StoreError> {
        // A process that has no rules leaves the slots to one that has.
        if !self.resources.enabled {
            return Ok(None);
        }
        let enabled = look.schedule.enabled;
        let input = look.schedule.training_config.content_hash();
        let slot = format!("{} {}", look.schedule.schedule_cron, look.schedule.time_zone);
        let slot = self.rule(SLOT, &slot, self.slot(look, enabled)).await;
        if !enabled {
            self.seen().new_points = None;
            // Rules that are off fail at nothing.
            self.resources.failures.keep(COMPONENT, "rule ", |task| task == "rule slot");
            return Ok(slot);
        }
        let active = self.active().await?;
        let arrivals = self.resources.points.point_totals().await?.arrivals;
        let arrived = arrivals.of(look.schedule.training_config.use_verified_only);
        let active = active.as_ref();
        let threshold = self.rule(THRESHOLD, &input, self.threshold(look, active, arrived)).await;
        let age = self.rule(AGE, &input, self.age(look, active)).await;
        // What it is tested on changes with the model and with enough new points.
        let model = active.map_or("", |c| c.model.version.model_id.as_str());
        let tested = format!("{input} {model} {}", arrived / CHECK_POINTS);
        let performance = self.rule_of_performance(&tested, look, active, arrived).await;
        let drift = match self.resources.retrain_on_drift {
            true => self.rule(DRIFT, &format!("{input} {model}"), self.drift(look, active)).await,
            false => None,
        };
        Ok(slot.or(threshold).or(age).or(performance).or(drift))
    }

    /// Looks at one rule, unless it is given up, and counts how that went; answers what it failed with.
    async fn rule(
        &self,
        rule: &'static str,
        input: &str,
        look: impl Future<Output = Result<(), RuleError>>,
    ) -> Option<String> {
        let resources = &self.resources;
        let (task, at) = (format!("rule {rule}"), (input, resources.clock.monotonic()));
        if !resources.failures.may_try(COMPONENT, &task, at) {
            return None;
        }
        let looked = look.await;
        let mut seen = self.seen();
        let counts = seen.rules.entry(rule).or_default();
        counts.looks += 1;
        match looked {
            Ok(()) => {
                resources.failures.succeeded(COMPONENT, &task);
                None
            }
            Err(error) => {
                counts.failures += 1;
                let text = error.to_string();
                resources.failures.gives_up(COMPONENT, &task, error.kind(), &text, at);
                Some(text)
            }
        }
    }

    /// As `rule`. A test that failed is not tried again sooner than one that succeeded would be, whatever comes in.
    async fn rule_of_performance(
        &self,
        input: &str,
        look: &Look,
        active: Option<&ActiveModel>,
        arrived: u64,
    ) -> Option<String> {
        let now = self.resources.clock.monotonic();
        if lock(&self.check_failed).is_some_and(|at| now < at + CHECK_EVERY) {
            return None;
        }
        let failed = self.rule(PERFORMANCE, input, self.performance(look, active, arrived)).await;
        *lock(&self.check_failed) = failed.is_some().then_some(now);
        failed
    }

    async fn active(&self) -> Result<Option<ActiveModel>, StoreError> {
        let Some(id) = self.resources.models.active_model().await? else { return Ok(None) };
        let Some(model) = self.resources.models.model(&id).await? else { return Ok(None) };
        let job = self.resources.jobs.job(&model.job_id).await?;
        Ok(Some(ActiveModel { model, job }))
    }

    /// Records an occasion that is not recorded yet.
    async fn occasion(
        &self,
        rule: &'static str,
        id: String,
        trigger: TrainingTrigger,
        activation: ActivationWish,
    ) -> Result<(), StoreError> {
        self.announced(rule, id, trigger, activation, Vec::new()).await
    }

    async fn announced(
        &self,
        rule: &'static str,
        id: String,
        trigger: TrainingTrigger,
        activation: ActivationWish,
        outbox: Vec<OutboxMessage>,
    ) -> Result<(), StoreError> {
        let (kind, reason) = (trigger.trigger_type, trigger.reason.clone());
        let record = TriggerRecord { id, trigger, config: None, activation, job_id: None, outcome: None };
        if self.resources.triggers.add_trigger(record, outbox).await? {
            self.seen().rules.entry(rule).or_default().triggers += 1;
            tracing::info!(%kind, reason, "a trigger");
        }
        Ok(())
    }

    /// The last slot that has passed, once, however many were missed. A schedule that is new, was changed, or was off has
    /// missed none.
    async fn slot(&self, look: &Look, enabled: bool) -> Result<(), RuleError> {
        let schedule = &look.schedule;
        let name = if enabled { format!("{} {}", schedule.schedule_cron, schedule.time_zone) } else { OFF.to_owned() };
        let progress = self.resources.schedule.slot_progress().await?.filter(|p| p.schedule == name);
        let until = progress.map(|progress| progress.until);
        let last = match until {
            Some(_) if enabled => {
                let cron = Cron::parse(&schedule.schedule_cron, &schedule.time_zone);
                // It was checked when it was put; an older version may have allowed it.
                let cron = cron.map_err(|e| StoreError::Invalid(format!("the stored schedule: {e}")))?;
                self.seen().next_slot = cron.next_after(look.now);
                cron.last_until(look.now)
            }
            _ => {
                self.seen().next_slot = None;
                None
            }
        };
        let slot = match slot_step(enabled, until, look.now, last) {
            SlotStep::Nothing => return Ok(()),
            SlotStep::StartFromNow => {
                return Ok(self
                    .resources
                    .schedule
                    .put_slot_progress(SlotProgress { schedule: name, until: look.now })
                    .await?);
            }
            SlotStep::Raise(slot) => slot,
        };
        let shown = slot.to_rfc3339_opts(SecondsFormat::Secs, true);
        let reason = format!("the slot {shown} of `{}` ({})", schedule.schedule_cron, schedule.time_zone);
        let mut trigger = raised(TriggerType::Scheduled, look.now, reason);
        trigger.evidence = Some(json!({"slot": shown, "rule": "cron"}));
        self.occasion(SLOT, format!("slot:{name}:{shown}"), trigger, wish(schedule)).await?;
        // After the trigger: a crash in between raises the same occasion again, which is the same trigger.
        Ok(self.resources.schedule.put_slot_progress(SlotProgress { schedule: name, until: slot }).await?)
    }

    /// New rows with an outcome since the rows of the active model were read, or since the last job that their number led to; with
    /// no active model since the last job; with neither since ever.
    async fn threshold(&self, look: &Look, active: Option<&ActiveModel>, arrived: u64) -> Result<(), RuleError> {
        let config = &look.schedule.training_config;
        let known =
            |job: Option<&JobRecord>| job.and_then(|j| j.arrivals).map_or(0, |a| a.of(config.use_verified_only));
        // What led to a challenger that was not better is not new any more.
        let counts = |kind: TriggerType| active.is_none() || kind == TriggerType::DataThreshold;
        let last = self.last_that_read(look, counts).await?;
        let origin = known(active.and_then(|c| c.job.as_ref())).max(known(last.as_ref()));
        let new = arrived.saturating_sub(origin);
        self.seen().new_points = Some(new);
        let needed = look.schedule.min_new_samples;
        // Single flight: a job that is at work may be reading these points just now, and one occasion is enough.
        let waits = |t: &TriggerRecord| t.is_pending() && t.trigger.trigger_type == TriggerType::DataThreshold;
        let Some(crossing) = crossing(new, needed) else { return Ok(()) };
        if look.at_work(&config.content_hash()) || look.triggers.iter().any(waits) {
            return Ok(());
        }
        let reason = format!("{new} new rows with an outcome; {needed} are enough");
        let mut trigger = raised(TriggerType::DataThreshold, look.now, reason);
        trigger.new_samples_count = Some(new);
        trigger.evidence = Some(json!({
            "new_points": new, "min_new_samples": needed, "since": origin,
            "use_verified_only": config.use_verified_only,
            "active_model_id": active.map(|c| &c.model.version.model_id),
        }));
        // A crossing whose job failed before it had read the data is raised again with as many points more.
        self.occasion(THRESHOLD, format!("data_threshold:{origin}:{crossing}"), trigger, wish(&look.schedule)).await?;
        Ok(())
    }

    /// The newest job that such a trigger led to and that has read its rows: one that ended before says nothing.
    async fn last_that_read(
        &self,
        look: &Look,
        counts: impl Fn(TriggerType) -> bool,
    ) -> Result<Option<JobRecord>, StoreError> {
        let mut last = None;
        for id in look.triggers.iter().filter(|t| counts(t.trigger.trigger_type)).filter_map(|t| t.job_id.as_ref()) {
            if last == Some(id) {
                continue;
            }
            last = Some(id);
            if let Some(job) = self.resources.jobs.job(id).await?.filter(|j| j.arrivals.is_some()) {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    async fn age(&self, look: &Look, active: Option<&ActiveModel>) -> Result<(), RuleError> {
        let Some(active) = active else { return Ok(()) };
        let version = &active.model.version;
        let limit = TimeDelta::days(i64::from(look.schedule.max_model_age_days));
        let age = look.now - version.training_date;
        let Some(weeks) = weeks_too_old(age, limit) else { return Ok(()) };
        if look.at_work(&look.schedule.training_config.content_hash()) {
            return Ok(());
        }
        let days = age.num_days();
        let reason =
            format!("the active model is {days} days old; from {} days on another is trained", limit.num_days());
        let mut trigger = raised(TriggerType::Scheduled, look.now, reason);
        trigger.evidence = Some(json!({
            "rule": "age", "age_days": age.num_days(), "max_model_age_days": limit.num_days(),
            "active_model_id": version.model_id,
        }));
        let activation = match wish(&look.schedule) {
            ActivationWish::IfBetter => ActivationWish::IfNotWorse,
            other => other,
        };
        // Where nothing came of it, the model is asked about again when it has aged a week more.
        self.occasion(AGE, format!("age:{}:{weeks}", version.model_id), trigger, activation).await?;
        Ok(())
    }

    /// Whether the active model predicts newer rows as well as it predicted the last year of its own data. Tested again
    /// when enough has come in to move the answer, and every day, since cohorts mature.
    async fn performance(&self, look: &Look, active: Option<&ActiveModel>, arrived: u64) -> Result<(), RuleError> {
        let Some(active) = active else { return Ok(()) };
        let config = &look.schedule.training_config;
        let version = &active.model.version;
        let now = Checked {
            model: version.model_id.clone(),
            arrived,
            on: look.now.date_naive(),
            at: self.resources.clock.monotonic(),
        };
        if lock(&self.checked).as_ref().is_some_and(|last| !now.is_due(last)) || look.at_work(&config.content_hash()) {
            return Ok(());
        }
        let check = CheckPerformance { model: active.model.clone(), config: config.clone() };
        let found = self.evaluator.send(check).await.map_err(EvaluateError::from)??;
        self.seen().rules.entry(PERFORMANCE).or_default().tests += 1;
        let none = "the active model has no figures of a last year in time to compare with";
        self.seen().performance = Some(found.as_ref().map_or(none.to_owned(), |f| f.reason.clone()));
        if let Some(drop) = found.filter(|f| f.dropped) {
            let mut trigger = raised(TriggerType::PerformanceDrop, look.now, drop.reason.clone());
            let evidence = serde_json::to_value(&drop).unwrap_or_default(); // numbers and texts: it serialises
            trigger.evidence = Some(evidence.clone());
            let announcement =
                DriftAnnouncement { model_id: version.model_id.clone(), reason: drop.reason.clone(), evidence };
            let id = format!("performance_drop:{}:{}", version.model_id, drop.windows);
            let told = announcement_of(
                format!("{}:{id}", Topic::DriftDetected),
                Topic::DriftDetected,
                &announcement,
                look.now,
            );
            self.announced(PERFORMANCE, id, trigger, wish(&look.schedule), vec![told]).await?;
        }
        *lock(&self.checked) = Some(now);
        Ok(())
    }

    /// Whether the data has drifted from what the active model was trained on. One alarm is one occasion, however long it stands.
    async fn drift(&self, look: &Look, active: Option<&ActiveModel>) -> Result<(), RuleError> {
        let Some(active) = active else { return Ok(()) };
        if look.at_work(&look.schedule.training_config.content_hash()) {
            return Ok(());
        }
        let model_id = &active.model.version.model_id;
        for kind in WindowKind::ALL {
            let filter = WindowFilter { model_id: Some(model_id.clone()), kind: Some(*kind) };
            let windows = self.resources.windows.watched_windows(filter, None, WINDOWS_LOOKED_AT).await?.items;
            let Some(alarm) = DriftAlarm::standing(&windows) else { continue };
            let mut trigger = raised(TriggerType::Drift, look.now, format!("the data has drifted: {}", alarm.reason()));
            // Numbers and texts: it serialises.
            trigger.evidence = serde_json::to_value(&alarm).ok();
            let id = format!("drift:{model_id}:{}", alarm.window_id);
            self.occasion(DRIFT, id, trigger, wish(&look.schedule)).await?;
        }
        Ok(())
    }

    /// When the last job that nobody asked for by hand was created, looking through the newest jobs. One from the future is
    /// one of a clock that has been set back since.
    pub(super) async fn last_automatic(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, StoreError> {
        let jobs = self.resources.jobs.newest_jobs(JOBS_LOOKED_AT).await?;
        let automatic = |job: &TrainingJob| job.triggers.iter().any(|t| is_automatic(t.trigger_type));
        Ok(jobs.iter().find(|job| job.created_at <= now && automatic(job)).map(|job| job.created_at))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn raised(kind: TriggerType, at: DateTime<Utc>, reason: String) -> TrainingTrigger {
    TrainingTrigger::new(kind, at, Some("scheduler".to_owned()), Some(reason))
}

/// Whether a trigger is a slot of the schedule.
pub(super) fn is_slot(trigger: &TriggerRecord) -> bool {
    trigger.trigger.trigger_type == TriggerType::Scheduled
        && trigger.trigger.evidence.as_ref().is_some_and(|e| e["rule"] == "cron")
}

/// What becomes of a job's best model when the schedule led to it.
pub(super) fn wish(schedule: &ScheduledTrainingConfig) -> ActivationWish {
    if schedule.auto_activate_if_better { ActivationWish::IfBetter } else { ActivationWish::Approval }
}
