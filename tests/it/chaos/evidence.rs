//! What a store says after a death, and at the end: read from the file, beside the program that wrote it.

use super::watcher::Seen;
use super::world::World;
use provost_store::Artifacts;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub fn open(data: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(data.join(provost_store::DATABASE), flags).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    connection
}

fn texts(c: &Connection, sql: &str) -> Vec<String> {
    let mut statement = c.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(|row| row.unwrap()).collect()
}

fn documents(c: &Connection, sql: &str) -> Vec<Value> {
    texts(c, sql).iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// How many events of this job are told.
pub fn events(data: &Path, job: &str) -> u64 {
    let count = "SELECT count(*) FROM job_events WHERE job_id = ?1";
    open(data).query_row(count, [job], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
}

pub fn rows(data: &Path, table: &str) -> i64 {
    open(data).query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Where each running job was when its process died.
pub fn places(data: &Path) -> Vec<&'static str> {
    let c = open(data);
    let mut places = Vec::new();
    for record in documents(&c, "SELECT document FROM jobs WHERE status = 'running'") {
        let units = record["units"].as_object().unwrap();
        let job = record["job"]["job_id"].as_str().unwrap();
        let of_job = |sql: &str| -> i64 { c.query_row(sql, [job], |row| row.get(0)).unwrap() };
        let registered = of_job("SELECT count(*) FROM models WHERE document ->> '$.job_id' = ?1");
        let done = units.values().filter(|u| u["done"] == true && !u["model_id"].is_null()).count() as i64;
        let open_result = units.values().any(|u| !u["result"].is_null() && u["done"] == false);
        let decided = of_job("SELECT count(*) FROM decisions WHERE job_id = ?1");
        let all_done = units.values().all(|u| u["done"] == true || !u["error"].is_null());
        let searching = !all_done && of_job("SELECT count(*) FROM trials WHERE job_id = ?1") > 0;
        places.push(if decided > 0 {
            "gate had decided, job not ended"
        } else if all_done {
            "all units done, job not ended (gate, if it has one)"
        } else if registered > done {
            "model registered, unit not done"
        } else if open_result {
            "fitted, not registered (evaluation)"
        } else if record["snapshot"].is_null() {
            "loading the rows"
        } else if searching {
            "search or final fit, with trials kept"
        } else {
            "search, no trial yet"
        });
    }
    places
}

/// What the end looks like against what was promised; every number that the report gives is counted here.
#[derive(Debug, Default)]
pub struct End {
    pub jobs: usize,
    pub automatic_jobs: usize,
    pub models: usize,
    pub models_compared: usize,
    pub points: usize,
    pub activations: usize,
    pub decisions: usize,
    pub artifacts: usize,
    pub trials: usize,
    pub reads: u64,
    pub refused_reads: u64,
}

/// Looks through the whole data folder of a server that has stopped. Panics with the first promise that was not kept.
pub fn examine(world: &World, seen: &Seen) -> End {
    let data = world.place.path("data");
    let c = open(&data);
    assert_eq!(texts(&c, "PRAGMA integrity_check"), ["ok"]);
    let mut end = End { reads: seen.reads, refused_reads: seen.refused, ..End::default() };
    assert_eq!(seen.violations, Vec::<String>::new());
    jobs(world, &c, &mut end);
    points(world, &c, &mut end);
    activations(world, &c, seen, &mut end);
    announcements(&c);
    let artifacts = Artifacts::open(data.join("artifacts")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = provost_store::SqliteStore::open(&data, chrono::Utc::now()).unwrap();
    for name in runtime.block_on(provost_store::Store::artifacts_in_use(&store)).unwrap() {
        artifacts.get(&name).unwrap();
        end.artifacts += 1;
    }
    end
}

/// No accepted job is lost, none is there twice, and their models are those of an undisturbed run.
fn jobs(world: &World, c: &Connection, end: &mut End) {
    let mut promised: BTreeMap<&str, usize> = BTreeMap::new();
    for (key, (recipe, job)) in &world.ledger.jobs {
        let job = job.as_deref().unwrap_or_else(|| panic!("{key} was never answered"));
        assert!(promised.insert(job, *recipe).is_none(), "two keys have job {job}");
    }
    let mut models: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for model in documents(c, "SELECT document FROM models") {
        models.entry(model["job_id"].as_str().unwrap().to_owned()).or_default().push(model["version"].clone());
        end.models += 1;
    }
    let records = documents(c, "SELECT document FROM jobs");
    let mut asked_by_event = BTreeSet::new();
    for record in &records {
        let (job, id) = (&record["job"], record["job"]["job_id"].as_str().unwrap());
        assert_eq!(job["status"], "completed", "{id}: {job}");
        // A time limit or a damaged artifact would be a warning; an automatic job may say what it thinks of its rows.
        let recipe = promised.remove(id);
        let recipe = recipe.or_else(|| world.recipes.iter().position(|r| same_config(&r.config, &job["config"])));
        if job["triggers"][0]["trigger_type"] != "manual" {
            end.automatic_jobs += 1;
        }
        let made = models.remove(id).unwrap_or_default();
        let names: BTreeSet<&str> = made.iter().map(|m| m["algorithm"].as_str().unwrap()).collect();
        assert_eq!(names.len(), made.len(), "{id} has two models of one algorithm");
        assert_eq!(job["trained_models"].as_array().unwrap().len(), made.len(), "{id}: {job}");
        if let Some(recipe) = recipe {
            let shas = made
                .iter()
                .map(|m| (m["algorithm"].as_str().unwrap().to_owned(), m["model_sha256"].as_str().unwrap().to_owned()));
            assert_eq!(shas.collect::<BTreeMap<_, _>>(), world.recipes[recipe].models, "{id} made other bytes");
            end.models_compared += made.len();
        }
        stream(c, id, end);
        end.jobs += 1;
        asked_by_event.insert(id.to_owned());
    }
    assert_eq!(promised.keys().collect::<Vec<_>>(), Vec::<&&str>::new(), "accepted and lost");
    assert!(models.is_empty(), "models of no job: {models:?}");
    for trigger in &world.ledger.triggers {
        let sql = "SELECT t.document FROM inbox i JOIN triggers t ON t.trigger_id = i.led_to WHERE i.id = ?1";
        let record: String = c.query_row(sql, [trigger], |row| row.get(0)).unwrap_or_else(|e| panic!("{trigger}: {e}"));
        let record: Value = serde_json::from_str(&record).unwrap();
        assert!(
            asked_by_event.contains(record["job_id"].as_str().unwrap_or_default()),
            "{trigger} led to no job: {record}"
        );
    }
}

fn same_config(asked: &Value, had: &Value) -> bool {
    asked["algorithms"] == had["algorithms"]
        && asked["random_state"] == had["random_state"]
        && had["use_verified_only"] == true
}

/// A job's stream is numbered without a gap, ends once, and tells every trial once.
fn stream(c: &Connection, id: &str, end: &mut End) {
    let events = documents(c, &format!("SELECT document FROM job_events WHERE job_id = '{id}' ORDER BY seq"));
    assert!(events.iter().map(|e| e["seq"].as_u64().unwrap()).eq(1..=events.len() as u64), "{id}: a gap");
    let ends = events.iter().filter(|e| e["kind"] == "state" && e["data"]["status"] == "completed").count();
    assert_eq!(ends, 1, "{id} ended {ends} times");
    let trial = |e: &Value| format!("{} {}", e["data"]["algorithm"], e["data"]["index"]);
    let told: Vec<String> = events.iter().filter(|e| e["kind"] == "trial").map(trial).collect();
    let once: BTreeSet<&String> = told.iter().collect();
    assert_eq!(once.len(), told.len(), "{id}: a trial was told twice");
    let kept: i64 = c.query_row("SELECT count(*) FROM trials WHERE job_id = ?1", [id], |row| row.get(0)).unwrap();
    assert_eq!(told.len() as i64, kept, "{id}: trials told and trials kept");
    let mut progress = 0.0;
    for now in events.iter().filter_map(|e| e["data"]["progress_percentage"].as_f64()) {
        assert!(now >= progress, "{id}: progress went back from {progress} to {now}");
        progress = now;
    }
    end.trials += told.len();
}

/// Every confirmed point is there, and nothing else: ids are unique in the store by its schema.
fn points(world: &World, c: &Connection, end: &mut End) {
    let there: BTreeSet<String> = texts(c, "SELECT data_point_id FROM points").into_iter().collect();
    let lost: Vec<&String> = world.ledger.points.difference(&there).take(3).collect();
    assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
    let known = |id: &&String| !world.ledger.points.contains(*id) && !id.starts_with("event-");
    let foreign: Vec<&String> = there.iter().filter(known).take(3).collect();
    assert!(foreign.is_empty(), "points of nobody: {foreign:?}");
    let total: i64 = c.query_row("SELECT total FROM points_mark", [], |row| row.get(0)).unwrap();
    assert_eq!(total, there.len() as i64, "the mark counts other points than there are");
    end.points = there.len();
}

/// The history has no gap and no repetition, holds what was confirmed in its order, and what was read follows it.
fn activations(world: &World, c: &Connection, seen: &Seen, end: &mut End) {
    let history = documents(c, "SELECT document FROM activations ORDER BY rev");
    let mut previous = Value::Null;
    for (number, activation) in history.iter().enumerate() {
        assert_eq!(activation["rev"], number + 1);
        assert_eq!(activation["previous_model_id"], previous, "{activation}");
        assert_ne!(activation["model_id"], previous, "activated twice: {activation}");
        previous = activation["model_id"].clone();
    }
    let order: Vec<&str> = history.iter().map(|a| a["model_id"].as_str().unwrap()).collect();
    let follows = |what: &[String]| {
        let mut left = order.iter();
        what.iter().all(|id| left.any(|had| had == id))
    };
    assert!(follows(&world.ledger.activated), "confirmed: {:?}; the history: {order:?}", world.ledger.activated);
    assert!(follows(&seen.sequence), "read: {:?}; the history: {order:?}", seen.sequence);
    let pointer = texts(c, "SELECT model_id FROM active_model");
    assert_eq!(pointer, [order.last().copied().unwrap()]);
    let by_gate = history.iter().filter(|a| a["activated_by"] == "gate").count();
    let decisions = documents(c, "SELECT document FROM decisions");
    let activated = decisions.iter().filter(|d| d["outcome"] == "activated");
    assert_eq!(activated.count(), by_gate, "decisions and activations of the gate");
    assert!(history.len() - by_gate <= world.ledger.activated.len(), "more activations by hand than hands");
    end.activations = history.len();
    end.decisions = decisions.len();
}

/// Every job was announced as queued, started and completed once, every model as registered, every activation.
fn announcements(c: &Connection) {
    let count = |sql: &str| -> i64 { c.query_row(sql, [], |row| row.get(0)).unwrap() };
    let of = |topic: &str| count(&format!("SELECT count(*) FROM outbox WHERE document ->> '$.topic' = '{topic}'"));
    let jobs = count("SELECT count(*) FROM jobs");
    for topic in ["training.job.queued", "training.job.started", "training.job.completed"] {
        assert_eq!(of(topic), jobs, "{topic}");
    }
    assert_eq!(of("model.version.registered"), count("SELECT count(*) FROM models"));
    assert_eq!(of("model.version.activated"), count("SELECT count(*) FROM activations"));
}

/// Whether every event that the broker confirmed has had its effect.
pub fn has_all(data: &Path, ledger: &super::world::Ledger) -> bool {
    let c = open(data);
    let there: BTreeSet<String> = texts(&c, "SELECT data_point_id FROM points").into_iter().collect();
    let taken: BTreeSet<String> =
        texts(&c, "SELECT i.id FROM inbox i JOIN triggers t ON t.trigger_id = i.led_to WHERE NOT t.pending")
            .into_iter()
            .collect();
    ledger.points.is_subset(&there) && ledger.triggers.is_subset(&taken)
}
