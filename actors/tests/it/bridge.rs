//! The bridge over a real broker: what each event does, what is parked and why, what is announced.

use super::broker::{Bus, bus};
use super::peer::{Peer, Read, SOON, SOURCE, count, event, point, points, recorded, system, total, until, up};
use crate::silence::{System, expect, expect_panics};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use provost_actors::Handle;
use provost_actors::bridge::parked::{ParkingQueue, Which};
use provost_store::OutboxMessage;
use provost_store::conformance::samples;
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

struct Stage {
    handle: System,
    peer: Peer,
    _folder: TempDir,
    _bus: Bus,
}

async fn stage() -> Option<Stage> {
    let bus = bus()?;
    let peer = Peer::fresh(&bus).await;
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path(), &bus).await;
    up(&handle).await;
    Some(Stage { handle, peer, _folder: folder, _bus: bus })
}

impl Stage {
    async fn counted(&self, name: &str, times: u64) {
        until(&format!("{name} = {times}"), SOON, || async { count(&self.handle, name).await == times }).await;
    }

    async fn parked(&self) -> Read {
        self.peer.take("ml.parked").await
    }

    /// Everything was acknowledged.
    async fn settled(&self) {
        until("nothing is left", SOON, || async {
            self.peer.depth("ml.data").await == 0 && self.peer.depth("ml.train").await == 0
        })
        .await;
    }
}

fn properties(content_type: Option<&str>, id: &str) -> BasicProperties {
    let properties = BasicProperties::default().with_message_id(id.into());
    content_type.into_iter().fold(properties, |p, t| p.with_content_type(t.into()))
}

const DATA: &str = "admission.data.recorded";

#[actix_rt::test]
async fn points_come_in_are_corrected_and_retracted() {
    let Some(s) = stage().await else { return };
    s.peer.send(DATA, &recorded("a")).await;
    let batch = json!({"points": [point("b", 0), point("c", 0)]});
    s.peer.send("admission.data.batch", &event("admission.data.batch", "batch", &batch)).await;
    let mut correction = point("a", 1);
    correction["profile"]["gpa"] = json!(2.5);
    s.peer.send("admission.data.corrected", &event("admission.data.corrected", "correction", &correction)).await;
    let retraction = json!({"data_point_id": "b", "seq": 1});
    s.peer.send("admission.data.retracted", &event("admission.data.retracted", "retraction", &retraction)).await;
    s.counted("taken", 4).await;
    let points = points(&s.handle).await;
    assert_eq!(points.keys().collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(points["a"].profile.gpa, Some(2.5));
    s.settled().await;
}

#[actix_rt::test]
async fn a_retraction_and_a_correction_may_overtake_their_point() {
    let Some(s) = stage().await else { return };
    let retraction = json!({"data_point_id": "a", "seq": 3});
    s.peer.send("admission.data.retracted", &event("admission.data.retracted", "r", &retraction)).await;
    s.peer.send("admission.data.corrected", &event("admission.data.corrected", "c", &point("b", 2))).await;
    s.peer.send(DATA, &recorded("a")).await;
    s.peer.send(DATA, &recorded("b")).await;
    s.counted("taken", 4).await;
    let points = points(&s.handle).await;
    assert_eq!(points.iter().map(|(id, p)| (id.as_str(), p.seq)).collect::<Vec<_>>(), [("b", 2)]);
}

#[actix_rt::test]
async fn a_duplicate_has_no_effect_and_another_payload_under_its_key_is_parked() {
    expect(&["an event was parked: mismatch", "an event could not be taken in"]);
    let Some(s) = stage().await else { return };
    for _ in 0..3 {
        s.peer.send(DATA, &recorded("a")).await;
    }
    s.counted("duplicates", 2).await;
    let other = event(DATA, "e-a", &point("b", 0));
    s.peer
        .publish_with(DATA, other.to_string().as_bytes(), properties(Some("application/cloudevents+json"), "m9"))
        .await;
    let parked = s.parked().await;
    assert_eq!(parked.headers["x-provost-reason"], "mismatch");
    assert_eq!((parked.json(), parked.message_id.as_str()), (other, "m9"));
    assert_eq!(points(&s.handle).await.into_keys().collect::<Vec<_>>(), ["a"]);
    s.settled().await;
}

#[actix_rt::test]
async fn what_cannot_be_taken_in_is_parked_with_its_reason_and_harms_no_other() {
    expect(&["an event could not be taken in"]);
    let Some(s) = stage().await else { return };
    let mut old = recorded("x");
    old["type"] = json!("admission.data.recorded.v2");
    let mut negative = recorded("y");
    negative["data"]["profile"]["gpa"] = json!(-1);
    let mut large = recorded("z");
    large["padding"] = json!("x".repeat(1 << 20));
    let no_job = json!({"job_id": samples::job(9, 0).job.job_id});
    let cases: [(&str, Value, &str, &str); 6] = [
        (DATA, json!("nonsense"), "malformed", "no CloudEvent"),
        (DATA, old, "unsupported_version", "major version 2"),
        (DATA, event("weather.report", "w", &json!({})), "unknown_type", "weather.report.v1"),
        (DATA, negative, "invalid_data", "gpa"),
        (DATA, large, "oversized", "1048576 are allowed"),
        ("training.trigger.cancel", event("training.cancel", "c", &no_job), "invalid_data", "job_id"),
    ];
    for (key, body, reason, detail) in cases {
        s.peer.send(key, &body).await;
        let parked = s.parked().await;
        assert_eq!(parked.headers["x-provost-reason"], reason, "{parked:?}");
        assert!(parked.headers["x-provost-detail"].contains(detail), "{:?}", parked.headers);
        assert_eq!(parked.headers["x-provost-queue"], if key == DATA { "ml.data" } else { "ml.train" });
        assert_eq!(parked.headers["x-provost-exchange"], "ml.events");
        assert_eq!(parked.headers["x-provost-routing-key"], key);
        assert_eq!(parked.headers["x-provost-attempts"], "0");
        assert!(parked.headers.contains_key("x-provost-at"));
        assert_eq!(parked.json(), body);
    }
    s.peer.send(DATA, &recorded("good")).await;
    s.counted("taken", 1).await;
    s.settled().await;
    assert_eq!(s.peer.depth("ml.parked").await, 0);
}

#[actix_rt::test]
async fn of_a_batch_the_good_points_are_recorded_and_the_rest_is_parked() {
    expect(&["an event could not be taken in", "a batch of events is taken apart"]);
    let Some(s) = stage().await else { return };
    let mut bad = point("bad", 0);
    bad["profile"]["gpa"] = json!("high");
    let batch = json!({"points": [point("a", 0), bad, point("b", 0)]});
    s.peer.send("admission.data.batch", &event("admission.data.batch", "batch", &batch)).await;
    let parked = s.parked().await;
    assert_eq!(parked.headers["x-provost-reason"], "invalid_data");
    assert!(parked.headers["x-provost-detail"].contains("/points/1"), "{parked:?}");
    assert_eq!(points(&s.handle).await.into_keys().collect::<Vec<_>>(), ["a", "b"]);
    s.settled().await;
}

#[actix_rt::test]
async fn a_point_with_the_same_seq_and_other_content_is_parked() {
    expect(&["an event was parked: mismatch", "an event could not be taken in"]);
    let Some(s) = stage().await else { return };
    s.peer.send(DATA, &recorded("a")).await;
    s.counted("taken", 1).await;
    let mut other = point("a", 0);
    other["profile"]["gpa"] = json!(1.5);
    let batch = json!({"points": [other, point("b", 0)]});
    s.peer.send("admission.data.batch", &event("admission.data.batch", "other", &batch)).await;
    let parked = s.parked().await;
    assert_eq!(parked.headers["x-provost-reason"], "conflict");
    assert!(parked.headers["x-provost-detail"].contains("`a`"), "{parked:?}");
    let points = points(&s.handle).await;
    assert_eq!((points.len(), points["a"].profile.gpa), (2, Some(3.5)));
}

#[actix_rt::test]
async fn attributes_may_be_in_headers() {
    let Some(s) = stage().await else { return };
    for (n, prefix) in ["cloudEvents:", "cloudEvents_"].iter().enumerate() {
        let mut headers = FieldTable::default();
        let id = format!("h{n}");
        for (name, value) in [
            ("specversion", "1.0"),
            ("id", id.as_str()),
            ("source", SOURCE),
            ("type", "admission.data.recorded.v1"),
            ("time", "2026-01-02T03:04:05Z"),
        ] {
            headers.insert(format!("{prefix}{name}").into(), AMQPValue::LongString(value.into()));
        }
        let properties = properties(Some("application/json"), "").with_headers(headers);
        s.peer.publish_with(DATA, point(&id, 0).to_string().as_bytes(), properties).await;
    }
    // The body says it all, and the content type nothing.
    s.peer.publish_with(DATA, recorded("plain").to_string().as_bytes(), properties(None, "")).await;
    s.counted("taken", 3).await;
    assert_eq!(points(&s.handle).await.into_keys().collect::<Vec<_>>(), ["h0", "h1", "plain"]);
}

#[actix_rt::test]
async fn a_trigger_reaches_the_scheduler_at_once() {
    expect(&["triggers lead to no job"]);
    let Some(s) = stage().await else { return };
    let body = json!({"reason": "new campus", "config": {"min_samples": 700}, "auto_activate": true});
    let wish = event("training.trigger", "t1", &body);
    s.peer.send("training.trigger.requested", &wish).await;
    s.peer.send("training.trigger.requested", &wish).await;
    s.counted("duplicates", 1).await;
    let triggers = async || s.handle.store().list_triggers(None, 10).await.unwrap().items;
    until("settled", SOON, || async { triggers().await.first().is_some_and(|t| !t.is_pending()) }).await;
    assert_eq!(triggers().await.len(), 1);
    let trigger = triggers().await.remove(0);
    // There are no points: the trigger is told so.
    assert!(trigger.outcome.as_ref().is_some_and(|why| why.contains("quality check")), "{trigger:?}");
    assert!(trigger.id.starts_with("event_"), "{}", trigger.id);
    assert_eq!(trigger.trigger.reason.as_deref(), Some("new campus"));
    assert_eq!(trigger.trigger.triggered_by.as_deref(), Some(SOURCE));
    assert_eq!(trigger.config.as_ref().unwrap().min_samples, 700);
    assert_eq!(serde_json::to_value(trigger.activation).unwrap(), "if_better");
    s.settled().await;
}

#[actix_rt::test]
async fn announcements_reach_a_subscriber_and_are_marked_as_sent() {
    let Some(s) = stage().await else { return };
    s.peer.subscribe("mine", "#").await;
    announce(&s.handle, 1, vec![samples::message("a:1"), samples::message("a:2")]).await;
    let read = s.peer.take("mine").await;
    assert_eq!((read.routing_key.as_str(), read.message_id.as_str()), ("training.job.queued", "a:1"));
    let event = read.json();
    assert_eq!((event["type"].as_str(), event["id"].as_str()), (Some("training.job.queued.v1"), Some("a:1")));
    assert!(event["source"].as_str().unwrap().starts_with("/provost/"), "{event}");
    assert_eq!(event["data"], json!({"about": "a:1"}));
    assert_eq!(s.peer.take("mine").await.message_id, "a:2");
    until("marked as sent", SOON, || async { s.handle.store().outbox_count("event").await.unwrap() == 0 }).await;
    assert_eq!(count(&s.handle, "relayed").await, 2);
    assert_eq!(s.peer.depth("ml.unrouted").await, 0);
}

#[actix_rt::test]
async fn what_nobody_listens_to_is_delivered_to_the_unrouted() {
    let Some(s) = stage().await else { return };
    announce(&s.handle, 1, vec![samples::message("a:1")]).await;
    assert_eq!(s.peer.take("ml.unrouted").await.message_id, "a:1");
    until("marked as sent", SOON, || async { s.handle.store().outbox_count("event").await.unwrap() == 0 }).await;
}

#[actix_rt::test]
async fn a_deleted_queue_is_back_and_what_found_none_is_replayed() {
    expect(&["keeping the connection"]);
    let Some(s) = stage().await else { return };
    s.peer.send(DATA, &recorded("before")).await;
    s.counted("taken", 1).await;
    s.settled().await;
    for round in 0..3 {
        s.peer.delete("ml.data").await;
        // Sent at once: the queue may be missing or back by then.
        let events: Vec<Vec<u8>> =
            (0..50).map(|n| recorded(&format!("{round}-{n}")).to_string().into_bytes()).collect();
        s.peer.send_all(DATA, &events).await;
        until("all of them", Duration::from_secs(10), || async { total(&s.handle).await == 1 + 50 * (round + 1) })
            .await;
    }
    s.settled().await;
    assert_eq!(s.peer.depth("ml.unrouted").await, 0);
}

#[actix_rt::test]
async fn a_stopped_bridge_leaves_the_rest_to_the_broker() {
    let Some(s) = stage().await else { return };
    s.peer.send(DATA, &recorded("a")).await;
    s.counted("taken", 1).await;
    s.handle.shutdown(Duration::from_secs(20)).await;
    s.peer.send(DATA, &recorded("b")).await;
    assert_eq!(s.peer.depth("ml.data").await, 1);
    assert_eq!(total(&s.handle).await, 1);
}

/// Writes announcements beside some change of the store, as the system does.
pub async fn announce(handle: &Handle, number: u32, outbox: Vec<OutboxMessage>) {
    let model = samples::model(number, &samples::job(0, 0).job.job_id);
    let evaluation = samples::evaluation(&format!("task-{number}"), &model);
    handle.store().register_model(model, evaluation, outbox).await.unwrap();
}

#[actix_rt::test]
async fn a_message_in_a_retry_queue_comes_back_to_its_own() {
    let Some(s) = stage().await else { return };
    let body = recorded("late").to_string().into_bytes();
    s.peer.publish_to("ml.retry.5s", "ml.data", &body).await;
    assert_eq!(s.peer.depth("ml.retry.5s").await, 1);
    s.counted("taken", 1).await;
    assert_eq!(s.peer.depth("ml.retry.5s").await, 0);
    s.settled().await;
}

#[actix_rt::test]
async fn what_was_handed_out_too_often_is_parked_by_the_broker_and_can_be_replayed() {
    let Some(s) = stage().await else { return };
    let parking = ParkingQueue::open(s.handle.options().bridge.as_ref().unwrap()).await.unwrap();
    s.handle.shutdown(Duration::from_secs(20)).await;
    s.peer.send(DATA, &recorded("worn")).await;
    until("it is parked", SOON, || async {
        s.peer.reject("ml.data").await;
        s.peer.depth("ml.parked").await == 1
    })
    .await;
    let (listed, all) = parking.list(10).await.unwrap();
    assert_eq!((listed.len(), all), (1, 1));
    assert_eq!((listed[0].reason.as_str(), listed[0].queue.as_str()), ("delivery_limit", "ml.data"));
    assert_eq!(listed[0].routing_key.as_deref(), Some(DATA));
    let outcome = parking.replay(&Which::All).await.unwrap();
    assert_eq!(outcome.done, [listed[0].id.clone()]);
    let back = s.peer.take("ml.data").await;
    assert_eq!(back.json(), recorded("worn"));
    assert!(!back.headers.contains_key("x-death"), "{back:?}");
    assert_eq!(parking.list(10).await.unwrap().1, 0);
}

#[actix_rt::test]
async fn an_event_that_fails_for_a_reason_that_may_pass_is_tried_again_later() {
    expect(&["an event could not be taken in"]);
    expect_panics("failpoint jobs", 1);
    let Some(bus) = bus() else { return };
    let peer = Peer::fresh(&bus).await;
    let folder = tempfile::tempdir().unwrap();
    let mut options = super::support::options(folder.path()).await;
    options.bridge = super::peer::options(&folder.path().join("other"), &bus.url).bridge;
    options.restart_budget.restarts = 0;
    let failpoints = options.failpoints.clone();
    let handle = crate::silence::start(options).await.unwrap();
    up(&handle).await;
    // Nobody can cancel a job while the Jobs actor is down.
    failpoints.arm("jobs", 1);
    let config = super::support::config(&[provost_domain::Algorithm::LogisticRegression]);
    assert!(handle.submit(super::support::submission(config)).await.is_err());
    let wish = event("training.cancel", "c", &json!({"job_id": samples::job(9, 0).job.job_id}));
    peer.send("training.trigger.cancel", &wish).await;
    until("it is in the first retry queue", SOON, || async { peer.depth("ml.retry.5s").await == 1 }).await;
    until("it is in the second", SOON, || async { peer.depth("ml.retry.1m").await == 1 }).await;
    let waiting = peer.take("ml.retry.1m").await;
    assert_eq!((waiting.headers["x-provost-attempts"].as_str(), waiting.routing_key.as_str()), ("2", "ml.train"));
    assert!(waiting.headers["x-provost-detail"].contains("jobs"), "{waiting:?}");
    assert_eq!(count(&handle, "retried").await, 2);
}
