//! What can go wrong with broker and store: nothing that was confirmed is lost, nothing takes effect twice, and consuming
//! goes on within ten seconds of the return.

use super::bridge::announce;
use super::broker::{Node, node};
use super::peer::{Peer, SOON, bridge_status, count, options, points, recorded, total, until, up};
use crate::silence::{System, expect, start};
use futures_util::future::join_all;
use lapin::BasicProperties;
use lapin::options::ExchangeDeleteOptions;
use provost_actors::Handle;
use provost_store::conformance::samples;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the log tells while a broker, or the store, is away.
const OUTAGES: [&str; 7] = [
    "keeping the connection",
    "the publisher is away",
    "relaying announcements",
    "could not be moved",
    "the store is away",
    "the bridge had not ended in time",
    "go back to their queue",
];

const DATA: &str = "admission.data.recorded";
/// The broker is back: so soon it must go on.
const RETURN: Duration = Duration::from_secs(10);
/// A broker on a busy machine may need as long until it takes events itself; that is not ours to bound.
const BOOT: Duration = Duration::from_secs(120);

struct Stage {
    node: Node,
    handle: System,
    _folder: TempDir,
    /// Ids of events that the broker confirmed.
    confirmed: BTreeSet<String>,
    sent: usize,
}

impl Stage {
    async fn new() -> Option<Self> {
        let node = node()?;
        let folder = tempfile::tempdir().unwrap();
        let handle = start(options(folder.path(), &node.url(0))).await.unwrap();
        up(&handle).await;
        Some(Self { node, handle, _folder: folder, confirmed: BTreeSet::new(), sent: 0 })
    }

    /// Publishes for as long as it takes, confirmed or not, while `fault` happens at once.
    async fn publish(&mut self, events: usize) {
        let Ok(peer) = Peer::try_connect(&self.node.url(0)).await else { return };
        let ids: Vec<String> = (self.sent..self.sent + events).map(|n| format!("p{n:06}")).collect();
        self.sent += events;
        let publishing = join_all(ids.iter().map(|id| async {
            let properties = BasicProperties::default().with_content_type("application/cloudevents+json".into());
            let body = recorded(id).to_string().into_bytes();
            let confirmed = peer.try_publish(DATA, &body, properties);
            matches!(tokio::time::timeout(Duration::from_secs(5), confirmed).await, Ok(Ok(true)))
        }));
        let outcomes = publishing.await;
        self.confirmed.extend(ids.into_iter().zip(outcomes).filter(|(_, confirmed)| *confirmed).map(|(id, _)| id));
    }

    /// Consuming goes on: a new event is taken within the bound.
    async fn goes_on(&mut self, since: Instant) {
        let before = self.confirmed.len();
        while self.confirmed.len() == before {
            assert!(since.elapsed() < BOOT, "the broker takes no events");
            self.publish(1).await;
        }
        let newest = self.confirmed.last().unwrap().clone();
        until("consuming goes on", RETURN, || async { points(&self.handle).await.contains_key(&newest) }).await;
        eprintln!("consuming again {:.1} s after the return", since.elapsed().as_secs_f64());
    }

    /// Everything that was confirmed is there, once; what was not confirmed may be.
    async fn complete(&self) {
        until("all that was confirmed", SOON, || async {
            let points = points(&self.handle).await;
            self.confirmed.iter().all(|id| points.contains_key(id))
        })
        .await;
        until("all is acknowledged", SOON, || async {
            let Ok(peer) = Peer::try_connect(&self.node.url(0)).await else { return false };
            peer.depth("ml.data").await == 0
        })
        .await;
        let peer = Peer::connect(&self.node.url(0)).await;
        assert_eq!(peer.depth("ml.parked").await, 0, "nothing is parked");
        let total = total(&self.handle).await as usize;
        assert!(
            (self.confirmed.len()..=self.sent).contains(&total),
            "{total} of {} and {}",
            self.confirmed.len(),
            self.sent
        );
    }
}

async fn degraded(handle: &Handle) {
    until("the bridge is degraded", SOON, || async {
        serde_json::to_value(bridge_status(handle).await.health).unwrap() == "degraded"
    })
    .await;
}

#[actix_rt::test]
async fn a_broker_that_is_not_there_at_boot_is_waited_for() {
    expect(&OUTAGES);
    let Some(mut node) = node() else { return };
    node.stop();
    let folder = tempfile::tempdir().unwrap();
    let handle = start(options(folder.path(), &node.url(0))).await.unwrap();
    degraded(&handle).await;
    // Announcements wait in the outbox; everything else goes on.
    announce(&handle, 1, vec![samples::message("a:1")]).await;
    assert_eq!(handle.store().outbox_count("event").await.unwrap(), 1);
    node.boot();
    let back = Instant::now();
    up(&handle).await;
    assert!(back.elapsed() < RETURN, "{:?}", back.elapsed());
    until("the announcement is sent", SOON, || async { handle.store().outbox_count("event").await.unwrap() == 0 })
        .await;
    let peer = Peer::connect(&node.url(0)).await;
    peer.send(DATA, &recorded("a")).await;
    until("the event is taken", SOON, || async { total(&handle).await == 1 }).await;
}

#[actix_rt::test]
async fn stopped_and_started_then_killed() {
    expect(&OUTAGES);
    let Some(mut s) = Stage::new().await else { return };
    for kill in [false, true] {
        s.publish(3000).await;
        if kill {
            s.node.kill()
        } else {
            s.node.stop()
        }
        degraded(&s.handle).await;
        s.node.boot();
        s.goes_on(Instant::now()).await;
    }
    s.complete().await;
}

#[actix_rt::test]
async fn killed_while_events_flow() {
    expect(&OUTAGES);
    let Some(mut s) = Stage::new().await else { return };
    for _ in 0..2 {
        // More than it takes in before it is killed.
        let url = s.node.url(0);
        let peer = Peer::connect(&url).await;
        let ids: Vec<String> = (s.sent..s.sent + 4000).map(|n| format!("p{n:06}")).collect();
        s.sent += ids.len();
        let publishing = join_all(ids.iter().map(|id| async {
            let properties = BasicProperties::default().with_content_type("application/cloudevents+json".into());
            let body = recorded(id).to_string().into_bytes();
            let confirm = peer.try_publish(DATA, &body, properties);
            matches!(tokio::time::timeout(Duration::from_secs(5), confirm).await, Ok(Ok(true)))
        }));
        let before = total(&s.handle).await;
        let handle = s.handle.clone();
        let node = &mut s.node;
        let killing = async {
            until("events flow", SOON, || async { total(&handle).await > before + 200 }).await;
            node.kill();
        };
        let (outcomes, ()) = futures_util::future::join(publishing, killing).await;
        s.confirmed.extend(ids.into_iter().zip(outcomes).filter(|(_, ok)| *ok).map(|(id, _)| id));
        s.node.boot();
        s.goes_on(Instant::now()).await;
    }
    s.complete().await;
}

#[actix_rt::test]
async fn frozen_for_thirty_seconds() {
    expect(&OUTAGES);
    let Some(mut s) = Stage::new().await else { return };
    s.publish(500).await;
    s.node.freeze();
    let frozen = Instant::now();
    degraded(&s.handle).await;
    // The time that the broker is away for; nothing is waited for in it but its end.
    until("thirty seconds", Duration::from_secs(40), || async { frozen.elapsed() > Duration::from_secs(30) }).await;
    s.node.thaw();
    s.goes_on(Instant::now()).await;
    s.complete().await;
}

#[actix_rt::test]
async fn connections_that_are_closed_are_made_anew() {
    expect(&OUTAGES);
    let Some(mut s) = Stage::new().await else { return };
    for _ in 0..3 {
        s.publish(500).await;
        s.node.ctl(&["close_all_connections", "--global", "a test"]);
        s.goes_on(Instant::now()).await;
    }
    s.complete().await;
    let state = bridge_status(&s.handle).await.state;
    assert!(state["consumer"]["connections"].as_u64().unwrap() >= 4, "{state}");
}

#[actix_rt::test]
async fn a_memory_alarm_holds_publishers_back_and_consuming_goes_on() {
    expect(&OUTAGES);
    let Some(mut s) = Stage::new().await else { return };
    let peer = Peer::connect(&s.node.url(0)).await;
    // One that must be parked: that is publishing too.
    let events: Vec<Vec<u8>> = (0..20).map(|n| recorded(&format!("q{n}")).to_string().into_bytes()).collect();
    s.node.ctl(&["set_vm_memory_high_watermark", "absolute", "1"]);
    announce(&s.handle, 1, vec![samples::message("a:1")]).await;
    degraded(&s.handle).await;
    assert_eq!(handle_outbox(&s.handle).await, 1);
    s.node.ctl(&["set_vm_memory_high_watermark", "0.4"]);
    let back = Instant::now();
    until("the announcement is sent", RETURN, || async { handle_outbox(&s.handle).await == 0 }).await;
    up(&s.handle).await;
    peer.send_all(DATA, &events).await;
    s.goes_on(back).await;
    until("all of them", SOON, || async { total(&s.handle).await >= 20 }).await;
}

async fn handle_outbox(handle: &Handle) -> u64 {
    handle.store().outbox_count("event").await.unwrap()
}

#[actix_rt::test]
async fn an_announcement_that_comes_back_is_not_sent() {
    expect(&OUTAGES);
    let Some(node) = node() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), &node.url(0));
    // So rarely that the exchange stays away until it is asked for again.
    options.bridge.as_mut().unwrap().check_every = Duration::from_secs(5);
    let handle = start(options).await.unwrap();
    up(&handle).await;
    let peer = Peer::connect(&node.url(0)).await;
    peer.channel.exchange_delete("ml.unrouted".into(), ExchangeDeleteOptions::default()).await.unwrap();
    announce(&handle, 1, vec![samples::message("a:1")]).await;
    until("it comes back", SOON, || async { count(&handle, "unroutable").await > 0 }).await;
    // With the exchange it finds its way.
    until("it is sent", SOON, || async { handle_outbox(&handle).await == 0 }).await;
    assert_eq!(peer.take("ml.unrouted").await.message_id, "a:1");
}

#[actix_rt::test]
async fn a_store_that_takes_nothing_stops_consuming_without_wearing_messages_out() {
    expect(&OUTAGES);
    let Some(node) = node() else { return };
    let folder = tempfile::tempdir().unwrap();
    let handle = start(options(folder.path(), &node.url(0))).await.unwrap();
    up(&handle).await;
    let peer = Peer::connect(&node.url(0)).await;
    let other = rusqlite::Connection::open(folder.path().join("provost.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let events: Vec<Vec<u8>> = (0..100).map(|n| recorded(&format!("p{n}")).to_string().into_bytes()).collect();
    peer.send_all(DATA, &events).await;
    until("the store is away", Duration::from_secs(60), || async {
        bridge_status(&handle).await.state["store_error"].is_string()
    })
    .await;
    until("all went back", SOON, || async { peer.depth("ml.data").await == 100 }).await;
    other.execute_batch("ROLLBACK").unwrap();
    until("all of them", SOON, || async { total(&handle).await == 100 }).await;
    until("all are acknowledged", SOON, || async { peer.depth("ml.data").await == 0 }).await;
    assert_eq!(peer.depth("ml.parked").await, 0);
    up(&handle).await;
}

#[actix_rt::test]
async fn an_encrypted_connection_wants_a_certificate_that_it_trusts() {
    expect(&OUTAGES);
    if std::env::var_os("PROVOST_TEST_AMQP").is_some() {
        eprintln!("SKIPPED: TLS is tested on a broker of our own");
        return;
    }
    let Some(node) = Node::start_with_tls() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), &node.tls_url(0));
    let ca_file = options.bridge.as_mut().map(|bridge| &mut bridge.ca_file).unwrap();
    *ca_file = Some(node.folder().join("ca.pem"));
    let handle = start(options.clone()).await.unwrap();
    up(&handle).await;
    Peer::connect(&node.url(0)).await.send(DATA, &recorded("a")).await;
    until("the event is taken", SOON, || async { total(&handle).await == 1 }).await;
    handle.shutdown(Duration::from_secs(10)).await;

    // Nobody vouches for it now.
    options.bridge.as_mut().unwrap().ca_file = None;
    let handle = start(options).await.unwrap();
    until("it is refused", SOON, || async {
        let error = bridge_status(&handle).await.state["consumer"]["last_error"].to_string();
        error.to_lowercase().contains("certificate")
    })
    .await;
}
