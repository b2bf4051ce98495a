//! Loads the rows of a job.

use super::env::JobEnv;
use super::step::StepError;
use super::stop::JobStop;
use super::tries::after_load;
use super::wait::{sleep_or_stop, told_to_end};
use super::writer::{JobWriter, Patience};
use crate::error::LoadError;
use crate::failures::Kind;
use crate::loader::{Open, Take};
use crate::snapshot::LoadedSnapshot;
use provost_domain::Algorithm;
use provost_learn::split::Parts;
use std::sync::Arc;
use tokio::sync::watch;

/// Share of the progress that taking the snapshot is.
pub const LOADED_PERCENT: f64 = 2.0;
/// The component's name in reports of failures.
const COMPONENT: &str = "jobs";
const LOADING: &str = "loading the rows of a job";

/// The job's snapshot: the one that it was begun on, else a new one. Failures that may pass count as attempts at the
/// first unit.
pub async fn load(
    env: &JobEnv,
    writer: &JobWriter,
    stop: &watch::Receiver<JobStop>,
    unit: Option<Algorithm>,
) -> Result<(Arc<LoadedSnapshot>, Parts), StepError> {
    let resources = &env.resources;
    // However this ends, the rows are not waited for any more.
    let _ending = resources.failures.ending(COMPONENT, LOADING);
    let mut tries = env.tries();
    loop {
        let record = writer.read().await;
        let config = &record.job.config;
        // A request to stop ends the wait; the Loader may finish for its cache.
        let loading = async {
            let (data, arrivals) = match &record.snapshot {
                Some(sha) => {
                    (env.peers.loader.send(Open(sha.clone())).await.map_err(LoadError::from)??, record.arrivals)
                }
                None => {
                    let taken = env.peers.loader.send(Take(config.clone())).await.map_err(LoadError::from)??;
                    (taken.data, Some(taken.arrivals))
                }
            };
            let salt = resources.installation.installation().await?.salt;
            let (rows, config) = (data.clone(), config.clone());
            // Splitting many rows takes longer than an actors' thread may be held.
            let parts = tokio::task::spawn_blocking(move || rows.parts(&config, salt)).await;
            Ok::<_, LoadError>((data, arrivals, parts))
        };
        let loaded = tokio::select! {
            loaded = loading => loaded,
            () = told_to_end(stop.clone()) => return Err(StepError::Stopped),
        };
        match loaded {
            Ok((data, arrivals, parts)) => {
                resources.failures.succeeded(COMPONENT, LOADING);
                let parts = parts.map_err(|e| StepError::MayPass(e.to_string()))?;
                let parts = parts.map_err(|e| StepError::Final(e.to_string()))?;
                let before = record.snapshot.is_none();
                writer
                    .update(Patience::Forever, |r, n| {
                        r.job.progress_percentage = LOADED_PERCENT;
                        if before {
                            r.snapshot = Some(data.sha.clone());
                            r.arrivals = arrivals;
                            for warning in &data.snapshot.warnings {
                                n.warn(r, warning);
                            }
                            n.log(
                                r,
                                &format!(
                                    "{} rows: {} to train on, {} to validate, {} to test",
                                    data.dataset.rows(),
                                    parts.train.len(),
                                    parts.validation.len(),
                                    parts.test.len()
                                ),
                            );
                        }
                    })
                    .await?;
                return Ok((data, parts));
            }
            Err(e) => match (after_load(&e, unit.is_some()), unit) {
                (StepError::StoreAway(why), _) => {
                    resources.failures.failed(COMPONENT, LOADING, Kind::Outage, &format!("job {}: {why}", writer.id));
                    sleep_or_stop(env, stop.clone(), tries.after_outage()).await;
                }
                (StepError::MayPass(why), Some(unit)) => {
                    let failed = writer.count_attempt(unit, &why).await?;
                    let Some(wait) = tries.after_attempt(failed) else { return Err(StepError::Final(why)) };
                    sleep_or_stop(env, stop.clone(), wait).await;
                    if *stop.borrow() != JobStop::No {
                        return Err(StepError::Stopped);
                    }
                }
                (error, _) => return Err(error),
            },
        }
    }
}
