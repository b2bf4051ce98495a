//! One data folder, the server that dies on it again and again, and what was promised on it.

use super::examination::{End, examine};
use super::facts::Facts;
use super::watcher::{Seen, Watcher, Whereabouts};
use super::wire;
use crate::broker::{Bus, Node};
use crate::command::{Place, copy};
use crate::silence::{self, Counts};
use provost_domain::rng::SplitMix64;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

pub const ROWS: &str = "420";
/// So long may a server take to its first answer, on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Faults that the campaign makes beside outages: a bit of an artifact that was turned over, points that came in and lead to no
/// job, a full disk.
const NAMED: [&str; 4] = ["is corrupt", "a damaged artifact is replaced", "triggers lead to no job", "no space left"];

/// A configuration, and the models that an undisturbed run makes of it: algorithm to SHA-256.
#[derive(Clone)]
pub struct Recipe {
    pub config: Value,
    pub models: BTreeMap<String, String>,
}

/// Small searches over verified rows, so that points which come in unverified change no model.
pub fn recipes() -> Vec<Recipe> {
    let with = |algorithms: &[&str], seed: u64| {
        let mut grids = json!({
            "logistic_regression": {"C": [0.1, 1.0, 10.0], "penalty": ["l2"]},
            "random_forest": {"n_estimators": [20, 30], "max_depth": [4, 6]},
            "xgboost": {"n_estimators": [20], "max_depth": [2, 3], "learning_rate": [0.1, 0.3]},
            "gradient_boosting": {"n_estimators": [20, 30], "max_depth": [2]},
        });
        // A grid of another algorithm has no effect, of which the job would warn.
        grids.as_object_mut().unwrap().retain(|name, _| algorithms.contains(&name.as_str()));
        json!({
            "algorithms": algorithms, "random_state": seed, "hyperparameter_tuning": "grid_search", "min_samples": 100,
            "cross_validation_folds": 3, "use_verified_only": true,
            "grids": grids,
        })
    };
    [
        with(&["logistic_regression", "random_forest"], 1),
        with(&["xgboost", "logistic_regression", "ensemble"], 2),
        with(&["gradient_boosting"], 3),
    ]
    .map(|config| Recipe { config, models: BTreeMap::new() })
    .to_vec()
}

/// The models of a job that has ended: algorithm to SHA-256.
pub fn models_of(record: &Value, get: impl Fn(&str) -> Value) -> BTreeMap<String, String> {
    let of = |id: &Value| {
        let model = get(&format!("models/{}", id.as_str().unwrap()));
        let text = |key: &str| model[key].as_str().unwrap().to_owned();
        (text("algorithm"), text("model_sha256"))
    };
    record["trained_models"].as_array().unwrap().iter().map(of).collect()
}

/// What the clients of a server were told, and so may rely on.
#[derive(Default)]
pub struct Ledger {
    /// Idempotency-Key to recipe and, once it was answered, job.
    pub jobs: BTreeMap<String, (usize, Option<String>)>,
    /// Models in the order in which their activation was confirmed.
    pub activated: Vec<String>,
    pub points: BTreeSet<String>,
    /// Events that asked for a training.
    pub triggers: BTreeSet<String>,
    /// Jobs that were seen in a final state.
    pub ended: BTreeSet<String>,
}

impl Ledger {
    /// Notes the job of a submission; the same key must have the same one.
    pub fn accepted(&mut self, key: &str, answer: &Value) -> String {
        let job = answer["job_id"].as_str().unwrap().to_owned();
        let known = &mut self.jobs.get_mut(key).unwrap().1;
        assert!(known.as_ref().is_none_or(|known| *known == job), "{key} led to {known:?} and to {job}");
        *known = Some(job.clone());
        job
    }
}

pub struct World {
    pub place: Place,
    server: Option<(Child, String)>,
    whereabouts: Arc<Whereabouts>,
    watcher: Option<Watcher>,
    pub rng: SplitMix64,
    pub recipes: Vec<Recipe>,
    pub ledger: Ledger,
    pub bus: Option<Bus>,
    /// A broker of our own, to which faults may be done.
    pub node: Option<Node>,
    pub starts: u64,
    pub kills: u64,
    pub slowest_start: Duration,
    pub number: u64,
}

impl World {
    /// With points, a first active model, the schedule's rules, and what undisturbed runs make of each recipe.
    pub fn new(seed: u64, bus: Option<Bus>, node: Option<Node>) -> Self {
        let place = Place::new();
        let ran = place.run(&["sample", "--rows", ROWS, "--seed", "5", "--out", "s.jsonl"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let ran = place.run(&["import", "s.jsonl", "--verified", "--json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let calm = Place::new();
        copy(&place.path("data"), &calm.path("data"));
        let whereabouts = Arc::new(Whereabouts::default());
        let mut world = Self {
            place: calm,
            server: None,
            watcher: None,
            whereabouts: Arc::default(),
            rng: SplitMix64::keyed(seed, &[0]),
            recipes: recipes(),
            ledger: Ledger::default(),
            bus: None,
            node: None,
            starts: 0,
            kills: 0,
            slowest_start: Duration::ZERO,
            number: 0,
        };
        world.start();
        for recipe in 0..world.recipes.len() {
            let job = world.submit(recipe);
            let record = world.ended(&job);
            assert_eq!((&record["status"], &record["warnings"]), (&json!("completed"), &json!([])), "{record}");
            world.recipes[recipe].models = models_of(&record, |path| world.get(path));
        }
        assert_eq!(world.terminate(), Some(0));
        world.place = place;
        world.ledger = Ledger::default();
        world.ledger.points = ids(&std::fs::read_to_string(world.place.path("s.jsonl")).unwrap());
        world.whereabouts = whereabouts.clone();
        world.watcher = Some(Watcher::start(whereabouts));
        world.bus = bus;
        world.node = node;
        world.start();
        world
    }

    pub fn start(&mut self) {
        let began = Instant::now();
        let log = std::fs::File::options().create(true).append(true).open(self.place.path("server.log")).unwrap();
        let mut command = self.place.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
        for (name, value) in [
            // The campaign kills more often than a job may die by default.
            ("PROVOST_JOBS__DEATHS", "100"),
            ("PROVOST_JOBS__MAX_RUNNING", "2"),
            ("PROVOST_JOBS__BACKOFF", "100ms"),
            ("PROVOST_SCHEDULE__COOLDOWN", "0s"),
        ] {
            command.env(name, value);
        }
        let url = self.node.as_ref().map(|node| node.url(0)).or(self.bus.as_ref().map(|bus| bus.url.clone()));
        if let Some(url) = url {
            command.env("PROVOST_BRIDGE__URL", url);
        }
        let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let log = std::fs::read_to_string(self.place.path("server.log")).unwrap();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            panic!("the server did not start: {line:?}\n{}", tail.join("\n"));
        };
        let host = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        self.starts += 1;
        self.slowest_start = self.slowest_start.max(began.elapsed());
        assert!(began.elapsed() < START, "a start took {:?}", began.elapsed());
        self.whereabouts.set(Some(&host));
        self.server = Some((process, host));
    }

    pub fn host(&self) -> String {
        self.server.as_ref().unwrap().1.clone()
    }

    pub fn is_up(&self) -> bool {
        self.server.is_some()
    }

    pub fn pid(&self) -> u32 {
        self.server.as_ref().unwrap().0.id()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let (mut process, _) = self.server.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        self.whereabouts.set(None);
        self.kills += 1;
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// SIGTERM; the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        let (mut process, _) = self.server.take().unwrap();
        let code = process.wait().unwrap().code();
        self.whereabouts.set(None);
        code
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, answer) = wire::ask(&self.host(), "GET", path, None).unwrap();
        assert_eq!(status, 200, "GET {path}: {answer}");
        answer
    }

    /// Follows a job to its end.
    pub fn ended(&self, job: &str) -> Value {
        loop {
            wire::follow(&self.host(), job, |_| false);
            let record = self.get(&format!("jobs/{job}"));
            if ["completed", "failed", "cancelled"].iter().any(|s| record["status"] == **s) {
                return record;
            }
        }
    }

    /// A number that was not used before.
    pub fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// A new key for a job of this recipe, promised to nobody yet.
    pub fn new_key(&mut self, recipe: usize) -> String {
        let key = format!("key-{:05}", self.next());
        self.ledger.jobs.insert(key.clone(), (recipe, None));
        key
    }

    /// Notes the answer to a submission; the same key must have the same answer.
    pub fn accepted(&mut self, key: &str, answer: &(u16, Value)) -> String {
        assert_eq!(answer.0, 202, "{key}: {}", answer.1);
        self.ledger.accepted(key, &answer.1)
    }

    /// Submits under its key, as often as asked: the answer is the same.
    pub fn repeat(&mut self, key: &str) -> String {
        let config = self.recipes[self.ledger.jobs[key].0].config.clone();
        let host = self.host();
        let answer = wire::send(&host, "POST", "train", Some(key), Some(&config)).and_then(wire::read).unwrap();
        self.accepted(key, &answer)
    }

    pub fn submit(&mut self, recipe: usize) -> String {
        let key = self.new_key(recipe);
        self.repeat(&key)
    }

    /// From now on exactly one model is active.
    pub fn is_active(&self) {
        self.whereabouts.active.store(true, Relaxed);
    }

    pub fn milliseconds(&mut self, below: u32) -> Duration {
        Duration::from_micros(u64::from(self.rng.below(below * 1000)))
    }

    /// Looks through the whole data folder of a server that has stopped.
    pub fn examine(&self, seen: &Seen) -> End {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let facts = runtime.block_on(Facts::of_folder(&self.place.path("data")));
        examine(&facts, &self.ledger, &self.recipes, seen)
    }

    /// What the logs of all servers on this folder have of faults, and the lines that are not named.
    pub fn faults(&self) -> (Counts, Vec<String>) {
        let log = std::fs::read(self.place.path("server.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let named = |line: &&str| silence::is_of_outage(line) || NAMED.iter().any(|text| line.contains(text));
        let lines = silence::faults(&log).into_iter().filter(|line| !named(line));
        (Counts::of(&log), lines.map(str::to_owned).collect())
    }

    /// Ends the watcher.
    pub fn seen(&mut self) -> Seen {
        self.watcher.take().unwrap().stop()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some((mut process, _)) = self.server.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        if let Some(watcher) = self.watcher.take() {
            drop(watcher.stop());
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.place.path("server.log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("the last lines of the servers' log, newest first:\n{}", tail.join("\n"));
        }
    }
}

/// Ids of points in JSON lines.
pub fn ids(lines: &str) -> BTreeSet<String> {
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["data_point_id"].as_str().unwrap().to_owned();
    lines.lines().map(id).collect()
}
