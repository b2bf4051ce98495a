//! Requests for predictions over a real broker: what is answered, to whom, once, and what is refused.

use super::broker::{Bus, bus};
use super::peer::{self, Peer, Read, SOON, count, event, until, up};
use super::support::{config, finished, options, submit};
use crate::silence::{System, start};
use provost_actors::Options;
use provost_domain::Algorithm;
use serde_json::{Value, json};
use tempfile::TempDir;

const REQUESTED: &str = "admission.prediction.requested";

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
    let bridge = peer::options(&folder.path().join("other"), &bus.url).bridge;
    let handle = start(Options { bridge, ..options(folder.path()).await }).await.unwrap();
    up(&handle).await;
    for queue in ["made", "refused"] {
        peer.subscribe_to("ml.predictions", queue, &format!("admission.prediction.{queue}.portal")).await;
    }
    Some(Stage { handle, peer, _folder: folder, _bus: bus })
}

impl Stage {
    async fn activate_a_model(&self) -> String {
        let job = submit(&self.handle, config(&[Algorithm::LogisticRegression])).await;
        let id = finished(&self.handle, &job).await.trained_models[0].clone();
        self.handle.activate(&id, None, None).await.unwrap();
        id.to_string()
    }

    async fn ask(&self, id: &str, applications: Value, more: Value) {
        let data = json!({ "applications": applications, "replykey": "portal" });
        let mut request = event(REQUESTED, id, &data);
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        self.peer.send(REQUESTED, &request).await;
    }

    async fn parked(&self) -> Read {
        self.peer.take("ml.parked").await
    }
}

fn application(gpa: f64) -> Value {
    json!({ "profile": { "gpa": gpa, "gpa_scale": 4.0 }, "program": { "university_name": "U", "program_name": "P" } })
}

#[actix_rt::test]
async fn a_request_is_answered_to_whoever_asked_and_the_same_again_gets_the_same() {
    let Some(s) = stage().await else { return };
    let model = s.activate_a_model().await;
    let rows = json!([application(3.9), { "profile": { "gpa": "many" }, "program": {} }, application(2.1)]);
    s.ask("r1", rows.clone(), json!({ "correlationid": "c1" })).await;
    let answer = s.peer.take("made").await;
    let event = answer.json();
    assert_eq!(event["type"], "admission.prediction.made.v1");
    assert_eq!((&event["causationid"], &event["correlationid"]), (&json!("r1"), &json!("c1")));
    let data = &event["data"];
    assert_eq!(data["model_id"], json!(model));
    let answered: Vec<u64> =
        data["predictions"].as_array().unwrap().iter().map(|row| row["row"].as_u64().unwrap()).collect();
    assert_eq!(answered, [0, 2]);
    assert!(data["predictions"].as_array().unwrap().iter().all(|row| row["probability"].is_f64()));
    assert_eq!((&data["errors"][0]["row"], &data["errors"][0]["pointer"]), (&json!(1), &json!("/profile/gpa")));
    // Delivered again it is not predicted again.
    s.ask("r1", rows, json!({ "correlationid": "c1" })).await;
    assert_eq!(s.peer.take("made").await.json(), event);
    // Another request under the same id is none of its own.
    s.ask("r1", json!([application(1.0)]), json!({})).await;
    assert_eq!(s.peer.take("refused").await.json()["data"]["code"], "mismatch");
    assert_eq!(s.parked().await.headers["x-provost-reason"], "mismatch");
    until("all is acknowledged", SOON, || async { s.peer.depth("ml.predict").await == 0 }).await;
}

#[actix_rt::test]
async fn what_cannot_be_answered_is_refused_and_parked_and_what_expired_is_dropped() {
    let Some(s) = stage().await else { return };
    s.ask("early", json!([application(3.0)]), json!({})).await;
    assert_eq!(s.peer.take("refused").await.json()["data"]["code"], "no_active_model");
    assert_eq!(s.parked().await.headers["x-provost-queue"], "ml.predict");
    s.activate_a_model().await;
    s.ask("empty", json!([]), json!({})).await;
    let refused = s.peer.take("refused").await.json();
    assert_eq!((&refused["data"]["code"], &refused["causationid"]), (&json!("bad_request"), &json!("empty")));
    assert!(s.parked().await.headers["x-provost-detail"].contains("1 to 1000 are allowed"));
    s.ask("late", json!([application(3.0)]), json!({ "expirytime": "2020-01-01T00:00:00Z" })).await;
    until("it is dropped", SOON, || async { count(&s.handle, "expired").await == 1 }).await;
    // An answer without a listener is dropped, and its request is done.
    let data = json!({ "applications": [application(3.0)], "replykey": "nobody" });
    s.peer.send(REQUESTED, &event(REQUESTED, "unheard", &data)).await;
    until("it is answered", SOON, || async { count(&s.handle, "made").await == 1 }).await;
    until("all is acknowledged", SOON, || async { s.peer.depth("ml.predict").await == 0 }).await;
    assert_eq!(s.peer.try_take("made").await, None);
}
