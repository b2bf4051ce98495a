//! Many events, out of order, some twice, some broken: the store holds exactly the right points. And how fast that is.

use super::broker::bus;
use super::peer::{self, Peer, bridge_status, points, until, up};
use crate::silence::start;
use lapin::BasicProperties;
use provost_actors::{Handle, Options};
use provost_domain::rng::SplitMix64;
use provost_domain::{AdmissionDataPoint, sample};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

const DATA: &str = "admission.data.recorded";
const SEED: u64 = 20_260_102;

struct Load {
    bodies: Vec<Vec<u8>>,
    expected: BTreeMap<String, AdmissionDataPoint>,
    malformed: usize,
}

/// `events` different ones, plus a tenth of them again, of which a hundredth is cut short, all shuffled.
fn load(events: usize) -> Load {
    let mut random = SplitMix64::new(SEED);
    let mut load = Load { bodies: Vec::new(), expected: BTreeMap::new(), malformed: 0 };
    for (n, drawn) in sample::draw(events, SEED).enumerate() {
        let point = drawn.point;
        let event = json!({"specversion": "1.0", "id": format!("e{n}"), "source": "/tests/load",
            "type": "admission.data.recorded.v1", "time": "2026-01-02T03:04:05Z", "data": point});
        let mut body = event.to_string().into_bytes();
        if random.below(100) == 0 {
            body.truncate(body.len() / 2);
            load.malformed += 1;
        } else {
            if random.below(10) == 0 {
                load.bodies.push(body.clone());
            }
            load.expected.insert(point.data_point_id.clone(), point);
        }
        load.bodies.push(body);
    }
    random.shuffle(&mut load.bodies);
    load
}

fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Seconds of processor time of this process and of the broker's group.
fn processor(broker: Option<u32>) -> (f64, f64) {
    let of = |process: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let fields: Vec<String> = stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect();
        // Group; user and system time in hundredths of a second.
        let time = fields[11].parse::<f64>().ok()? + fields[12].parse::<f64>().ok()?;
        Some((fields[2].parse::<u32>().ok()?, time / 100.0))
    };
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| of(entry.ok()?.file_name().to_str()?));
    (of("self").unwrap().1, all.filter(|(group, _)| Some(*group) == broker).map(|(_, time)| time).sum())
}

/// Publishes with confirms from a thread of its own, a window of them at a time.
fn publish(url: &str, bodies: Vec<Vec<u8>>) -> std::thread::JoinHandle<f64> {
    let url = url.to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use futures_util::StreamExt;
            let peer = Peer::connect(&url).await;
            let began = Instant::now();
            futures_util::stream::iter(&bodies)
                .for_each_concurrent(2000, |body| {
                    let properties =
                        BasicProperties::default().with_content_type("application/cloudevents+json".into());
                    peer.publish_with(DATA, body, properties)
                })
                .await;
            began.elapsed().as_secs_f64()
        })
    })
}

async fn counts(handle: &Handle) -> (u64, u64, u64) {
    let state = bridge_status(handle).await.state;
    let count = |name: &str| state["events"][name].as_u64().unwrap();
    (count("taken"), count("duplicates"), count("parked"))
}

async fn exactly(handle: &Handle, load: &Load) {
    let stored = points(handle).await;
    assert_eq!(stored.len(), load.expected.len());
    for (id, expected) in &load.expected {
        let stored = &stored[id];
        assert_eq!(
            (&stored.profile, &stored.program, stored.decision),
            (&expected.profile, &expected.program, expected.decision)
        );
    }
}

#[actix_rt::test]
async fn shuffled_doubled_and_broken_events_leave_exactly_the_right_points() {
    run(5_000).await;
}

/// `PROVOST_LOAD_EVENTS=100000 cargo test --release -p provost-actors --test it -- --ignored --nocapture load`
#[actix_rt::test]
#[ignore = "a measurement: it wants a release build and the machine for itself"]
async fn load_measured() {
    let events = std::env::var("PROVOST_LOAD_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    run(events).await;
}

/// As delivered, with training at idle priority: so many points start a job.
fn delivered(folder: &Path, url: &str) -> Options {
    Options { idle_priority: true, ..peer::options(folder, url) }
}

async fn run(events: usize) {
    let Some(bus) = bus() else { return };
    let peer = Peer::fresh(&bus).await;
    let load = load(events);
    let bytes: usize = load.bodies.iter().map(Vec::len).sum();
    let all = load.bodies.len() as u64;
    let folder = tempfile::tempdir().unwrap();
    let mut options = delivered(folder.path(), &bus.url);
    options.bridge.as_mut().unwrap().check_every = Duration::from_secs(5);
    let handle = start(options).await.unwrap();
    up(&handle).await;

    let memory = std::cell::Cell::new((f64::MAX, 0f64));
    let (before, began) = (processor(bus.group), Instant::now());
    let publishing = publish(&bus.url, load.bodies.clone());
    until("all events", Duration::from_secs(600), || async {
        let (taken, duplicates, parked) = counts(&handle).await;
        if taken > all / 4 {
            let now = resident_mb();
            let (lowest, highest) = memory.get();
            memory.set((lowest.min(now), highest.max(now)));
        }
        taken + duplicates + parked >= all
    })
    .await;
    let seconds = began.elapsed().as_secs_f64();
    let published = publishing.join().unwrap();
    let (lowest, highest) = memory.get();
    let after = processor(bus.group);
    until("all are acknowledged", Duration::from_secs(20), || async { peer.depth("ml.data").await == 0 }).await;
    eprintln!(
        "published and taken at once: {all} events of {} bytes in {seconds:.2} s = {:.0}/s (published in {published:.2} s = {:.0}/s); \
         memory {lowest:.0} to {highest:.0} MB; processor {:.1} s here (publisher included) and {:.1} s in the broker",
        bytes as u64 / all,
        all as f64 / seconds,
        all as f64 / published,
        after.0 - before.0,
        after.1 - before.1
    );
    let (taken, duplicates, parked) = counts(&handle).await;
    assert_eq!((taken, parked), (load.expected.len() as u64, load.malformed as u64));
    assert_eq!(duplicates, all - taken - parked);
    exactly(&handle, &load).await;
    assert_eq!(peer.depth("ml.parked").await as usize, load.malformed);
    for _ in 0..load.malformed {
        assert_eq!(peer.take("ml.parked").await.headers["x-provost-reason"], "malformed");
    }
    handle.shutdown(Duration::from_secs(20)).await;

    // The same again, into a queue that nobody reads, and then a system that has taken none of it.
    let published = publish(&bus.url, load.bodies.clone()).join().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let handle = start(delivered(folder.path(), &bus.url)).await.unwrap();
    until("the first", Duration::from_secs(20), || async { counts(&handle).await.0 > 0 }).await;
    let (before, began, used) = (counts(&handle).await, Instant::now(), processor(bus.group));
    until("all events", Duration::from_secs(600), || async {
        let (taken, duplicates, parked) = counts(&handle).await;
        taken + duplicates + parked >= all
    })
    .await;
    let seconds = began.elapsed().as_secs_f64();
    let after = processor(bus.group);
    let drained = all - before.0 - before.1 - before.2;
    eprintln!(
        "published alone: {:.0}/s; then drained: {drained} events in {seconds:.2} s = {:.0}/s; processor {:.1} s here and {:.1} s in \
         the broker",
        all as f64 / published,
        drained as f64 / seconds,
        after.0 - used.0,
        after.1 - used.1
    );
    exactly(&handle, &load).await;
    handle.shutdown(Duration::from_secs(20)).await;
    // For whoever uses the broker next.
    while peer.try_take("ml.parked").await.is_some() {}
}
