//! The database, and the clock that it depends on.

use super::{Finding, Verdict, ok, trouble};
use crate::cli::show;
use crate::error::Error;
use crate::open;
use crate::settings::Settings;
use chrono::{Datelike, Utc};
use provost_store::{DATABASE, StoreError};
use std::time::{Duration, Instant};

pub fn of_store(settings: &Settings) -> Finding {
    if !open::has_store(settings) {
        return ok("store", "no database yet; `provost import` or `provost serve` makes it");
    }
    let began = Instant::now();
    let counted = open::runtime().and_then(|runtime| {
        let store = open::store(settings)?;
        runtime.block_on(async {
            store.ping().await?;
            let points = store.points_mark().await?.total;
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
                    Some(StoreError::Unavailable(_) | StoreError::Invalid(_)) if settings.sharing.store => {
                        "is MongoDB running, and is store.url right? (user, password and database too)"
                    }
                    Some(StoreError::Unavailable(_)) => "see to the folder's rights and its file system",
                    Some(StoreError::Full(_)) => "free some space; nothing that was stored is lost",
                    _ if settings.sharing.store => "see to the database, or restore it from a copy",
                    _ => "restore the data folder from a copy, or start with an empty one",
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
    let advice = "set the clock (ids, schedules and freshness of data hang on it)";
    if now.year() < 2025 {
        return trouble("clock", Verdict::Fault, found, advice);
    }
    // Files of the store that are newer than now: the clock went back.
    let newest = settings.data_dir.join(DATABASE).metadata().and_then(|m| m.modified()).ok();
    let ahead = newest.and_then(|t| t.duration_since(now.into()).ok()).filter(|d| *d > Duration::from_secs(60));
    match ahead {
        Some(d) => trouble(
            "clock",
            Verdict::Fault,
            format!("{found}, {} behind the store", show::seconds(d.as_secs_f64())),
            advice,
        ),
        None => ok("clock", found),
    }
}
