//! The fault campaign: a service is killed, frozen, starved and damaged, over and over, and what it had promised is counted
//! afterwards. `make chaos` runs all of it and writes docs/RELIABILITY.md; `make test` runs twenty kills.
//!
//! `make chaos` first lets systems run through a simulated week (`actors/tests/it/week.rs`), in the process of the test: the clock
//! of a service is the machine's, and no variable of its environment may change that.
//!
//! Seeded: the same seed aims at the same moments in the same order. What a kill meets depends on the machine as well, so the
//! report says where each one found the work.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod evidence;
mod examination;
mod facts;
mod faults;
mod intake;
mod outages;
mod panics;
mod proof;
mod remote;
mod report;
mod strikes;
mod watcher;
pub mod wire;
mod world;

use crate::broker;
use examination::End;
use provost_domain::rng::SplitMix64;
use report::Report;
use serde_json::json;
use std::time::{Duration, Instant};
use strikes::{Aim, Tally};
use watcher::Seen;
use world::World;

/// The aims of a campaign: each equally often, in an order of the seed's.
fn aims(seed: u64, kills: u64, bus: bool) -> Vec<Aim> {
    let possible: Vec<Aim> = Aim::ALL.into_iter().filter(|aim| bus || *aim != Aim::EventIntake).collect();
    let mut aims: Vec<Aim> = possible.iter().copied().cycle().take(kills as usize).collect();
    SplitMix64::keyed(seed, &[1]).shuffle(&mut aims);
    aims
}

/// The first model, and the rules that make jobs of new points.
fn prepare(world: &mut World) {
    let job = world.submit(0);
    let record = world.ended(&job);
    let model = record["best_model_id"].as_str().unwrap().to_owned();
    let (status, answer) = wire::ask(&world.host(), "POST", &format!("activate/{model}"), None).unwrap();
    assert_eq!(status, 200, "{answer}");
    world.ledger.activated.push(model);
    world.is_active();
    let schedule = json!({
        "min_new_samples": 50, "improvement_threshold": 0.0,
        "training_config": {"algorithms": ["logistic_regression"], "hyperparameter_tuning": "none", "min_samples": 100,
            "cross_validation_folds": 3, "use_verified_only": false, "test_size": 0.3, "random_state": 7},
    });
    let (status, answer) = wire::ask(&world.host(), "PUT", "schedule", Some(&schedule)).unwrap();
    assert_eq!(status, 200, "{answer}");
}

/// Lets everything that is accepted come to its end, stops the service and counts.
fn finish(world: &mut World) -> (End, Seen) {
    let pending = |world: &World| world.unfinished().into_iter().next();
    loop {
        while let Some((job, _)) = pending(world) {
            world.ended(&job);
        }
        // What the broker confirmed may still be on its way, and may ask for another job.
        let data = world.place.path("data");
        broker::wait_for("all events", Duration::from_secs(120), || evidence::has_all(&data, &world.ledger));
        if pending(world).is_none() {
            break;
        }
    }
    assert_eq!(world.terminate(), Some(0), "an orderly stop");
    let seen = world.seen();
    (world.examine(&seen), seen)
}

#[test]
fn twenty_kills_lose_nothing() {
    let began = Instant::now();
    let bus = broker::bus();
    let with_bus = bus.is_some();
    let (seed, kills) = (number("PROVOST_CHAOS_SEED", 1), number("PROVOST_CHAOS_KILLS", 20));
    let mut world = World::new(seed, bus, None);
    prepare(&mut world);
    let mut tally = Tally::default();
    for aim in aims(seed, kills, with_bus) {
        world.strike(aim, &mut tally);
    }
    let (end, seen) = finish(&mut world);
    assert_eq!(world.faults().1, Vec::<String>::new(), "faults that no kill explains");
    assert!(end.models_compared > 0 && end.reads > 0, "{end:?}");
    eprintln!("{kills} kills in {:.1} s: {:?}\n{end:?}", began.elapsed().as_secs_f64(), tally.found);
    proof::every_loss_is_noticed(&world, &seen);
}

/// Each kind of fault once; on a MongoDB that is not the tests' own, those of the services.
#[test]
#[ignore = "acceptance"]
fn acceptance_of_faults_on_mongodb() {
    let began = Instant::now();
    let Some((done, end)) = outages::campaign(number("PROVOST_CHAOS_SEED", 1), 1) else { return };
    assert!(end.models_compared > 0 && end.reads > 0, "{end:?}");
    eprintln!("faults on MongoDB in {:.1} s: {done:?}\n{end:?}", began.elapsed().as_secs_f64());
}

#[test]
fn panics_at_named_places_cost_no_job() {
    let made = panics::panics(1, 16);
    assert!(made.values().sum::<u64>() >= 8, "{made:?}");
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`; a whole number is allowed")),
        Err(_) => default,
    }
}

/// All of it, bounded by the number of kills; the report goes to the file that `PROVOST_CHAOS_REPORT` names.
#[test]
#[ignore = "the whole campaign takes long; `make chaos` runs it"]
fn campaign() {
    let (seed, kills) = (number("PROVOST_CHAOS_SEED", 1), number("PROVOST_CHAOS_KILLS", 1000));
    let mut report = Report::begin(seed, kills);
    report.section("panics", |report| {
        let rounds = (kills / 5).clamp(8, 200);
        report.panics = panics::panics(seed, rounds);
    });
    let node = broker::node();
    report.broker = node.as_ref().map(broker::Node::version);
    let mut world = World::new(seed, None, node);
    report.section("kills and other faults", |report| {
        prepare(&mut world);
        let ran = world.place.run(&["backup", "backup-for-disk"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        report.disk = faults::full_disk(&world);
        let every = (kills / 20).max(1) as usize;
        for (done, aim) in aims(seed, kills, report.broker.is_some()).into_iter().enumerate() {
            world.strike(aim, &mut report.tally);
            report.kills += 1;
            if done % every == every / 2 {
                others(&mut world, report, done / every);
            }
            if done % 50 == 49 {
                eprintln!("{} kills, {:.0} s", done + 1, report.began.elapsed().as_secs_f64());
            }
        }
        report.end = finish(&mut world).0;
        let (counts, lines) = world.faults();
        report.faults = counts;
        assert_eq!(lines, Vec::<String>::new(), "faults that the campaign did not make");
        report.starts = world.starts;
        report.sigkills = world.kills;
        report.slowest_start = world.slowest_start;
    });
    report.section("MongoDB", |report| report.remote = outages::campaign(seed, kills.div_ceil(200)));
    report.write();
    assert_eq!(report.failures, Vec::<String>::new());
}

/// The other faults, between the kills: all of them in turn.
fn others(world: &mut World, report: &mut Report, turn: usize) {
    let counted = &mut report.others;
    let mut count = |what: &'static str| *counted.entry(what).or_default() += 1;
    match turn % 5 {
        0 => {
            report.slowest_stop = report.slowest_stop.max(world.sigterm());
            count("SIGTERM with jobs at work: exit 0 within the deadline");
        }
        1 => {
            world.freeze(Duration::from_millis(1500));
            count("SIGSTOP for 1.5 s, then SIGCONT: the waiting request is answered");
        }
        2 => {
            // Once per campaign longer than the 10 s for which the service waits for a lock.
            let held = if turn == 2 { Duration::from_secs(12) } else { Duration::from_millis(800) };
            let status = world.lock_store(held);
            count(if status == 202 {
                "store locked by another process: the submission waited and was taken"
            } else {
                "store locked by another process: 503, and the same key was good afterwards"
            });
        }
        3 => {
            world.second_service();
            count("second service on the data folder: refused with exit 2");
            if world.flip_a_bit() {
                count("one bit of a model's artifact turned over: refused by name, the active model stayed");
            }
        }
        _ => {
            world.back_up();
            count("backup beside the service at work, restored and served elsewhere");
            if world.break_broker(turn % 10 == 9) {
                count("broker killed or frozen in a burst of events");
            }
        }
    }
}
