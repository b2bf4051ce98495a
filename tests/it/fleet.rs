//! Workers on other machines: one is killed, one is cut off, and the jobs end with the models of an undisturbed run.
#![allow(clippy::unwrap_used)]

use crate::broker::bus;
use crate::command::Place;
use crate::durability::{ask, events, final_state, job, submit};
use crate::mongo_server::Server as Mongo;
use crate::network::Machine;
use crate::serving::Server;
use crate::silence::{faults, is_of_outage};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const LEASE: Duration = Duration::from_secs(3);

struct Worker {
    machine: Machine,
    place: Place,
    process: Child,
}

impl Worker {
    /// With so many units at a time, on a machine of its own that reaches store and broker.
    fn start(machine: Machine, store: (&str, &str), broker: &str, units: u32) -> Self {
        let place = Place::new();
        let (host, rest) = broker.split_once('@').unwrap();
        let (address, vhost) = rest.split_once('/').unwrap();
        let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
        let broker = format!("{host}@{}/{vhost}", machine.forward(port));
        let (database, address) = store;
        let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
        let store = database.replacen(address, &machine.forward(port).to_string(), 1);
        let process = machine
            .command(env!("CARGO_BIN_EXE_provost"))
            .args(["worker", "--json", "--data-dir"])
            .arg(place.path("data"))
            .env("PROVOST_STORE__URL", store)
            .env("PROVOST_STORE__LEASE", "3s")
            .env("PROVOST_BRIDGE__URL", broker)
            .env("PROVOST_JOBS__MAX_RUNNING", units.to_string())
            .stdout(Stdio::null())
            .stderr(File::create(place.path("log")).unwrap())
            .spawn()
            .unwrap();
        Self { machine, place, process }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.place.path("log")).unwrap()
    }

    /// Waits until its log says this so many times.
    fn says(&self, what: &str, times: usize, within: Duration) {
        let deadline = Instant::now() + within;
        while self.log().matches(what).count() < times {
            assert!(Instant::now() < deadline, "no `{what}` within {within:?} in:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !std::thread::panicking() {
            let log = self.log();
            let errors: Vec<&str> = faults(&log).into_iter().filter(|line| !is_of_outage(line)).collect();
            assert!(errors.is_empty(), "faults of a worker:\n{}", errors.join("\n"));
        }
    }
}

/// A search of some seconds, different for each seed.
fn config(seed: u32) -> Value {
    json!({
        "algorithms": ["gradient_boosting"], "tuning_iterations": 60, "cross_validation_folds": 5, "min_samples": 100,
        "hyperparameter_tuning": "grid_search", "pruning": "none", "n_jobs": 1, "random_state": seed,
        "grids": {"gradient_boosting": {
            "n_estimators": [600], "max_depth": [5, 6, 7], "learning_rate": [0.02, 0.05, 0.1], "min_samples_leaf": [1, 3, 5],
        }},
    })
}

/// SHA-256 of the models of a job, by algorithm.
fn models_of(server: &Server, id: &str) -> BTreeMap<String, String> {
    let (_, models) = ask(server, "GET", "/models?limit=200", None);
    let text = |m: &Value, key: &str| m[key].as_str().unwrap().to_owned();
    let of_job = models.as_array().unwrap().iter().filter(|m| m["training_job_id"] == id);
    of_job.map(|m| (text(m, "algorithm"), text(m, "model_sha256"))).collect()
}

/// The models of these jobs, by seed.
fn outcome(server: &Server, jobs: &BTreeMap<u32, String>) -> BTreeMap<u32, BTreeMap<String, String>> {
    jobs.iter()
        .map(|(seed, id)| {
            events(server, id, final_state);
            let job = job(server, id);
            assert_eq!(job["status"], "completed", "{job}");
            (*seed, models_of(server, id))
        })
        .collect()
}

#[test]
fn a_worker_is_killed_and_one_is_cut_off_and_nothing_is_lost() {
    let Some(store) = Mongo::start() else { return };
    let Some(bus) = bus() else { return };
    let machines: Vec<Machine> = (0..3).map_while(|_| Machine::new()).collect();
    let Ok([first, second, third]) = <[Machine; 3]>::try_from(machines) else { return };

    let place = Place::new();
    assert_eq!(place.run(&["sample", "--rows", "700", "--seed", "5", "--out", "s.jsonl"]).code, Some(0));
    let url = store.database();
    let store = (url.as_str(), store.address());
    let shared = [
        ("PROVOST_STORE__URL", url.as_str()),
        ("PROVOST_STORE__LEASE", "3s"),
        ("PROVOST_BRIDGE__URL", bus.url.as_str()),
        ("PROVOST_JOBS__MAX_RUNNING", "3"),
    ];
    let imported = place.command(&["import", "s.jsonl", "--verified", "--json"]).envs(shared).output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));

    // Undisturbed, in the server.
    let mut server = Server::start_with(&place, &shared);
    let submit_all = |server: &Server| -> BTreeMap<u32, String> {
        (1..=3).map(|seed| (seed, submit(server, &config(seed)))).collect()
    };
    let jobs = submit_all(&server);
    let expected = outcome(&server, &jobs);
    assert_eq!(server.terminate(), Some(0));

    // By the fleet. The first two take one unit each, the third whatever is left.
    let fleet = [("PROVOST_FLEET__ENABLED", "true"), ("PROVOST_FLEET__PATIENCE", "1h")];
    let server = Server::start_with(&place, &[&shared[..], &fleet[..]].concat());
    let mut jobs = BTreeMap::new();
    let soon = Duration::from_secs(60);
    let mut killed = Worker::start(first, store, &bus.url, 1);
    jobs.insert(1, submit(&server, &config(1)));
    killed.says(" taken ", 1, soon);
    let cut = Worker::start(second, store, &bus.url, 1);
    jobs.insert(2, submit(&server, &config(2)));
    cut.says(" taken ", 1, soon);
    let third = Worker::start(third, store, &bus.url, 3);
    jobs.insert(3, submit(&server, &config(3)));
    third.says(" taken ", 1, soon);

    killed.process.kill().unwrap();
    let died = Instant::now();
    third.says("taken over: its worker has fallen silent", 1, LEASE + Duration::from_secs(20));
    let after = died.elapsed();
    cut.machine.cut();
    let vanished = Instant::now();
    third.says("taken over: its worker has fallen silent", 2, LEASE + Duration::from_secs(20));
    eprintln!("a killed worker's unit was taken over after {after:?}, a cut-off one's after {:?}", vanished.elapsed());
    cut.machine.mend();
    cut.says("is lost to another worker", 1, Duration::from_secs(60));

    assert_eq!(outcome(&server, &jobs), expected, "other models than in the undisturbed run");
    let (_, models) = ask(&server, "GET", "/models?limit=200", None);
    assert_eq!(models.as_array().unwrap().len(), 6, "a model was registered twice: {models}");
}
