//! The Loader owns the snapshots: immutable rows for training, named by the hash of their content.

mod audit_groups;
mod beneath;
mod point_ids;
mod presence;
mod scan;
mod source;
mod source_key;

pub use audit_groups::{AuditGroups, FoundGroups, SourceState};
pub use point_ids::PointIds;
pub use presence::FeaturePresence;
pub use source_key::SourceKey;

use crate::blocking::blocking;
use crate::error::LoadError;
use crate::options::LoaderResources;
use crate::pool::Place;
use crate::snapshot::{LoadedSnapshot, encode, read_snapshot};
use crate::supervise::Status;
use actix::{Actor, Context, Handler, Message, MessageResult, ResponseActFuture, WrapFuture};
use provost_domain::TrainingConfig;
use provost_domain::quality::DataQualityReport;
use provost_domain::schedule::Arrivals;
use provost_domain::snapshot::Presence;
use scan::Scan;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many scans for jobs, and snapshots, are kept in memory: the current one and the previous one.
const KEPT: usize = 2;
/// How many scans for reports are kept in memory.
const LOOKS_KEPT: usize = 1;

/// The purpose of a scan. Scans of one purpose neither wait for the other's nor displace them from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// For a job, or for a test of a model.
    Work,
    /// For a viewer's report.
    Look,
}

/// The quality of the data that a configuration selects.
pub struct Quality {
    pub config: TrainingConfig,
    pub purpose: Purpose,
    /// Held until the report is ready.
    pub place: Option<Place>,
}
impl Message for Quality {
    type Result = Result<Arc<DataQualityReport>, LoadError>;
}

/// Takes a snapshot of the data that a configuration selects, and stores it as an artifact.
pub struct Take(pub TrainingConfig);
impl Message for Take {
    type Result = Result<Taken, LoadError>;
}

#[derive(Debug, Clone)]
pub struct Taken {
    pub sha: String,
    pub data: Arc<LoadedSnapshot>,
    /// The number of points that had been stored by then, whatever the source.
    pub arrivals: Arrivals,
}

/// The present rows that a configuration selects, for inspection and not for training: no artifact is stored.
pub struct Fresh(pub TrainingConfig);
impl Message for Fresh {
    type Result = Result<Arc<LoadedSnapshot>, LoadError>;
}

/// Opens an existing snapshot.
pub struct Open(pub String);
impl Message for Open {
    type Result = Result<Arc<LoadedSnapshot>, LoadError>;
}

/// The scans of one purpose.
#[derive(Default)]
struct Scans {
    scans: Mutex<VecDeque<Arc<Scan>>>,
    /// One scan at a time: the next caller finds the result in the cache.
    scanning: tokio::sync::Mutex<()>,
}

/// The caches kept between messages.
#[derive(Default)]
struct Cache {
    work: Scans,
    looks: Scans,
    snapshots: Mutex<VecDeque<Arc<LoadedSnapshot>>>,
}

impl Cache {
    /// The scans of both purposes: equal rows serve either purpose.
    fn scans(&self) -> Vec<Arc<Scan>> {
        [&self.work, &self.looks]
            .into_iter()
            .flat_map(|scans| lock(&scans.scans).iter().cloned().collect::<Vec<_>>())
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep<T>(queue: &mut VecDeque<Arc<T>>, item: Arc<T>, most: usize) {
    queue.push_front(item);
    queue.truncate(most);
}

/// The parts that messages work with, apart from the actor: handlers only start futures.
#[derive(Clone)]
struct SnapshotService {
    resources: Arc<LoaderResources>,
    cache: Arc<Cache>,
}

impl SnapshotService {
    /// The present data; read again only if its source has changed.
    async fn scan(&self, config: &TrainingConfig, purpose: Purpose) -> Result<Arc<Scan>, LoadError> {
        let (scans, kept) = match purpose {
            Purpose::Work => (&self.cache.work, KEPT),
            Purpose::Look => (&self.cache.looks, LOOKS_KEPT),
        };
        let _one = scans.scanning.lock().await;
        let source = source::open(config, &self.resources).await?;
        if let Some(known) = self.cache.scans().into_iter().find(|s| s.key == *source.key()) {
            return Ok(known);
        }
        let scanned = Arc::new(source::scan(source, config, &self.resources).await?);
        keep(&mut lock(&scans.scans), scanned.clone(), kept);
        Ok(scanned)
    }

    async fn quality(&self, config: &TrainingConfig, purpose: Purpose) -> Result<Arc<DataQualityReport>, LoadError> {
        let scan = self.scan(config, purpose).await?;
        let (config, strict, now) = (config.clone(), self.resources.strict_quality, self.resources.clock.now());
        // With a hundred thousand universities this takes some hundredths of a second, so it runs on another thread.
        blocking(move || {
            let mut report = scan.quality.clone().finish(&config, strict, now);
            report.rejected_rows = scan.rejected;
            report.rejected_reasons = scan.told.clone();
            report.warnings.extend(scan.warnings());
            Ok(Arc::new(report))
        })
        .await
    }

    async fn take(&self, config: &TrainingConfig) -> Result<Taken, LoadError> {
        // Read before the rows: points that arrive meanwhile count as new.
        let arrivals = self.resources.points.point_totals().await?.arrivals;
        let scan = self.scan(config, Purpose::Work).await?;
        let artifacts = self.resources.artifacts.clone();
        let loaded = blocking(move || {
            let mut snapshot = scan.snapshot.clone();
            snapshot.warnings.extend(scan.warnings());
            let sha = artifacts.put(&encode(&snapshot))?;
            LoadedSnapshot::new(sha, snapshot).map_err(|e| LoadError::Data(e.to_string()))
        })
        .await?;
        let data = self.remember(loaded);
        Ok(Taken { sha: data.sha.clone(), data, arrivals })
    }

    async fn fresh(&self, config: &TrainingConfig) -> Result<Arc<LoadedSnapshot>, LoadError> {
        let scan = self.scan(config, Purpose::Work).await?;
        blocking(move || {
            let loaded = LoadedSnapshot::new(String::new(), scan.snapshot.clone());
            loaded.map(Arc::new).map_err(|e| LoadError::Data(e.to_string()))
        })
        .await
    }

    async fn open(&self, sha: String) -> Result<Arc<LoadedSnapshot>, LoadError> {
        if let Some(known) = lock(&self.cache.snapshots).iter().find(|s| s.sha == sha) {
            return Ok(known.clone());
        }
        let artifacts = self.resources.artifacts.clone();
        let loaded = blocking(move || read_snapshot(&artifacts, sha)).await?;
        Ok(self.remember(loaded))
    }

    async fn source_state(&self, config: &TrainingConfig) -> Result<SourceKey, LoadError> {
        Ok(source::open(config, &self.resources).await?.key().clone())
    }

    /// The groups of rows in the source's present data.
    async fn audit_groups(&self, m: AuditGroups) -> Result<FoundGroups, LoadError> {
        let source = source::open(&m.config, &self.resources).await?;
        let sink = audit_groups::Collector::new(m.rows, m.names);
        let (collector, _) = source::each_point(source, &m.config, &self.resources, sink).await?;
        Ok(collector.finish())
    }

    async fn point_ids(&self, m: PointIds) -> Result<BTreeMap<u128, String>, LoadError> {
        let source = source::open(&m.config, &self.resources).await?;
        let (ids, _) = source::each_point(source, &m.config, &self.resources, point_ids::Ids::new(m.rows)).await?;
        Ok(ids.finish())
    }

    async fn presence(&self, m: FeaturePresence) -> Result<Presence, LoadError> {
        let source = source::open(&m.config, &self.resources).await?;
        let sink = presence::Collector::new(self.resources.tables.clone(), m.rows, m.extended);
        let (collector, _) = source::each_point(source, &m.config, &self.resources, sink).await?;
        Ok(collector.finish())
    }

    fn remember(&self, loaded: LoadedSnapshot) -> Arc<LoadedSnapshot> {
        let mut snapshots = lock(&self.cache.snapshots);
        if let Some(known) = snapshots.iter().find(|s| s.sha == loaded.sha) {
            return known.clone();
        }
        let loaded = Arc::new(loaded);
        keep(&mut snapshots, loaded.clone(), KEPT);
        loaded
    }
}

pub struct Loader {
    snapshots: SnapshotService,
}

impl Loader {
    pub fn new(resources: Arc<LoaderResources>) -> Self {
        Self { snapshots: SnapshotService { resources, cache: Arc::default() } }
    }
}

impl Actor for Loader {
    type Context = Context<Self>;
}

crate::takes_messages!(Loader);

impl Handler<Status> for Loader {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        let scans: Vec<_> = self
            .snapshots
            .cache
            .scans()
            .iter()
            .map(|s| json!({"source": s.key.to_string(), "usable_rows": s.snapshot.rows()}))
            .collect();
        let snapshots: Vec<_> = lock(&self.snapshots.cache.snapshots)
            .iter()
            .map(|s| json!({"sha256": s.sha, "rows": s.dataset.rows()}))
            .collect();
        MessageResult(json!({"scans": scans, "snapshots": snapshots}))
    }
}

impl Handler<Quality> for Loader {
    type Result = ResponseActFuture<Self, Result<Arc<DataQualityReport>, LoadError>>;
    fn handle(&mut self, Quality { config, purpose, place }: Quality, _: &mut Context<Self>) -> Self::Result {
        self.snapshots.resources.failpoints.hit("loader");
        let service = self.snapshots.clone();
        let reported = async move {
            let _place = place;
            service.quality(&config, purpose).await
        };
        Box::pin(reported.into_actor(self))
    }
}

impl Handler<Take> for Loader {
    type Result = ResponseActFuture<Self, Result<Taken, LoadError>>;
    fn handle(&mut self, Take(config): Take, _: &mut Context<Self>) -> Self::Result {
        let service = self.snapshots.clone();
        Box::pin(async move { service.take(&config).await }.into_actor(self))
    }
}

impl Handler<Fresh> for Loader {
    type Result = ResponseActFuture<Self, Result<Arc<LoadedSnapshot>, LoadError>>;
    fn handle(&mut self, Fresh(config): Fresh, _: &mut Context<Self>) -> Self::Result {
        let service = self.snapshots.clone();
        Box::pin(async move { service.fresh(&config).await }.into_actor(self))
    }
}

impl Handler<Open> for Loader {
    type Result = ResponseActFuture<Self, Result<Arc<LoadedSnapshot>, LoadError>>;
    fn handle(&mut self, Open(sha): Open, _: &mut Context<Self>) -> Self::Result {
        let service = self.snapshots.clone();
        Box::pin(async move { service.open(sha).await }.into_actor(self))
    }
}

impl Handler<AuditGroups> for Loader {
    type Result = ResponseActFuture<Self, Result<FoundGroups, LoadError>>;
    fn handle(&mut self, message: AuditGroups, _: &mut Context<Self>) -> Self::Result {
        let service = self.snapshots.clone();
        Box::pin(async move { service.audit_groups(message).await }.into_actor(self))
    }
}

impl Handler<PointIds> for Loader {
    type Result = ResponseActFuture<Self, Result<BTreeMap<u128, String>, LoadError>>;
    fn handle(&mut self, message: PointIds, _: &mut Context<Self>) -> Self::Result {
        let service = self.snapshots.clone();
        Box::pin(async move { service.point_ids(message).await }.into_actor(self))
    }
}

impl Handler<FeaturePresence> for Loader {
    type Result = ResponseActFuture<Self, Result<Presence, LoadError>>;
    fn handle(&mut self, message: FeaturePresence, _: &mut Context<Self>) -> Self::Result {
        let service = self.snapshots.clone();
        Box::pin(async move { service.presence(message).await }.into_actor(self))
    }
}

impl Handler<SourceState> for Loader {
    type Result = ResponseActFuture<Self, Result<SourceKey, LoadError>>;
    fn handle(&mut self, SourceState(config): SourceState, _: &mut Context<Self>) -> Self::Result {
        let service = self.snapshots.clone();
        Box::pin(async move { service.source_state(&config).await }.into_actor(self))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::options::Options;
    use provost_store::sqlite::SqliteStore;
    use provost_store::{Artifacts, Store};

    /// A viewer's report neither delays a job's data nor displaces it from memory.
    #[actix_rt::test]
    async fn who_only_looks_is_in_no_jobs_way() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), chrono::DateTime::UNIX_EPOCH).unwrap());
        let artifacts = Artifacts::open(folder.path().join("artifacts")).unwrap();
        let import = folder.path().join("import");
        std::fs::create_dir(&import).unwrap();
        let options = Options::new(store, artifacts, import.clone());
        let resources = Arc::new(LoaderResources::from(&options));
        let service = SnapshotService { resources, cache: Arc::default() };
        let point = json!({"data_point_id": "1", "profile": {}, "program": {}, "decision": "accepted"});
        let of_file = |name: &str| {
            std::fs::write(import.join(name), point.to_string()).unwrap();
            let config = json!({"data_source": "json", "data_path": name});
            TrainingConfig::from_json(&config).unwrap()
        };
        let job = service.scan(&of_file("job.jsonl"), Purpose::Work).await.unwrap();
        for n in 0..2 * KEPT {
            service.scan(&of_file(&format!("look-{n}.jsonl")), Purpose::Look).await.unwrap();
        }
        assert!(service.cache.scans().iter().any(|kept| Arc::ptr_eq(kept, &job)));
        assert_eq!(service.cache.scans().len(), 1 + LOOKS_KEPT);

        let _long = service.cache.looks.scanning.lock().await;
        let other = of_file("other.jsonl");
        let mut waits = Box::pin(service.scan(&other, Purpose::Look));
        assert!(futures_util::poll!(waits.as_mut()).is_pending());
        service.scan(&of_file("next-job.jsonl"), Purpose::Work).await.unwrap();
        assert!(futures_util::poll!(waits.as_mut()).is_pending());
    }
}
