//! Two services on one MongoDB, to which faults are done ([`super::outages`]), and what was promised by them.

use super::examination::{End, examine};
use super::facts::Facts;
use super::watcher::{Watcher, Whereabouts};
use super::wire;
use super::world::{Ledger, ROWS, Recipe, ids, models_of, recipes};
use crate::broker::wait_for;
use crate::command::{Place, points};
use crate::mongo_server::Server as Mongo;
use crate::serving::Server;
use crate::silence::OUTAGE;
use provost_domain::rng::SplitMix64;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

pub const LEASE: Duration = Duration::from_secs(2);
/// So long a request may be refused after the database is back.
const RECOVERY: Duration = Duration::from_secs(20);

pub struct Remote {
    pub mongo: Mongo,
    database: String,
    places: [Place; 2],
    pub services: [Option<Server>; 2],
    whereabouts: Arc<Whereabouts>,
    watcher: Option<Watcher>,
    pub rng: SplitMix64,
    pub recipes: Vec<Recipe>,
    pub ledger: Ledger,
    pub number: u64,
    /// How often new points were to lead to a job.
    occasions: usize,
}

/// New points of one occasion, and how many of them the schedule asks for.
const ARRIVING: usize = 60;
const ENOUGH: usize = 50;

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
            recipes: recipes(),
            ledger: Ledger::default(),
            number: 0,
            occasions: 0,
        };
        let place = Place::new();
        let ran = place.run(&["sample", "--rows", ROWS, "--seed", "5", "--out", "s.jsonl"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        remote.import(&place, "s.jsonl", &["--verified"]);
        remote.start(0);
        for recipe in 0..remote.recipes.len() {
            let job = remote.submit(recipe);
            let record = remote.ended(&job);
            assert_eq!((&record["status"], &record["warnings"]), (&json!("completed"), &json!([])), "{record}");
            remote.recipes[recipe].models = models_of(&record, |path| remote.get(path));
            if recipe == 0 {
                let model = record["best_model_id"].as_str().unwrap().to_owned();
                let answer = wire::ask(&remote.host(0), "POST", &format!("activate/{model}"), None).unwrap();
                assert_eq!(answer.0, 200, "{}", answer.1);
                remote.ledger.activated.push(model);
            }
        }
        let schedule = json!({
            "min_new_samples": ENOUGH, "improvement_threshold": 0.0, "schedule_cron": "0 0 29 2 *",
            "training_config": {"algorithms": ["logistic_regression"], "hyperparameter_tuning": "none", "min_samples": 100,
                "cross_validation_folds": 3, "use_verified_only": false, "test_size": 0.3, "random_state": 7},
        });
        remote.answered(0, "PUT", "schedule", None, Some(&schedule), 200);
        remote.start(1);
        remote.watcher = Some(Watcher::start(whereabouts));
        remote.whereabouts.active.store(true, Relaxed);
        Some(remote)
    }

    pub fn start(&mut self, service: usize) {
        let lease = format!("{}s", LEASE.as_secs());
        let environment = [
            ("PROVOST_STORE__URL", self.database.as_str()),
            ("PROVOST_STORE__LEASE", lease.as_str()),
            // The campaign kills more often than a job may die by default.
            ("PROVOST_JOBS__DEATHS", "100"),
            ("PROVOST_JOBS__MAX_RUNNING", "2"),
            ("PROVOST_JOBS__BACKOFF", "100ms"),
            ("PROVOST_SCHEDULE__ENABLED", "true"),
            ("PROVOST_SCHEDULE__COOLDOWN", "0s"),
        ];
        let server = Server::start_with(&self.places[service], &environment);
        // A store that goes away between a request and its answer leaves the answer's entry out of the audit log.
        server.expects(&["what came of a request is missing in the audit log"]);
        server.expects_warnings(&OUTAGE);
        self.services[service] = Some(server);
        if service == 0 {
            self.whereabouts.set(Some(&self.host(0)));
        }
    }

    pub fn kill(&mut self, service: usize) {
        if service == 0 {
            self.whereabouts.set(None);
        }
        self.services[service] = None;
    }

    pub fn host(&self, service: usize) -> String {
        self.services[service].as_ref().unwrap().url.strip_prefix("http://").unwrap().to_owned()
    }

    /// From the first service, as soon as it answers.
    pub fn get(&self, path: &str) -> Value {
        self.answered(0, "GET", path, None, None, 200)
    }

    /// Asks until the answer is not that the store is away; fails if it is not this status then.
    pub fn answered(
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

    pub fn new_key(&mut self, recipe: usize) -> String {
        self.number += 1;
        let key = format!("key-{:05}", self.number);
        self.ledger.jobs.insert(key.clone(), (recipe, None));
        key
    }

    /// Submits under its key, as often as asked and by either service: the answer is the same.
    pub fn repeat(&mut self, service: usize, key: &str) -> String {
        let config = self.recipes[self.ledger.jobs[key].0].config.clone();
        let answer = self.answered(service, "POST", "train", Some(key), Some(&config), 202);
        self.ledger.accepted(key, &answer)
    }

    pub fn submit(&mut self, recipe: usize) -> String {
        let key = self.new_key(recipe);
        self.repeat(0, &key)
    }

    pub fn below(&mut self, below: u32) -> usize {
        self.rng.below(below) as usize
    }

    pub fn milliseconds(&mut self, below: u32) -> Duration {
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

    pub fn unfinished(&self) -> Vec<String> {
        let mut all = Vec::new();
        for status in ["running", "pending"] {
            let page = self.get(&format!("jobs?status={status}&limit=200"));
            all.extend(page.as_array().unwrap().iter().rev().map(|j| j["job_id"].as_str().unwrap().to_owned()));
        }
        all
    }

    /// Brings a file's points in, beside the services.
    fn import(&mut self, place: &Place, file: &str, with: &[&str]) {
        let import = [&["import", file, "--json"], with].concat();
        let ran = place.command(&import).env("PROVOST_STORE__URL", &self.database).output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        self.ledger.points.extend(ids(&std::fs::read_to_string(place.path(file)).unwrap()));
    }

    /// Points for one automatic job.
    pub fn arrive(&mut self) {
        let (place, first) = (Place::new(), self.occasions * ARRIVING);
        place.file("new.jsonl", points(first..first + ARRIVING));
        self.import(&place, "new.jsonl", &[]);
        self.occasions += 1;
    }

    /// Waits for the job that the last points led to. Two schedulers saw them: every occasion is one trigger, and has a job of
    /// its own.
    pub fn triggered(&self) {
        let mut jobs = Vec::new();
        wait_for("job of the new points", RECOVERY * 3, || {
            let triggers = self.get("triggers?limit=200");
            let automatic = triggers.as_array().unwrap().iter().filter(|t| t["trigger_type"] != "manual");
            jobs = automatic.map(|t| t["job_id"].as_str().map(str::to_owned)).collect();
            jobs.len() >= self.occasions && jobs.iter().all(Option::is_some)
        });
        assert_eq!(jobs.len(), self.occasions, "triggers of {} occasions", self.occasions);
        let apart: BTreeSet<&Option<String>> = jobs.iter().collect();
        assert_eq!(apart.len(), self.occasions, "jobs of {} occasions: {jobs:?}", self.occasions);
        for job in jobs.iter().flatten() {
            self.ended(job);
        }
    }

    /// Lets everything that is accepted come to its end, stops the services in order and counts.
    pub fn finish(mut self) -> End {
        while let Some(job) = self.unfinished().first() {
            self.ended(job);
        }
        self.triggered();
        self.whereabouts.set(None);
        for service in &mut self.services {
            assert_eq!(service.as_mut().unwrap().terminate(), Some(0), "an orderly stop");
        }
        let seen = self.watcher.take().unwrap().stop();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let facts = runtime.block_on(Facts::of_mongodb(&self.database));
        let end = examine(&facts, &self.ledger, &self.recipes, &seen);
        assert_eq!(end.automatic_jobs, self.occasions, "automatic jobs and occasions");
        end
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
