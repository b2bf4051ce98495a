//! Checks the database and the clock.

use super::{Finding, Verdict, ok, trouble};
use crate::cli::show;
use crate::error::Error;
use crate::open;
use crate::settings::Settings;
use chrono::{DateTime, Datelike, Utc};
use provost_store::{DATABASE, SqliteStore, Store, StoreError};
use std::time::{Duration, Instant};

pub fn of_store(settings: &Settings) -> Finding {
    if !open::has_store(settings) {
        return ok("store", "no database yet; `provost import` or `provost serve` creates it");
    }
    let began = Instant::now();
    let counted = open::runtime().and_then(|runtime| {
        if !settings.sharing.store {
            SqliteStore::examine(&settings.data_dir)?;
        }
        let store = open::store(settings)?;
        runtime.block_on(async {
            store.ping().await?;
            let points = store.point_totals().await?.total;
            Ok((points, store.model_count().await?, store.active_model().await?))
        })
    });
    match counted {
        Ok((points, models, active)) => ok(
            "store",
            format!(
                "{}: {} points, {models} models, {} ({} ms)",
                settings.store,
                show::thousands(points),
                if active.is_some() { "one active" } else { "none active" },
                began.elapsed().as_millis()
            ),
        ),
        Err(e) => {
            let advice = match &e {
                Error::Failed(cause) => match cause.downcast_ref::<StoreError>() {
                    Some(StoreError::NewerSchema { .. }) => "run the newest provost that this folder was used with",
                    Some(StoreError::Denied(_)) => {
                        "correct user and password in store.url (percent-encoded; authSource names the database that has the \
                         user), or give the user the role readWrite on the database"
                    }
                    Some(StoreError::Unavailable(_) | StoreError::Invalid(_)) if settings.sharing.store => {
                        "is MongoDB (4.4 or newer) running, and is store.url right?"
                    }
                    Some(StoreError::Unavailable(_)) => "check the folder's permissions and its file system",
                    Some(StoreError::Full(_)) => "free some space; stored records are not lost",
                    _ if settings.sharing.store => "repair the database, or restore it from a backup",
                    _ => "restore the data folder from a backup, or start with an empty one",
                },
                Error::Usage(_) => "correct the setting",
            };
            trouble("store", Verdict::Fault, e.to_string(), advice)
        }
    }
}

pub fn of_clock(settings: &Settings) -> Finding {
    let now = Utc::now();
    let found = now.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let advice = "set the clock: ids, schedules and the age of data depend on the clock";
    if now.year() < 2025 {
        return trouble("clock", Verdict::Fault, found, advice);
    }
    // A store file that is newer than now means that the clock was set back.
    let newest = settings.data_dir.join(DATABASE).metadata().and_then(|m| m.modified()).ok();
    let ahead = newest.and_then(|t| t.duration_since(now.into()).ok());
    let file = ahead.map(|ahead| (ahead, "the database's file".to_owned()));
    let ahead = file.into_iter().chain(newest_record(settings, now)).max().filter(|(d, _)| *d > MAY_BE_AHEAD);
    match ahead {
        Some((d, what)) => {
            let behind = show::seconds(d.as_secs_f64());
            trouble("clock", Verdict::Fault, format!("{found}, {behind} behind {what}"), advice)
        }
        None => ok("clock", found),
    }
}

/// Differences below this are normal between hosts.
const MAY_BE_AHEAD: Duration = Duration::from_secs(60);

/// The record with the latest time, and by how much that time lies in the future. None if it lies in the past.
fn newest_record(settings: &Settings, now: DateTime<Utc>) -> Option<(Duration, String)> {
    // A store that cannot be read is reported by another check.
    let (runtime, store) = (open::runtime().ok()?, open::has_store(settings).then(|| open::store(settings).ok())??);
    let times = runtime.block_on(times(&*store)).ok()?;
    times.into_iter().filter_map(|(at, what)| Some(((at - now).to_std().ok()?, what))).max()
}

/// The time of the newest record of each kind, with the name of the record.
async fn times(store: &dyn Store) -> std::result::Result<Vec<(DateTime<Utc>, String)>, StoreError> {
    let mut times = Vec::new();
    times.extend(
        store.list_jobs(None, None, 1).await?.items.into_iter().map(|j| (j.created_at, format!("job {}", j.job_id))),
    );
    let models = store.list_models(false, None, 1).await?.items.into_iter();
    times.extend(models.map(|m| (m.training_date, format!("model {}", m.model_id))));
    let entries = store.audit(None, 1).await?.items.into_iter();
    times.extend(entries.map(|e| (e.deed.at, format!("entry {} of the audit log", e.number))));
    let activations = store.activations(None, 1).await?.items.into_iter();
    times.extend(activations.map(|a| (a.activated_at, format!("the activation of {}", a.model_id))));
    Ok(times)
}
