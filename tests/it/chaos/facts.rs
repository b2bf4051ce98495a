//! All that a stopped service leaves behind, read from either store into one form.

use super::evidence::{documents, open, texts};
use provost_domain::{Algorithm, JobId};
use provost_store::{
    Artifacts, DecisionReader, JobReader, ModelReader, MongoStore, OutboxReader, PointReader, PointSelection,
    SqliteStore, Store,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

#[derive(Default)]
pub struct Facts {
    /// As `GET /jobs/{id}` shows them.
    pub jobs: Vec<Value>,
    /// Model versions by the job that made them.
    pub models: BTreeMap<String, Vec<Value>>,
    /// The stream of each job, in its order.
    pub events: BTreeMap<String, Vec<Value>>,
    /// How many trials are kept of each job.
    pub trials: BTreeMap<String, usize>,
    pub points: BTreeSet<String>,
    /// As many points as the store's mark counts.
    pub total: u64,
    /// Oldest first.
    pub activations: Vec<Value>,
    pub active: Vec<String>,
    pub decisions: Vec<Value>,
    /// The topic of every announcement.
    pub announced: Vec<String>,
    /// Triggers by the id of the event that led to them.
    pub triggers: BTreeMap<String, Value>,
    /// As many artifacts as records name; each was read and has the bytes of its name.
    pub artifacts: usize,
}

fn json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

impl Facts {
    /// From a data folder, by statements of our own beside the program that wrote it.
    pub async fn of_folder(data: &Path) -> Self {
        let c = open(data);
        assert_eq!(texts(&c, "PRAGMA integrity_check"), ["ok"]);
        let mut facts = Self {
            points: texts(&c, "SELECT data_point_id FROM points").into_iter().collect(),
            total: c
                .query_row("SELECT total FROM points_mark", [], |row| row.get::<_, i64>(0))
                .unwrap()
                .cast_unsigned(),
            activations: documents(&c, "SELECT document FROM activations ORDER BY rev"),
            active: texts(&c, "SELECT model_id FROM active_model"),
            decisions: documents(&c, "SELECT document FROM decisions"),
            announced: texts(&c, "SELECT document ->> '$.topic' FROM outbox"),
            ..Self::default()
        };
        for record in documents(&c, "SELECT document FROM jobs") {
            let id = record["job"]["job_id"].as_str().unwrap();
            let events = format!("SELECT document FROM job_events WHERE job_id = '{id}' ORDER BY seq");
            facts.events.insert(id.to_owned(), documents(&c, &events));
            let kept = c.query_row("SELECT count(*) FROM trials WHERE job_id = ?1", [id], |row| row.get::<_, i64>(0));
            facts.trials.insert(id.to_owned(), kept.unwrap() as usize);
            facts.jobs.push(record["job"].clone());
        }
        for model in documents(&c, "SELECT document FROM models") {
            let job = model["job_id"].as_str().unwrap().to_owned();
            facts.models.entry(job).or_default().push(model["version"].clone());
        }
        let mut led =
            c.prepare("SELECT i.id, t.document FROM inbox i JOIN triggers t ON t.trigger_id = i.led_to").unwrap();
        let led = led.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).unwrap();
        facts.triggers = led.map(Result::unwrap).map(|(id, t)| (id, serde_json::from_str(&t).unwrap())).collect();
        let store = SqliteStore::open(data, chrono::Utc::now()).unwrap();
        facts.read_artifacts(&store, &Artifacts::open(data.join("artifacts")).unwrap()).await;
        facts
    }

    /// Oldest first.
    async fn activations_of(store: &MongoStore) -> Vec<Value> {
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let page = store.activations(before, 200).await.unwrap();
            before = page.items.last().map(|last| last.rev);
            all.extend(page.items.into_iter().map(json));
            if page.next.is_none() {
                all.reverse();
                return all;
            }
        }
    }

    /// From a MongoDB, by the store's own verbs and with an empty folder: nothing that a host keeps by itself counts. What
    /// came over a bus is left out.
    pub async fn of_mongodb(url: &str) -> Self {
        let store = MongoStore::open(url, chrono::Utc::now()).unwrap();
        let mut facts = Self {
            total: store.point_totals().await.unwrap().total,
            active: store.active_model().await.unwrap().iter().map(ToString::to_string).collect(),
            decisions: store.newest_decisions(None, u32::MAX >> 1).await.unwrap().into_iter().map(json).collect(),
            activations: Self::activations_of(&store).await,
            ..Self::default()
        };
        for channel in ["event", "mail"] {
            let waiting = store.outbox_pending(channel, u32::MAX >> 1).await.unwrap();
            facts.announced.extend(waiting.into_iter().map(|m| m.topic));
        }
        let mut points = store.stream_points(PointSelection::default()).await.unwrap();
        while let Some(batch) = points.recv().await {
            facts.points.extend(batch.unwrap().into_iter().map(|p| p.data_point_id.to_string()));
        }
        let mut cursor = None;
        loop {
            let page = store.list_jobs(None, cursor.as_deref(), 100).await.unwrap();
            for job in page.items {
                facts.read_job(&store, &job.job_id).await;
                facts.jobs.push(json(job));
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        loop {
            let page = store.list_models(false, cursor.as_deref(), 100).await.unwrap();
            for version in page.items {
                let job = store.model(&version.model_id).await.unwrap().unwrap().job_id.to_string();
                facts.models.entry(job).or_default().push(json(version));
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let artifacts =
            Artifacts::open(folder.path().join("artifacts")).unwrap().with_remote(store.artifacts().unwrap());
        facts.read_artifacts(&store, &artifacts).await;
        facts
    }

    async fn read_job(&mut self, store: &dyn Store, id: &JobId) {
        let events = store.job_events(id, 0, u32::MAX >> 1).await.unwrap();
        self.events.insert(id.to_string(), events.into_iter().map(json).collect());
        let mut kept = 0;
        for algorithm in Algorithm::ALL {
            kept += store.trials(id, algorithm).await.unwrap().len();
        }
        self.trials.insert(id.to_string(), kept);
    }

    async fn read_artifacts(&mut self, store: &dyn Store, artifacts: &Artifacts) {
        let artifacts = Arc::new(artifacts.clone());
        for name in store.artifacts_in_use().await.unwrap() {
            let artifacts = artifacts.clone();
            tokio::task::spawn_blocking(move || artifacts.get(&name).unwrap()).await.unwrap();
            self.artifacts += 1;
        }
    }
}
