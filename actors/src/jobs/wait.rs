//! Waits that end with a request to stop the job.

use super::env::JobEnv;
use super::stop::JobStop;
use std::time::Duration;
use tokio::sync::watch;

/// Resolves when the job's work is to end; one that is to keep its best needs its rows for that.
pub async fn told_to_end(mut stop: watch::Receiver<JobStop>) {
    if stop.wait_for(|stop| stop.ends_work()).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Resolves once the job is told to stop, in whatever way.
pub async fn stopped(mut stop: watch::Receiver<JobStop>) {
    if stop.wait_for(|stop| *stop != JobStop::No).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Sleeps until the time is over or a new request to stop arrives.
pub async fn sleep_or_stop(env: &JobEnv, mut stop: watch::Receiver<JobStop>, wait: Duration) {
    stop.borrow_and_update();
    tokio::select! {
        () = env.resources.clock.sleep(wait) => {}
        _ = stop.changed() => {}
    }
}
