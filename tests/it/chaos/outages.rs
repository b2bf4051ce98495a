//! The campaign on MongoDB: two services on one database. They are killed and frozen, and so is the database below both, at
//! moments of their work; the oracle is the same as on SQLite.

use super::examination::End;
use super::remote::{LEASE, Remote};
use super::wire::{self, Event};
use provost_domain::rng::SplitMix64;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One fault each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    ServiceInAdmission,
    ServiceInSearch,
    ServiceInEvaluation,
    ServiceInRegistration,
    ServiceInActivation,
    ServiceFrozen,
    TwoSchedulers,
    SchedulerKilled,
    StoreInAdmission,
    StoreInSearch,
    StoreInEvaluation,
    StoreInActivation,
    StoreFrozen,
    StoreAway,
}

impl Fault {
    pub const ALL: [Fault; 14] = [
        Fault::ServiceInAdmission,
        Fault::ServiceInSearch,
        Fault::ServiceInEvaluation,
        Fault::ServiceInRegistration,
        Fault::ServiceInActivation,
        Fault::ServiceFrozen,
        Fault::TwoSchedulers,
        Fault::SchedulerKilled,
        Fault::StoreInAdmission,
        Fault::StoreInSearch,
        Fault::StoreInEvaluation,
        Fault::StoreInActivation,
        Fault::StoreFrozen,
        Fault::StoreAway,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Fault::ServiceInAdmission => "service killed: admission of a job",
            Fault::ServiceInSearch => "service killed: search",
            Fault::ServiceInEvaluation => "service killed: evaluation of a fitted model",
            Fault::ServiceInRegistration => "service killed: registration of a model, end of a job",
            Fault::ServiceInActivation => "service killed: activation by hand",
            Fault::ServiceFrozen => "service frozen past its lease, then woken",
            Fault::TwoSchedulers => "two schedulers, woken at one moment by points for one job",
            Fault::SchedulerKilled => "two schedulers, woken at one moment, and one killed over it",
            Fault::StoreInAdmission => "database killed and started again: admission of a job",
            Fault::StoreInSearch => "database killed and started again: search",
            Fault::StoreInEvaluation => "database killed and started again: evaluation, registration, end of a job",
            Fault::StoreInActivation => "database killed and started again: activation by hand",
            Fault::StoreFrozen => "database frozen for up to 7 s",
            Fault::StoreAway => "database away for 7 s, longer than the driver looks for it",
        }
    }

    fn concerns_store(self) -> bool {
        self >= Fault::StoreInAdmission
    }
}

/// A scheduler looks at least this often.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
/// Jobs that are kept at work or waiting.
const BACKLOG: usize = 3;

impl Remote {
    /// One fault, its end, and what was promised before it.
    fn strike(&mut self, fault: Fault) {
        for _ in self.unfinished().len()..BACKLOG {
            let recipe = self.below(3);
            self.submit(recipe);
        }
        let service = self.below(2);
        match fault {
            Fault::ServiceInAdmission | Fault::StoreInAdmission => self.in_admission(fault, service),
            Fault::ServiceInActivation | Fault::StoreInActivation => self.in_activation(fault, service),
            Fault::ServiceInSearch | Fault::StoreInSearch => self.at(fault, service, 40, |e| e.kind == "trial"),
            Fault::ServiceInEvaluation => self.at(fault, service, 80, |e| e.logs("fitted in")),
            Fault::StoreInEvaluation => self.at(fault, service, 250, |e| e.logs("fitted in")),
            Fault::ServiceInRegistration => self.at(fault, service, 80, |e| e.logs("registered as")),
            Fault::ServiceFrozen => self.freeze_service(service),
            Fault::TwoSchedulers | Fault::SchedulerKilled => self.wake_schedulers(fault, service),
            Fault::StoreFrozen => self.freeze_store(service),
            Fault::StoreAway => {
                self.at(Fault::StoreInSearch, service, 40, |e| e.kind == "trial");
                self.mongo.kill();
                std::thread::sleep(Duration::from_secs(7));
                self.mongo.revive();
            }
        }
        let last: Vec<String> = self.ledger.jobs.keys().rev().take(4).cloned().collect();
        for key in last {
            let service = self.below(2);
            let job = self.repeat(service, &key);
            let record = self.answered(service, "GET", &format!("jobs/{job}"), None, None, 200);
            let ended = !["pending", "running"].iter().any(|s| record["status"] == **s);
            assert!(ended || !self.ledger.ended.contains(&job), "{job} had ended and is {}", record["status"]);
            if ended {
                assert_eq!(record["status"], "completed", "{record}");
                self.ledger.ended.insert(job);
            }
        }
    }

    /// Kills the service, or the database below both, and starts it again after a while.
    fn kill_and_start(&mut self, fault: Fault, service: usize) {
        if fault.concerns_store() {
            let away = self.milliseconds(1500);
            self.mongo.kill();
            std::thread::sleep(away);
            self.mongo.revive();
        } else {
            // Now and then the other one takes its jobs over.
            let away = if self.below(3) == 0 { LEASE + Duration::from_secs(1) } else { Duration::ZERO };
            self.kill(service);
            std::thread::sleep(away);
            self.start(service);
        }
    }

    /// At the next such event of a job, up to `spread` milliseconds later; at any moment if none comes.
    fn at(&mut self, fault: Fault, service: usize, spread: u32, enough: impl Fn(&Event) -> bool) {
        let wait = self.milliseconds(spread);
        let jobs = self.unfinished();
        if let Some(job) = jobs.first() {
            // What is told already comes at once.
            let began = Instant::now();
            let news = |e: &Event| began.elapsed() > Duration::from_millis(150) && enough(e);
            wire::follow(&self.host(0), job, news);
        }
        std::thread::sleep(wait);
        self.kill_and_start(fault, service);
    }

    /// Answered or not, it is one job: the key is asked again afterwards, of either service.
    fn in_admission(&mut self, fault: Fault, service: usize) {
        let recipe = self.below(3);
        let (key, wait) = (self.new_key(recipe), self.milliseconds(60));
        let config = self.recipes[recipe].config.clone();
        let sent = wire::send(&self.host(service), "POST", "train", Some(&key), Some(&config)).unwrap();
        std::thread::sleep(wait);
        self.kill_and_start(fault, service);
        match wire::read(sent) {
            Ok((202, answer)) => drop(self.ledger.accepted(&key, &answer)),
            Ok((status, answer)) => assert_eq!(status, 503, "{answer}"),
            Err(_) => {}
        }
        let service = self.below(2);
        self.repeat(service, &key);
    }

    fn in_activation(&mut self, fault: Fault, service: usize) {
        let models = self.get("models?limit=200");
        let idle: Vec<&Value> = models.as_array().unwrap().iter().filter(|m| m["is_active"] == json!(false)).collect();
        let model = idle[self.below(idle.len() as u32)]["model_id"].as_str().unwrap().to_owned();
        self.number += 1;
        let (path, key) = (format!("activate/{model}"), format!("act-{:05}", self.number));
        let wait = self.milliseconds(60);
        let sent = wire::send(&self.host(service), "POST", &path, Some(&key), None).unwrap();
        std::thread::sleep(wait);
        self.kill_and_start(fault, service);
        let first = wire::read(sent).ok();
        let service = self.below(2);
        let again = self.answered(service, "POST", &path, Some(&key), None, 200);
        match first {
            Some((200, first)) => assert_eq!(first, again, "one key has one answer"),
            Some((status, answer)) => assert_eq!(status, 503, "{answer}"),
            None => {}
        }
        self.ledger.activated.push(model);
    }

    /// What a frozen one still believes when it wakes up changes nothing.
    fn freeze_service(&mut self, service: usize) {
        let wait = self.milliseconds(300);
        let frozen = self.services[service].as_ref().unwrap();
        std::thread::sleep(wait);
        frozen.signal("STOP");
        std::thread::sleep(LEASE * 2);
        frozen.signal("CONT");
    }

    /// Both are frozen until a look is due, so both look at once.
    fn wake_schedulers(&mut self, fault: Fault, service: usize) {
        let both = |remote: &Self, signal: &str| remote.services.iter().flatten().for_each(|s| s.signal(signal));
        both(self, "STOP");
        self.arrive();
        std::thread::sleep(BETWEEN_LOOKS);
        let wait = self.milliseconds(400);
        both(self, "CONT");
        if fault == Fault::SchedulerKilled {
            std::thread::sleep(wait);
            self.kill_and_start(fault, service);
        }
        self.triggered();
    }

    /// Requests on their way are answered when it goes on, or told to come again.
    fn freeze_store(&mut self, service: usize) {
        let (key, frozen) = (self.new_key(0), self.milliseconds(7000));
        let config = self.recipes[0].config.clone();
        self.mongo.signal("STOP");
        let sent = wire::send(&self.host(service), "POST", "train", Some(&key), Some(&config)).unwrap();
        std::thread::sleep(frozen);
        self.mongo.signal("CONT");
        match wire::read(sent).unwrap() {
            (202, answer) => drop(self.ledger.accepted(&key, &answer)),
            (status, answer) => assert_eq!(status, 503, "{answer}"),
        }
        self.repeat(1 - service, &key);
    }
}

/// In each round every fault once, in an order of the seed's, on a database of its own (the tests' server looks through whole
/// collections, and slows down as they grow). Faults of the database only where it is ours.
pub fn campaign(seed: u64, rounds: u64) -> Option<(BTreeMap<Fault, u64>, End)> {
    let (mut done, mut end) = (BTreeMap::new(), End::default());
    for round in 0..rounds {
        let mut remote = Remote::new(SplitMix64::keyed(seed, &[3, round]).next_u64())?;
        let own = remote.has_own_store();
        let mut faults: Vec<Fault> = Fault::ALL.into_iter().filter(|f| own || !f.concerns_store()).collect();
        remote.rng.shuffle(&mut faults);
        for fault in faults {
            remote.strike(fault);
            *done.entry(fault).or_default() += 1;
        }
        end += remote.finish();
    }
    Some((done, end))
}
