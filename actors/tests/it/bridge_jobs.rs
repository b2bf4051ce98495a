//! A job that an event asks for, from the event to its cancel: a delivery lives for milliseconds, a job for an hour.

use super::broker::node;
use super::peer::{self, Peer, SOON, event, until, up};
use super::support;
use crate::silence::start;
use provost_actors::{Options, TestClock};
use provost_domain::job::JobStatus;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[actix_rt::test]
async fn a_job_of_45_minutes_holds_no_delivery() {
    let Some(node) = node() else { return };
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new(chrono::Utc::now());
    let options = Options {
        clock: Arc::new(clock.clone()),
        bridge: peer::options(&folder.path().join("other"), &node.url(0)).bridge,
        ..support::options(folder.path()).await
    };
    let handle = start(options).await.unwrap();
    up(&handle).await;
    let peer = Peer::connect(&node.url(0)).await;
    let wish = event("training.trigger", "long", &json!({"reason": "a long one", "config": support::long_search()}));
    peer.send("training.trigger.requested", &wish).await;
    let running = async || handle.store().list_jobs(Some(JobStatus::Running), None, 9).await.unwrap().items;
    until("the job runs", SOON, || async { !running().await.is_empty() }).await;
    let job = running().await.remove(0).job_id;
    support::trials_recorded(&handle, &job, 1).await;
    clock.advance(Duration::from_secs(45 * 60));
    support::trials_recorded(&handle, &job, 2).await;
    let record = handle.store().job(&job).await.unwrap().unwrap();
    assert!(record.running_seconds >= 45.0 * 60.0, "{}", record.running_seconds);
    assert_eq!(record.job.status, JobStatus::Running);
    // Neither waiting nor in anybody's hands.
    let queues = node.ctl(&["list_queues", "-p", "v0", "name", "messages"]);
    for queue in ["ml.train", "ml.data", "ml.parked"] {
        let line = queues.lines().find(|l| l.split_whitespace().next() == Some(queue)).expect("the queue is there");
        assert_eq!(line.split_whitespace().nth(1), Some("0"), "{queues}");
    }
    // What is asked for meanwhile is heard.
    let cancel = event("training.cancel", "no longer", &json!({ "job_id": job }));
    peer.send("training.trigger.cancel", &cancel).await;
    assert_eq!(support::finished(&handle, &job).await.status, JobStatus::Cancelled);
}
