//! One unit of work, an algorithm of a job: fit, keep the result, score, register; each step repeatable, each kept before
//! the next begins.

use super::driver::Driver;
use super::step::{StepError, UnitEnd, store_failed};
use super::stop::JobStop;
use super::tries::{Next, after_steps};
use super::wait::sleep_or_stop;
use super::writer::Patience;
use crate::evaluator::{Fitted, Score};
use crate::executor::Work;
use crate::panics::off_the_arbiter;
use crate::plan::Unit;
use crate::registry::Register;
use provost_domain::{Algorithm, ModelId};
use provost_learn::LearnError;
use provost_learn::train::Trained;
use provost_store::StoreError;
use std::sync::Arc;

impl Driver {
    /// Works on a unit until it is done, has failed permanently, or is stopped.
    pub(super) async fn unit(&mut self, unit: Unit) -> UnitEnd {
        let algorithm = unit.algorithm;
        let mut tries = self.env.tries();
        loop {
            let ended = match after_steps(self.steps(unit).await) {
                Next::Done => return UnitEnd::Done,
                Next::GoOn(why) => {
                    let text = format!("{algorithm}: interrupted: {why}");
                    match self.writer.update(Patience::Forever, |r, n| n.log(r, &text)).await {
                        Ok(_) => {
                            sleep_or_stop(&self.env, self.stop.clone(), tries.after_outage()).await;
                            continue;
                        }
                        Err(e) => Err(e.into()),
                    }
                }
                Next::CountAttempt(why) => match self.writer.count_attempt(algorithm, &why).await {
                    Ok(failed) => match tries.after_attempt(failed) {
                        Some(wait) => {
                            sleep_or_stop(&self.env, self.stop.clone(), wait).await;
                            continue;
                        }
                        None => self.give_up(unit, &why).await,
                    },
                    Err(e) => Err(e.into()),
                },
                Next::GiveUp(why) => self.give_up(unit, &why).await,
                Next::End(e) => Err(e),
            };
            return match ended {
                Ok(()) => UnitEnd::Failed,
                Err(e) => UnitEnd::Ended(e.into()),
            };
        }
    }

    async fn give_up(&self, unit: Unit, why: &str) -> Result<(), StepError> {
        let algorithm = unit.algorithm;
        self.writer
            .update(Patience::Forever, |r, n| {
                r.units.entry(algorithm).or_default().error = Some(why.to_owned());
                n.warn(r, &format!("{algorithm}: {why}"));
            })
            .await?;
        Ok(())
    }

    /// From wherever the record says that the unit is.
    async fn steps(&mut self, unit: Unit) -> Result<(), StepError> {
        let algorithm = unit.algorithm;
        let progress = self.writer.read().await.units.get(&algorithm).cloned().unwrap_or_default();
        let trained = match &progress.result {
            Some(sha) => self.open_result(sha).await,
            None => self.fit(unit).await,
        };
        let trained = match (trained, &progress.result) {
            // The kept result is damaged: it is fitted again, from the trials.
            (Err(StepError::Final(why)), Some(_)) => {
                self.writer
                    .update(Patience::Forever, |r, n| {
                        r.units.entry(algorithm).or_default().result = None;
                        n.warn(r, &format!("{algorithm}: {why}; it is fitted again"));
                    })
                    .await?;
                return Err(StepError::MayPass(why));
            }
            (trained, _) => Arc::new(trained?),
        };
        if unit.registered {
            self.register(unit, &trained).await?;
        } else {
            self.writer
                .update(Patience::Forever, |r, n| {
                    r.units.entry(algorithm).or_default().done = true;
                    n.log(r, &format!("{algorithm}: trained as a member of the ensemble"));
                })
                .await?;
        }
        self.results.insert(algorithm, trained);
        Ok(())
    }

    /// Fits, and keeps the result before anything is done with it.
    async fn fit(&mut self, unit: Unit) -> Result<Trained, StepError> {
        let algorithm = unit.algorithm;
        let step = if algorithm == Algorithm::Ensemble { "combining" } else { "training" };
        self.writer
            .update(Patience::Forever, |r, n| {
                r.job.current_step = Some(format!("{step} {algorithm}"));
                n.log(r, &format!("{step} {algorithm}"));
            })
            .await?;
        let keep_best = |stop: JobStop| stop == JobStop::Cancel { keep_best: true };
        let work = match algorithm {
            Algorithm::Ensemble => Work::Combine(self.results.values().cloned().collect()),
            _ if keep_best(*self.stop.borrow()) => Work::Finish,
            _ => Work::Search,
        };
        let searched = matches!(work, Work::Search);
        let mut fitted = self.attempt(unit, work).await;
        if searched && matches!(fitted, Err(StepError::Stopped)) && keep_best(*self.stop.borrow()) {
            self.writer
                .update(Patience::Forever, |r, n| {
                    r.job.current_step = Some(format!("keeping the best trial of {algorithm}"));
                    n.log(r, &format!("{algorithm}: cancelled; its best trial is kept"));
                })
                .await?;
            fitted = self.attempt(unit, Work::Finish).await;
        }
        let trained = match fitted {
            // A cancelled job without a finished trial has nothing to keep; that is not a failure.
            Err(StepError::Final(why)) if keep_best(*self.stop.borrow()) => {
                self.writer.update(Patience::Forever, |r, n| n.warn(r, &why)).await?;
                return Err(StepError::Stopped);
            }
            fitted => fitted?,
        };
        let bytes = trained.to_bytes();
        let artifacts = self.env.resources.artifacts.clone();
        let sha = blocking(move || artifacts.put(&bytes)).await?;
        let id = ModelId::new(algorithm, self.env.resources.clock.now(), uuid::Uuid::new_v4().as_u128());
        self.writer
            .update(Patience::Forever, |r, n| {
                let progress = r.units.entry(algorithm).or_default();
                progress.result = Some(sha.clone());
                progress.deaths = 0;
                // Chosen before it is registered, so that registering it again changes nothing.
                if unit.registered {
                    progress.model_id.get_or_insert_with(|| id.clone());
                }
                for warning in &trained.warnings {
                    n.warn(r, warning);
                }
                n.log(r, &format!("{algorithm}: fitted in {:.1} s, {} trials", trained.seconds, trained.trials));
            })
            .await?;
        Ok(trained)
    }

    pub(super) async fn open_result(&self, sha: &str) -> Result<Trained, StepError> {
        let (artifacts, sha) = (self.env.resources.artifacts.clone(), sha.to_owned());
        let bytes = blocking(move || artifacts.get(&sha)).await.map_err(|e| match e {
            // A missing artifact is damage; it does not mean that another process has the job.
            StepError::Lost => StepError::Final("the kept result is missing".to_owned()),
            e => e,
        })?;
        Trained::from_bytes(&bytes).map_err(|e: LearnError| StepError::Final(e.to_string()))
    }

    /// Scores the test part and registers the model with its evaluation.
    async fn register(&mut self, unit: Unit, trained: &Arc<Trained>) -> Result<(), StepError> {
        let algorithm = unit.algorithm;
        if self.stop.borrow().ends_work() {
            return Err(StepError::Stopped);
        }
        let record = self.writer.read().await;
        let Some(model_id) = record.units.get(&algorithm).and_then(|u| u.model_id.clone()) else {
            return Err(StepError::Final(format!("{algorithm}: its result has no model id")));
        };
        let fitted = Arc::new(Fitted {
            model: Arc::new(trained.model.clone()),
            params: trained.params.clone(),
            cv_scores: trained.cv_scores.clone(),
            importance: trained.importance.clone(),
            iterations: trained.iterations,
            seconds: trained.seconds,
            temporal: trained.temporal.as_ref().map(|t| t.figures),
        });
        let score = Score {
            model_id: model_id.clone(),
            fitted: fitted.clone(),
            data: self.data.clone(),
            test: Arc::new(self.parts.test.clone()),
            training_rows: self.parts.train.len() as u64,
            plots: true,
        };
        let failed = |away: bool, may_pass: bool, why: String| match (away, may_pass) {
            (true, _) => StepError::StoreAway(why),
            (false, true) => StepError::MayPass(why),
            (false, false) => StepError::Final(why),
        };
        let scored = self.env.peers.evaluator.send(score).await.map_err(|e| StepError::MayPass(e.to_string()))?;
        let evaluation = scored.map_err(|e| failed(e.is_store_away(), e.may_pass(), e.to_string()))?;
        let register = Register {
            model_id,
            job_id: self.writer.id.clone(),
            config: self.config.clone(),
            fitted,
            snapshot: self.data.sha.clone(),
            training_samples: self.parts.train.len() as u64,
            created_by: record.job.created_by.clone(),
            evaluation,
        };
        let registered = self.env.peers.registry.send(register).await.map_err(|e| StepError::MayPass(e.to_string()))?;
        let version = registered.map_err(|e| failed(e.is_store_away(), e.may_pass(), e.to_string()))?;
        let percent = self.percent(1.0);
        self.writer
            .update(Patience::Forever, |r, n| {
                let progress = r.units.entry(algorithm).or_default();
                progress.done = true;
                progress.model_id = Some(version.model_id.clone());
                let job = &mut r.job;
                if !job.trained_models.contains(&version.model_id) {
                    job.trained_models.push(version.model_id.clone());
                    job.algorithms_completed.push(algorithm);
                }
                let score = version.metrics.cv_mean;
                if job.best_score.is_none_or(|best| score > best) {
                    job.best_score = Some(score);
                    job.best_model_id = Some(version.model_id.clone());
                }
                job.progress_percentage = percent;
                let metric = r.job.config.target_metric;
                n.log(r, &format!("{algorithm}: registered as {}, {metric} {score:.3}", version.model_id));
            })
            .await?;
        Ok(())
    }
}

/// Runs a store call that blocks off the arbiter.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StepError> {
    match off_the_arbiter(call).await {
        Ok(result) => result.map_err(|e| store_failed(&e)),
        Err(panic) => Err(StepError::MayPass(panic)),
    }
}
