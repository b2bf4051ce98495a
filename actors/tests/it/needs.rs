//! What needs a person, as a running system notices it: raised once, dealt with once, withdrawn when it has gone.

use crate::silence::{expect, start};
use crate::support::*;
use provost_actors::failures::Kind;
use provost_actors::{Handle, TestClock};
use provost_domain::need::{NeedDealing, NeedKind, NeedState};
use std::sync::Arc;
use std::time::Duration;

/// Moves time on until so many looks have ended.
async fn looks(handle: &Handle, clock: &TestClock, count: u64) {
    let ended = async || handle.components().await.remove("needs").unwrap().state["looks"].as_u64().unwrap();
    let before = ended().await;
    while ended().await < before + count {
        clock.advance(Duration::from_secs(1));
    }
}

#[actix_rt::test]
async fn a_component_that_is_unwell_needs_somebody_until_it_is_well_or_somebody_has_dealt_with_it() {
    expect(&["no answer"]);
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new(chrono::Utc::now());
    let mut options = bare_options(folder.path());
    options.clock = Arc::new(clock.clone());
    let (store, failures) = (options.store.clone(), options.failures.clone());
    let handle = start(options).await.unwrap();
    let open = async || store.needs(Some(NeedState::Open), handle.options().clock.now(), None, 9).await.unwrap().items;
    let fail = || {
        for _ in 0..3 {
            failures.failed("scheduler", "a test", Kind::Outage, "no answer");
        }
    };
    looks(&handle, &clock, 2).await;
    assert_eq!(open().await, []);
    fail();
    looks(&handle, &clock, 3).await;
    let needs = open().await;
    assert_eq!((needs.len(), needs[0].kind, needs[0].subject.as_str()), (1, NeedKind::ComponentUnwell, "scheduler"));
    assert!(needs[0].detail.contains("no answer"), "{needs:?}");
    looks(&handle, &clock, 2).await;
    assert_eq!(open().await, needs, "it is so all the time");

    failures.succeeded("scheduler", "a test");
    looks(&handle, &clock, 2).await;
    assert_eq!(open().await, []);
    fail();
    looks(&handle, &clock, 3).await;
    assert_eq!(open().await.len(), 1, "it is so again");
    let dealing = NeedDealing { at: handle.options().clock.now(), by: None, reason: None };
    store.acknowledge_need(&needs[0].need_id, dealing).await.unwrap();
    looks(&handle, &clock, 3).await;
    assert_eq!(open().await, [], "somebody knows");
    failures.succeeded("scheduler", "a test");
    looks(&handle, &clock, 2).await;
    fail();
    looks(&handle, &clock, 3).await;
    assert_eq!(open().await.len(), 1, "nobody knows that it is so once more");
    handle.shutdown(Duration::from_secs(5)).await;
}
