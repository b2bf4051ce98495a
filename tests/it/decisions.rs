//! A candidate that awaits approval is approved or declined by a form, with a reason.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::auth::until;
use crate::http::{Client, place_with_points, small_job};
use crate::pages::{form, is_ours, page, text};
use crate::serving::Server;
use chrono::Utc;
use provost_domain::gate::{GateDecision, GateOutcome};
use provost_domain::{JobId, ModelId};
use provost_store::{ActivationStore, SqliteStore};
use serde_json::json;

/// A decision on a job's best model that waits for a person.
fn awaits(job: &str, model: &str) -> GateDecision {
    GateDecision {
        job_id: JobId::parse(job).unwrap(),
        challenger_id: ModelId::parse(model).unwrap(),
        champion_id: None,
        decided_at: Utc::now(),
        outcome: GateOutcome::AwaitsApproval,
        reason: "better than chance; somebody has to approve it".to_owned(),
        improvement_threshold: 0.02,
        evidence: None,
    }
}

#[test]
fn a_candidate_is_approved_or_declined_with_a_reason_and_once() {
    let place = place_with_points(500);
    let mut server = Server::start(&place);
    let client = Client::of(&server);
    let trained: Vec<(String, String)> = (0..2)
        .map(|_| {
            let job = client.train(&small_job());
            let model = client.ended(&job)["best_model_id"].as_str().unwrap().to_owned();
            (job, model)
        })
        .collect();
    assert_eq!(server.terminate(), Some(0));
    let store = SqliteStore::open(&place.path("data"), Utc::now()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (job, model) in &trained {
        runtime.block_on(store.decide(awaits(job, model), vec![])).unwrap();
    }
    drop(store);
    let server = Server::start(&place);
    let client = Client::of(&server);
    let [(declined, _), (approved, model)] = &trained[..] else { panic!("{trained:?}") };
    let (declined, approved) = (format!("/decisions/{declined}"), format!("/decisions/{approved}"));
    for path in [&declined, &approved] {
        let html = page(&client, path);
        assert!(html.contains("awaits approval") && html.contains("Approve: it serves from now on"), "{html}");
    }

    // Without a reason, or with one that is too long, nothing is decided, and the form says so beside its field.
    let long = format!("reason={}", "x".repeat(1001));
    for act in ["approve", "decline"] {
        for body in ["", "reason=", "reason=+", &long] {
            let refused = form(&client, &format!("{declined}/{act}"), body);
            assert_eq!(refused.status, 422, "{act} {body:.20}");
            is_ours(&refused, &declined);
            let html = text(&refused);
            assert!(
                html.contains("id=\"reason-error\"") && html.contains("aria-describedby=\"reason-error\""),
                "{html}"
            );
        }
    }
    assert!(page(&client, &declined).contains("awaits approval"));

    let done = form(&client, &format!("{declined}/decline"), "reason=too+close+to+call");
    assert_eq!((done.status, done.header("location")), (303, Some(format!("{declined}?done=declined").as_str())));
    let html = page(&client, &declined);
    assert!(html.contains("declined: too close to call") && !html.contains("/approve\""), "{html}");
    for act in ["approve", "decline"] {
        assert_eq!(form(&client, &format!("{declined}/{act}"), "reason=again").status, 409, "it was decided");
    }
    until("the need is dealt with", || {
        page(&client, "/needs?state=acknowledged").contains("declined: too close to call")
    });
    assert_eq!(client.get("activations").ok(200), json!([]));

    let done = form(&client, &format!("{approved}/approve"), "reason=looked+at+both");
    assert_eq!((done.status, done.header("location")), (303, Some(format!("{approved}?done=approved").as_str())));
    let html = page(&client, &approved);
    assert!(html.contains("Approved: it was activated") && html.contains("looked at both"), "{html}");
    let activations = client.get("activations").ok(200);
    assert_eq!(activations[0]["model_id"], model.as_str());
    assert_eq!(activations[0]["reason"], "looked at both");
    assert_eq!(form(&client, &format!("{approved}/decline"), "reason=changed+my+mind").status, 409);
    assert_eq!(form(&client, "/decisions/x/decline", "reason=no").status, 404);
}
