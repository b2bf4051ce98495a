//! What is there at the end against what was promised. Panics with the first promise that was not kept.

use super::facts::Facts;
use super::watcher::Seen;
use super::world::{Ledger, Recipe};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Every number that the report gives is counted here.
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

impl std::ops::AddAssign for End {
    fn add_assign(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.automatic_jobs += other.automatic_jobs;
        self.models += other.models;
        self.models_compared += other.models_compared;
        self.points += other.points;
        self.activations += other.activations;
        self.decisions += other.decisions;
        self.artifacts += other.artifacts;
        self.trials += other.trials;
        self.reads += other.reads;
        self.refused_reads += other.refused_reads;
    }
}

pub fn examine(facts: &Facts, ledger: &Ledger, recipes: &[Recipe], seen: &Seen) -> End {
    let mut end = End {
        reads: seen.reads,
        refused_reads: seen.refused,
        artifacts: facts.artifacts,
        decisions: facts.decisions.len(),
        ..End::default()
    };
    assert_eq!(seen.violations, Vec::<String>::new());
    jobs(facts, ledger, recipes, &mut end);
    points(facts, ledger, &mut end);
    activations(facts, ledger, seen, &mut end);
    announcements(facts);
    end
}

/// No accepted job is lost, none is there twice, and their models are those of an undisturbed run.
fn jobs(facts: &Facts, ledger: &Ledger, recipes: &[Recipe], end: &mut End) {
    let mut promised: BTreeMap<&str, usize> = BTreeMap::new();
    for (key, (recipe, job)) in &ledger.jobs {
        let job = job.as_deref().unwrap_or_else(|| panic!("{key} was never answered"));
        assert!(promised.insert(job, *recipe).is_none(), "two keys have job {job}");
    }
    let by_hand = promised.len();
    let mut models = facts.models.clone();
    end.models = models.values().map(Vec::len).sum();
    for job in &facts.jobs {
        let id = job["job_id"].as_str().unwrap();
        assert_eq!(job["status"], "completed", "{id}: {job}");
        // A time limit or a damaged artifact would be a warning; an automatic job may say what it thinks of its rows.
        let recipe = promised.remove(id);
        let recipe = recipe.or_else(|| recipes.iter().position(|r| same_config(&r.config, &job["config"])));
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
            assert_eq!(shas.collect::<BTreeMap<_, _>>(), recipes[recipe].models, "{id} made other bytes");
            end.models_compared += made.len();
        }
        stream(id, &facts.events[id], facts.trials[id], end);
        end.jobs += 1;
    }
    assert_eq!(promised.keys().collect::<Vec<_>>(), Vec::<&&str>::new(), "accepted and lost");
    assert_eq!(end.jobs - end.automatic_jobs, by_hand, "jobs by hand and keys");
    assert!(models.is_empty(), "models of no job: {models:?}");
    for trigger in &ledger.triggers {
        let record = facts.triggers.get(trigger).unwrap_or_else(|| panic!("{trigger} led to nothing"));
        let job = record["job_id"].as_str().unwrap_or_default();
        assert!(facts.events.contains_key(job), "{trigger} led to no job: {record}");
    }
}

fn same_config(asked: &Value, had: &Value) -> bool {
    asked["algorithms"] == had["algorithms"]
        && asked["random_state"] == had["random_state"]
        && had["use_verified_only"] == true
}

/// A job's stream is numbered without a gap, ends once, and tells every trial once.
fn stream(id: &str, events: &[Value], kept: usize, end: &mut End) {
    assert!(events.iter().map(|e| e["seq"].as_u64().unwrap()).eq(1..=events.len() as u64), "{id}: a gap");
    let ends = events.iter().filter(|e| e["kind"] == "state" && e["data"]["status"] == "completed").count();
    assert_eq!(ends, 1, "{id} ended {ends} times");
    let trial = |e: &Value| format!("{} {}", e["data"]["algorithm"], e["data"]["index"]);
    let told: Vec<String> = events.iter().filter(|e| e["kind"] == "trial").map(trial).collect();
    let once: BTreeSet<&String> = told.iter().collect();
    assert_eq!(once.len(), told.len(), "{id}: a trial was told twice");
    assert_eq!(told.len(), kept, "{id}: trials told and trials kept");
    let mut progress = 0.0;
    for now in events.iter().filter_map(|e| e["data"]["progress_percentage"].as_f64()) {
        assert!(now >= progress, "{id}: progress went back from {progress} to {now}");
        progress = now;
    }
    end.trials += told.len();
}

/// Every confirmed point is there, and nothing else: ids are unique in the store by its schema.
fn points(facts: &Facts, ledger: &Ledger, end: &mut End) {
    let there = &facts.points;
    let lost: Vec<&String> = ledger.points.difference(there).take(3).collect();
    assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
    let known = |id: &&String| !ledger.points.contains(*id) && !id.starts_with("event-");
    let foreign: Vec<&String> = there.iter().filter(known).take(3).collect();
    assert!(foreign.is_empty(), "points of nobody: {foreign:?}");
    assert_eq!(facts.total, there.len() as u64, "the mark counts other points than there are");
    end.points = there.len();
}

/// The history has no gap and no repetition, holds what was confirmed in its order, and what was read follows it.
fn activations(facts: &Facts, ledger: &Ledger, seen: &Seen, end: &mut End) {
    let history = &facts.activations;
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
    assert!(follows(&ledger.activated), "confirmed: {:?}; the history: {order:?}", ledger.activated);
    assert!(follows(&seen.sequence), "read: {:?}; the history: {order:?}", seen.sequence);
    assert_eq!(facts.active, [order.last().copied().unwrap()]);
    let by_gate = history.iter().filter(|a| a["activated_by"] == "gate").count();
    let activated = facts.decisions.iter().filter(|d| d["outcome"] == "activated");
    assert_eq!(activated.count(), by_gate, "decisions and activations of the gate");
    assert!(history.len() - by_gate <= ledger.activated.len(), "more activations by hand than hands");
    end.activations = history.len();
}

/// Every job was announced as queued, started and completed once, every model as registered, every activation.
fn announcements(facts: &Facts) {
    let of = |topic: &str| facts.announced.iter().filter(|t| *t == topic).count();
    for topic in ["training.job.queued", "training.job.started", "training.job.completed"] {
        assert_eq!(of(topic), facts.jobs.len(), "{topic}");
    }
    assert_eq!(of("model.version.registered"), facts.models.values().map(Vec::len).sum::<usize>());
    assert_eq!(of("model.version.activated"), facts.activations.len());
}
