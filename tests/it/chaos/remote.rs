//! The campaign on MongoDB: two services on one database. They are killed and frozen, and so is the database below both, at
//! moments of their work; the oracle is the same as on SQLite.

use super::examination::{End, examine};
use super::facts::Facts;
use super::watcher::{Watcher, Whereabouts};
use super::wire::{self, Event};
use super::world::{Ledger, ROWS, Recipe, configs, ids};
use crate::broker::wait_for;
use crate::command::Place;
use crate::mongo_server::Server as Mongo;
use crate::serving::Server;
use provost_domain::rng::SplitMix64;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// One fault each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    ServiceInAdmission,
    ServiceInSearch,
    ServiceInEvaluation,
    ServiceInRegistration,
    ServiceInActivation,
    ServiceFrozen,
    StoreInAdmission,
    StoreInSearch,
    StoreInEvaluation,
    StoreInActivation,
    StoreFrozen,
    StoreAway,
}

impl Fault {
    pub const ALL: [Fault; 12] = [
        Fault::ServiceInAdmission,
        Fault::ServiceInSearch,
        Fault::ServiceInEvaluation,
        Fault::ServiceInRegistration,
        Fault::ServiceInActivation,
        Fault::ServiceFrozen,
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

/// Jobs that are kept at work or waiting.
const BACKLOG: usize = 3;
const LEASE: Duration = Duration::from_secs(2);
/// So long a request may be refused after the database is back.
const RECOVERY: Duration = Duration::from_secs(20);

pub struct Remote {
    mongo: Mongo,
    database: String,
    places: [Place; 2],
    services: [Option<Server>; 2],
    whereabouts: Arc<Whereabouts>,
    watcher: Option<Watcher>,
    rng: SplitMix64,
    recipes: Vec<Recipe>,
    ledger: Ledger,
    number: u64,
}

impl Remote {
    /// With points, what undisturbed runs make of each recipe, and a first active model. None without a MongoDB.
    pub fn new(seed: u64) -> Option<Self> {
        let mongo = Mongo::start()?;
        let database = mongo.database();
        let whereabouts = Arc::new(Whereabouts::default());
        let mut remote = Self {
            mongo,
            database,
            places: [Place::new(), Place::new()],
            services: [None, None],
            watcher: None,
            whereabouts: whereabouts.clone(),
            rng: SplitMix64::keyed(seed, &[2]),
            recipes: configs().into_iter().map(|config| Recipe { config, models: BTreeMap::new() }).collect(),
            ledger: Ledger::default(),
            number: 0,
        };
        let place = &remote.places[0];
        let ran = place.run(&["sample", "--rows", ROWS, "--seed", "5", "--out", "s.jsonl"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let import = ["import", "s.jsonl", "--verified", "--json"];
        let ran = place.command(&import).env("PROVOST_STORE__URL", &remote.database).output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        remote.ledger.points = ids(&std::fs::read_to_string(place.path("s.jsonl")).unwrap());
        remote.start(0);
        for recipe in 0..remote.recipes.len() {
            let job = remote.submit(recipe);
            let record = remote.ended(&job);
            assert_eq!((&record["status"], &record["warnings"]), (&json!("completed"), &json!([])), "{record}");
            for id in record["trained_models"].as_array().unwrap() {
                let model = remote.get(&format!("models/{}", id.as_str().unwrap()));
                let text = |key: &str| model[key].as_str().unwrap().to_owned();
                remote.recipes[recipe].models.insert(text("algorithm"), text("model_sha256"));
            }
            if recipe == 0 {
                let model = record["best_model_id"].as_str().unwrap().to_owned();
                let answer = wire::ask(&remote.host(0), "POST", &format!("activate/{model}"), None).unwrap();
                assert_eq!(answer.0, 200, "{}", answer.1);
                remote.ledger.activated.push(model);
            }
        }
        remote.start(1);
        remote.watcher = Some(Watcher::start(whereabouts));
        remote.whereabouts.active.store(true, Relaxed);
        Some(remote)
    }

    fn start(&mut self, service: usize) {
        let lease = format!("{}s", LEASE.as_secs());
        let environment = [
            ("PROVOST_STORE__URL", self.database.as_str()),
            ("PROVOST_STORE__LEASE", lease.as_str()),
            // The campaign kills more often than a job may die by default.
            ("PROVOST_JOBS__DEATHS", "100"),
            ("PROVOST_JOBS__MAX_RUNNING", "2"),
            ("PROVOST_JOBS__BACKOFF", "100ms"),
        ];
        self.services[service] = Some(Server::start_with(&self.places[service], &environment));
        if service == 0 {
            self.whereabouts.set(Some(&self.host(0)));
        }
    }

    fn kill(&mut self, service: usize) {
        if service == 0 {
            self.whereabouts.set(None);
        }
        self.services[service] = None;
    }

    fn host(&self, service: usize) -> String {
        self.services[service].as_ref().unwrap().url.strip_prefix("http://").unwrap().to_owned()
    }

    /// From the first service, as soon as it answers.
    fn get(&self, path: &str) -> Value {
        self.answered(0, "GET", path, None, None, 200)
    }

    /// Asks until the answer is not that the store is away; fails if it is not this status then.
    fn answered(
        &self,
        service: usize,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
        status: u16,
    ) -> Value {
        let (host, mut answer) = (self.host(service), (0, Value::Null));
        wait_for("answer of a service whose store is there", RECOVERY, || {
            answer = wire::send(&host, method, path, key, body).and_then(wire::read).unwrap();
            answer.0 != 503
        });
        assert_eq!(answer.0, status, "{method} {path}: {}", answer.1);
        answer.1
    }

    fn new_key(&mut self, recipe: usize) -> String {
        self.number += 1;
        let key = format!("key-{:05}", self.number);
        self.ledger.jobs.insert(key.clone(), (recipe, None));
        key
    }

    /// Submits under its key, as often as asked and by either service: the answer is the same.
    fn repeat(&mut self, service: usize, key: &str) -> String {
        let config = self.recipes[self.ledger.jobs[key].0].config.clone();
        let answer = self.answered(service, "POST", "train", Some(key), Some(&config), 202);
        self.accepted(key, &answer)
    }

    fn accepted(&mut self, key: &str, answer: &Value) -> String {
        let job = answer["job_id"].as_str().unwrap().to_owned();
        let known = &mut self.ledger.jobs.get_mut(key).unwrap().1;
        assert!(known.as_ref().is_none_or(|known| *known == job), "{key} led to {known:?} and to {job}");
        *known = Some(job.clone());
        job
    }

    fn submit(&mut self, recipe: usize) -> String {
        let key = self.new_key(recipe);
        self.repeat(0, &key)
    }

    fn below(&mut self, below: u32) -> usize {
        self.rng.below(below) as usize
    }

    fn milliseconds(&mut self, below: u32) -> Duration {
        Duration::from_micros(u64::from(self.rng.below(below * 1000)))
    }

    fn ended(&self, job: &str) -> Value {
        loop {
            wire::follow(&self.host(0), job, |_| false);
            let record = self.get(&format!("jobs/{job}"));
            if ["completed", "failed", "cancelled"].iter().any(|s| record["status"] == **s) {
                return record;
            }
        }
    }

    fn unfinished(&self) -> Vec<String> {
        let mut all = Vec::new();
        for status in ["running", "pending"] {
            let page = self.get(&format!("jobs?status={status}&limit=200"));
            all.extend(page.as_array().unwrap().iter().rev().map(|j| j["job_id"].as_str().unwrap().to_owned()));
        }
        all
    }

    /// One fault, its end, and what was promised before it.
    pub fn strike(&mut self, fault: Fault) {
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
            let began = std::time::Instant::now();
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
            Ok((202, answer)) => drop(self.accepted(&key, &answer)),
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
        let pid = self.services[service].as_ref().unwrap().process.id().to_string();
        let signal = |name: &str| {
            assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
        };
        let wait = self.milliseconds(300);
        std::thread::sleep(wait);
        signal("STOP");
        std::thread::sleep(LEASE * 2);
        signal("CONT");
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
            (202, answer) => drop(self.accepted(&key, &answer)),
            (status, answer) => assert_eq!(status, 503, "{answer}"),
        }
        self.repeat(1 - service, &key);
    }

    /// Lets everything that is accepted come to its end, stops the services in order and counts.
    pub fn finish(mut self) -> End {
        while let Some(job) = self.unfinished().first() {
            self.ended(job);
        }
        self.whereabouts.set(None);
        for service in &mut self.services {
            assert_eq!(service.as_mut().unwrap().terminate(), Some(0), "an orderly stop");
        }
        let seen = self.watcher.take().unwrap().stop();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let facts = runtime.block_on(Facts::of_mongodb(&self.database));
        examine(&facts, &self.ledger, &self.recipes, &seen)
    }

    /// Whether the database is ours to be killed.
    pub fn has_own_store(&self) -> bool {
        self.mongo.is_ours()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher.take() {
            drop(watcher.stop());
        }
        if std::thread::panicking() {
            for place in &self.places {
                let log = std::fs::read_to_string(place.path("serve.log")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(30).collect();
                eprintln!("the last lines of a service's log, newest first:\n{}", tail.join("\n"));
            }
        }
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
