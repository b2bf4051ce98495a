//! One attempt at a unit of work: starts it on its Trainer, records its trials, reports its progress and stops it.

mod report;
mod state;

use super::driver::Driver;
use super::step::StepError;
use super::stop::JobStop;
use super::wait::told_to_end;
use super::writer::Patience;
use crate::clock::Sleep;
use crate::executor::{Attempt, Work};
use crate::journal::{self, Meter};
use crate::plan::{self, Unit};
use crate::trainer::Run;
use provost_learn::control::Token;
use provost_learn::train::{Trained, TrialResult};
use provost_learn::{Control, StopReason};
use report::untold;
use serde_json::Value;
use state::{AttemptState, Effect, Input, Limit};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Stops the fit when the driver no longer waits for it.
struct TripOnDrop(Token);
impl Drop for TripOnDrop {
    fn drop(&mut self) {
        self.0.trip(StopReason::Shutdown);
    }
}

/// What a running attempt works with.
struct Running {
    unit: Unit,
    token: Token,
    meter: Meter,
    /// Trials that the event stream does not tell of yet.
    news: Vec<Value>,
    /// Until the next limit is reached.
    limit: Option<Sleep>,
    /// Until the next report.
    tick: Option<Sleep>,
    /// Until the fit has to have ended.
    deadline: Option<Sleep>,
}

impl Driver {
    /// Runs one attempt to its end. What it finished is in the store when this returns, whatever it returns.
    pub(super) async fn attempt(&mut self, unit: Unit, work: Work) -> Result<Trained, StepError> {
        let resources = self.env.resources.clone();
        let algorithm = unit.algorithm;
        let (searching, finishing) = (matches!(work, Work::Search), matches!(work, Work::Finish));
        let (token, meter) = (Token::new(), Meter::default());
        let _end_it = TripOnDrop(token.clone());
        // Beside the loop below, whose saves may have to wait for the store.
        let _hear = AbortOnDrop(tokio::spawn(trip_at_wish(self.stop.clone(), finishing, token.clone())));
        let mut state = AttemptState::new(&work);
        let mut running = Running {
            unit,
            token: token.clone(),
            meter: meter.clone(),
            news: Vec::new(),
            limit: None,
            tick: None,
            deadline: None,
        };
        let finished = self.recorded(&mut state, &mut running).await?;
        let (journal, mut trials) = journal::journal(finished);
        // Beyond the search the time limit changes nothing: what there is is kept.
        let for_fit = if searching { token } else { token.past_time_limit() };
        let attempt = Attempt {
            job: self.writer.id.clone(),
            epoch: self.writer.epoch(),
            algorithm,
            work,
            data: self.data.clone(),
            parts: self.parts.clone(),
            config: self.config.clone(),
            spec: plan::spec(&self.config, algorithm, &resources.grids),
            journal: Arc::new(journal),
            control: Control { token: for_fit, on_progress: Some(meter.reader()) },
            threads: plan::threads(&self.config),
        };
        let Some(trainer) = self.env.peers.trainers.get(&algorithm).cloned() else {
            return Err(StepError::Final(format!("there is no trainer for {algorithm}")));
        };
        let mut outcome = pin!(trainer.send(Run(attempt)));

        self.carry_out(state.step(Input::Begin), &mut running).await?;
        // A wish may have come before the fit began.
        let stop = *self.stop.borrow_and_update();
        self.carry_out(state.step(Input::Stop(stop)), &mut running).await?;
        let outcome = loop {
            let input = tokio::select! {
                biased;
                Some(done) = trials.recv() => match self.keep_trial(unit, done, &mut running.news).await {
                    Ok(()) => Input::Recorded,
                    Err(e) => Input::NotRecorded(e),
                },
                outcome = &mut outcome => break outcome,
                changed = self.stop.changed() => {
                    Input::Stop(if changed.is_ok() { *self.stop.borrow_and_update() } else { JobStop::Shutdown })
                }
                () = over(&mut running.limit) => Input::Limit,
                () = over(&mut running.tick) => Input::Report,
                () = over(&mut running.deadline) => Input::Deadline,
            };
            self.carry_out(state.step(input), &mut running).await?;
        };
        self.report(unit, meter.share(), &mut running.news, Patience::Forever).await?;
        state.result(outcome)
    }

    /// The trials that an earlier process finished. There may be very many: a cancel, a shutdown and the limits are heard
    /// while they are read. At the soft limit the job says so, and the rest is read, since the best of all is kept.
    async fn recorded(
        &mut self,
        state: &mut AttemptState,
        running: &mut Running,
    ) -> Result<Arc<[TrialResult]>, StepError> {
        let (resources, id) = (self.env.resources.clone(), self.writer.id.clone());
        let (unit, token) = (running.unit, running.token.clone());
        let read = async {
            let finished = journal::recorded(&*resources.trials, &id, unit.algorithm, &token).await?;
            let news = untold(&resources, &id, unit, &finished).await?;
            Ok::<_, StepError>((finished, news))
        };
        let mut read = pin!(read);
        self.carry_out(state.step(Input::Read), running).await?;
        loop {
            let input = tokio::select! {
                biased;
                () = told_to_end(self.stop.clone()) => Input::Stop(*self.stop.borrow()),
                () = over(&mut running.limit) => Input::Limit,
                read = &mut read => {
                    let (finished, news) = read?;
                    running.news = news;
                    return Ok(finished);
                }
            };
            self.carry_out(state.step(input), running).await?;
        }
    }

    /// Carries out what follows from an input. An error ends the attempt.
    async fn carry_out(&mut self, effects: Vec<Effect>, running: &mut Running) -> Result<(), StepError> {
        let resources = self.env.resources.clone();
        for effect in effects {
            match effect {
                Effect::Stop(reason) => running.token.trip(reason),
                Effect::SetDeadline => running.deadline = Some(resources.clock.sleep(resources.cancel_deadline)),
                // The store may be away for long. A request to stop is the next input.
                Effect::WarnOfLimit => tokio::select! {
                    biased;
                    () = told_to_end(self.stop.clone()) => {}
                    warned = self.warn_of_limit() => warned?,
                },
                Effect::AwaitLimit(limit) => running.limit = self.until(limit).await,
                Effect::Report => {
                    let share = running.meter.share();
                    self.report(running.unit, share, &mut running.news, Patience::Once).await?;
                }
                Effect::AwaitReport => running.tick = Some(resources.clock.sleep(resources.report_every)),
                Effect::WarnOfLateFit => {
                    let (algorithm, seconds) = (running.unit.algorithm, resources.cancel_deadline.as_secs());
                    let late = format!("{algorithm}: the fit had not ended {seconds} s after it was stopped");
                    self.writer.update(Patience::Forever, |r, n| n.warn(r, &late)).await?;
                }
                Effect::End(why) => return Err(why),
            }
        }
        Ok(())
    }

    /// A sleep until the job has run for as long as this limit allows.
    async fn until(&self, limit: Option<Limit>) -> Option<Sleep> {
        let resources = &self.env.resources;
        let limit = match limit? {
            Limit::Soft => self.time_limit(),
            Limit::Hard => resources.hard_limit,
        };
        let seconds = self.writer.running_seconds().await;
        let left = limit.saturating_sub(Duration::from_secs_f64(seconds.max(0.0)));
        // A limit in the past is the next input. A sleep of zero takes up to a millisecond, in which a fit could begin.
        if left.is_zero() {
            return Some(Box::pin(std::future::ready(())));
        }
        Some(resources.clock.sleep(left))
    }

    async fn warn_of_limit(&self) -> Result<(), StepError> {
        let own = Duration::from_secs(60 * u64::from(self.config.max_training_time_minutes));
        let text = if self.time_limit() == own {
            format!(
                "the time limit of {} min was reached: the best so far is kept",
                self.config.max_training_time_minutes
            )
        } else {
            format!("the service's limit of {} s was reached: the best so far is kept", self.time_limit().as_secs())
        };
        self.writer.update(Patience::Forever, |r, n| n.warn(r, &text)).await?;
        Ok(())
    }
}

/// Trips the token once the job is to stop.
async fn trip_at_wish(mut stop: watch::Receiver<JobStop>, finishing: bool, token: Token) {
    if let Ok(wish) = stop.wait_for(|stop| stop.ends_fit(finishing).is_some()).await
        && let Some(reason) = wish.ends_fit(finishing)
    {
        token.trip(reason);
    }
}

struct AbortOnDrop(JoinHandle<()>);
impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Resolves when the time is over; never where there is none.
async fn over(sleep: &mut Option<Sleep>) {
    match sleep {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}
