//! The Loader owns the snapshots: immutable rows to learn from, named by content hash.

mod beneath;
mod scan;
mod source;

use crate::error::LoadError;
use crate::options::Options;
use crate::panics::off_the_arbiter;
use crate::pool::Place;
use crate::supervise::Status;
use actix::{Actor, Context, Handler, Message, MessageResult, ResponseActFuture, WrapFuture};
use provost_domain::features::CATEGORY_RULE;
use provost_domain::quality::DataQualityReport;
use provost_domain::schedule::Arrivals;
use provost_domain::{Snapshot, TrainingConfig};
use provost_learn::artifact::{self, Format};
use provost_learn::split::{Parts, SplitRows, split};
use provost_learn::{Dataset, LearnError, Matrix, Model};
use provost_store::Artifacts;
use scan::Scan;
use serde_json::json;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Version 1 is that of snapshots without categories, and of those whose categories became codes by rule 1. Version 2 is of rule
/// 2: the codes of rule 1 that differ follow the snapshot.
const FORMAT: Format = Format { magic: *b"PROVOSTS", version: 2 };
/// Scans for jobs, and snapshots, that are kept in memory: the one in use and the one before.
const KEPT: usize = 2;
/// Scans for whoever only looks that are kept in memory.
const LOOKS_KEPT: usize = 1;

/// A snapshot and the dataset made of it.
#[derive(Debug)]
pub struct LoadedSnapshot {
    /// SHA-256 of the artifact.
    pub sha: String,
    /// Its columns and labels have moved into `dataset`.
    pub snapshot: Snapshot,
    pub dataset: Dataset,
}

impl LoadedSnapshot {
    #[doc(hidden)]
    pub fn new(sha: String, mut snapshot: Snapshot) -> Result<Self, LearnError> {
        let columns = std::mem::take(&mut snapshot.columns);
        let labels = std::mem::take(&mut snapshot.labels);
        let dataset = Dataset::new(Matrix::new(snapshot.feature_names.clone(), columns)?, labels)?;
        let dataset = dataset.coded_by(snapshot.category_rule);
        let rows = dataset.rows();
        let s = &snapshot;
        if [s.row_ids.len(), s.applicants.len(), s.clusters.len(), s.years.len()].iter().any(|n| *n != rows) {
            return Err(LearnError::Artifact(format!("snapshot {sha}: its columns differ in length")));
        }
        Ok(Self { sha, snapshot, dataset })
    }

    /// Its rows as a model reads them, whose categories may be by an older rule.
    pub fn rows_for(&self, model: &Model) -> Cow<'_, Matrix> {
        let older = &self.snapshot.older_codes;
        if model.category_rule == self.snapshot.category_rule || older.is_empty() {
            return Cow::Borrowed(self.dataset.x());
        }
        let cells = older.iter().map(|o| (o.row as usize, o.column as usize, o.code));
        Cow::Owned(self.dataset.x().with_cells(cells))
    }

    /// Training, validation and test part as the configuration splits them; `salt` is the installation's.
    pub fn parts(&self, config: &TrainingConfig, salt: u64) -> Result<Parts, LearnError> {
        let rows = SplitRows {
            labels: self.dataset.y(),
            applicants: &self.snapshot.applicants,
            row_ids: &self.snapshot.row_ids,
            years: &self.snapshot.years,
        };
        split(&rows, config.split, config.test_size, config.validation_size, salt, config.random_state)
    }
}

/// The artifact's bytes. Public for the fuzz targets.
#[doc(hidden)]
pub fn encode(snapshot: &Snapshot) -> Vec<u8> {
    #[allow(clippy::expect_used)]
    // postcard fails only on a short buffer or a sequence of unknown length; neither is here
    let mut payload = postcard::to_allocvec(snapshot).expect("a snapshot serialises");
    if !snapshot.has_categories() || snapshot.category_rule != CATEGORY_RULE {
        return artifact::seal(Format { version: 1, ..FORMAT }, &payload);
    }
    #[allow(clippy::expect_used)] // as above
    payload.extend(postcard::to_allocvec(&snapshot.older_codes).expect("codes serialise"));
    artifact::seal(FORMAT, &payload)
}

/// The rows out of an artifact's bytes; their columns are checked by `LoadedSnapshot`. Public for the fuzz targets.
#[doc(hidden)]
pub fn decode(bytes: &[u8]) -> Result<Snapshot, LearnError> {
    let (version, payload) = artifact::open(FORMAT, bytes)?;
    let fault = |e: postcard::Error| LearnError::Artifact(format!("the snapshot does not decode: {e}"));
    let (mut snapshot, rest): (Snapshot, &[u8]) = postcard::take_from_bytes(payload).map_err(fault)?;
    // What an older version of the program has begun goes on by the rule of its rows.
    if version > 1 {
        snapshot.older_codes = postcard::from_bytes(rest).map_err(fault)?;
    } else if snapshot.has_categories() {
        snapshot.category_rule = 1;
    }
    Ok(snapshot)
}

/// Opens an artifact. Blocks.
pub(crate) fn read_snapshot(artifacts: &Artifacts, sha: String) -> Result<LoadedSnapshot, LoadError> {
    let bytes = artifacts.get(&sha)?;
    let snapshot = decode(&bytes).map_err(|e| LoadError::Data(format!("snapshot {sha}: {e}")))?;
    LoadedSnapshot::new(sha, snapshot).map_err(|e| LoadError::Data(e.to_string()))
}

/// What a scan is for. Neither waits for the other's scans, nor loses what it has in memory to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A job is made of the data, or a model is tested on it.
    Work,
    /// Somebody looks, who may do nothing more.
    Look,
}

/// The quality of the data that a configuration selects.
pub struct Quality {
    pub config: TrainingConfig,
    pub purpose: Purpose,
    /// Held until the report is there.
    pub place: Option<Place>,
}
impl Message for Quality {
    type Result = Result<Arc<DataQualityReport>, LoadError>;
}

/// Takes a snapshot of the data that a configuration selects, and keeps it as an artifact.
pub struct Take(pub TrainingConfig);
impl Message for Take {
    type Result = Result<Taken, LoadError>;
}

#[derive(Debug, Clone)]
pub struct Taken {
    pub sha: String,
    pub data: Arc<LoadedSnapshot>,
    /// What had come into the store by then, whatever the source.
    pub arrivals: Arrivals,
}

/// The rows that a configuration selects as they are now, to be looked at and not trained on: no artifact is kept.
pub struct Fresh(pub TrainingConfig);
impl Message for Fresh {
    type Result = Result<Arc<LoadedSnapshot>, LoadError>;
}

/// Opens a snapshot that was taken before.
pub struct Open(pub String);
impl Message for Open {
    type Result = Result<Arc<LoadedSnapshot>, LoadError>;
}

/// The scans of one purpose.
#[derive(Default)]
struct Lane {
    scans: Mutex<VecDeque<Arc<Scan>>>,
    /// One scan at a time: whoever waits finds the result in the cache.
    scanning: tokio::sync::Mutex<()>,
}

/// What stays in memory between messages.
#[derive(Default)]
struct Cache {
    work: Lane,
    looks: Lane,
    snapshots: Mutex<VecDeque<Arc<LoadedSnapshot>>>,
}

impl Cache {
    /// The scans of both purposes: the same rows serve either.
    fn scans(&self) -> Vec<Arc<Scan>> {
        [&self.work, &self.looks]
            .into_iter()
            .flat_map(|lane| lock(&lane.scans).iter().cloned().collect::<Vec<_>>())
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

/// What each message works with, apart from the actor: handlers only start futures.
#[derive(Clone)]
struct Desk {
    options: Arc<Options>,
    cache: Arc<Cache>,
}

impl Desk {
    /// The data as it is now: read again only when its source has changed.
    async fn scan(&self, config: &TrainingConfig, purpose: Purpose) -> Result<Arc<Scan>, LoadError> {
        let (lane, kept) = match purpose {
            Purpose::Work => (&self.cache.work, KEPT),
            Purpose::Look => (&self.cache.looks, LOOKS_KEPT),
        };
        let _one = lane.scanning.lock().await;
        let source = source::open(config, &self.options).await?;
        if let Some(known) = self.cache.scans().into_iter().find(|s| s.key == *source.key()) {
            return Ok(known);
        }
        let scanned = Arc::new(source::scan(source, config, &self.options).await?);
        keep(&mut lock(&lane.scans), scanned.clone(), kept);
        Ok(scanned)
    }

    async fn quality(&self, config: &TrainingConfig, purpose: Purpose) -> Result<Arc<DataQualityReport>, LoadError> {
        let scan = self.scan(config, purpose).await?;
        let (config, strict, now) = (config.clone(), self.options.strict_quality, self.options.clock.now());
        // With a hundred thousand universities this takes some hundredths of a second.
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
        // Before the rows are read: what comes meanwhile counts as new.
        let arrivals = self.options.store.points_mark().await?.arrivals;
        let scan = self.scan(config, Purpose::Work).await?;
        let artifacts = self.options.artifacts.clone();
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
        let artifacts = self.options.artifacts.clone();
        let loaded = blocking(move || read_snapshot(&artifacts, sha)).await?;
        Ok(self.remember(loaded))
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

/// Runs what takes longer than a handler may on the runtime's blocking threads; a panic in it is an error.
pub(crate) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<crate::error::Unreachable> + Send + 'static,
{
    match off_the_arbiter(work).await {
        Ok(result) => result,
        Err(panic) => Err(crate::error::Unreachable::Panicked(panic).into()),
    }
}

pub struct Loader {
    desk: Desk,
}

impl Loader {
    pub fn new(options: Arc<Options>) -> Self {
        Self { desk: Desk { options, cache: Arc::default() } }
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
            .desk
            .cache
            .scans()
            .iter()
            .map(|s| json!({"source": s.key.to_string(), "usable_rows": s.snapshot.rows()}))
            .collect();
        let snapshots: Vec<_> = lock(&self.desk.cache.snapshots)
            .iter()
            .map(|s| json!({"sha256": s.sha, "rows": s.dataset.rows()}))
            .collect();
        MessageResult(json!({"scans": scans, "snapshots": snapshots}))
    }
}

impl Handler<Quality> for Loader {
    type Result = ResponseActFuture<Self, Result<Arc<DataQualityReport>, LoadError>>;
    fn handle(&mut self, Quality { config, purpose, place }: Quality, _: &mut Context<Self>) -> Self::Result {
        self.desk.options.failpoints.hit("loader");
        let desk = self.desk.clone();
        let reported = async move {
            let _place = place;
            desk.quality(&config, purpose).await
        };
        Box::pin(reported.into_actor(self))
    }
}

impl Handler<Take> for Loader {
    type Result = ResponseActFuture<Self, Result<Taken, LoadError>>;
    fn handle(&mut self, Take(config): Take, _: &mut Context<Self>) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.take(&config).await }.into_actor(self))
    }
}

impl Handler<Fresh> for Loader {
    type Result = ResponseActFuture<Self, Result<Arc<LoadedSnapshot>, LoadError>>;
    fn handle(&mut self, Fresh(config): Fresh, _: &mut Context<Self>) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.fresh(&config).await }.into_actor(self))
    }
}

impl Handler<Open> for Loader {
    type Result = ResponseActFuture<Self, Result<Arc<LoadedSnapshot>, LoadError>>;
    fn handle(&mut self, Open(sha): Open, _: &mut Context<Self>) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.open(sha).await }.into_actor(self))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_domain::AdmissionDataPoint;
    use provost_domain::features::FeatureTables;
    use provost_domain::snapshot::SnapshotBuilder;
    use provost_learn::{Calibration, Predictor};
    use provost_store::Store;
    use provost_store::sqlite::SqliteStore;

    fn snapshot(names: &[&str]) -> Snapshot {
        let (tables, mut rows) = (FeatureTables::default(), SnapshotBuilder::new());
        for (i, name) in names.iter().enumerate() {
            let point = AdmissionDataPoint::from_value(json!({"data_point_id": i.to_string(), "profile": {},
                "program": {"university_name": name}, "decision": "accepted"}))
            .unwrap();
            rows.add(&point, &tables.row(&point), Some(tables.extended(&point)));
        }
        rows.finish()
    }

    /// What somebody looks at neither delays a job's data nor drives it out of memory.
    #[actix_rt::test]
    async fn who_only_looks_is_in_no_jobs_way() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), chrono::DateTime::UNIX_EPOCH).unwrap());
        let artifacts = Artifacts::open(folder.path().join("artifacts")).unwrap();
        let import = folder.path().join("import");
        std::fs::create_dir(&import).unwrap();
        let options = Arc::new(Options::new(store, artifacts, import.clone()));
        let desk = Desk { options, cache: Arc::default() };
        let point = json!({"data_point_id": "1", "profile": {}, "program": {}, "decision": "accepted"});
        let of_file = |name: &str| {
            std::fs::write(import.join(name), point.to_string()).unwrap();
            let config = json!({"data_source": "json", "data_path": name});
            TrainingConfig::from_json(&config).unwrap()
        };
        let job = desk.scan(&of_file("job.jsonl"), Purpose::Work).await.unwrap();
        for n in 0..2 * KEPT {
            desk.scan(&of_file(&format!("look-{n}.jsonl")), Purpose::Look).await.unwrap();
        }
        assert!(desk.cache.scans().iter().any(|kept| Arc::ptr_eq(kept, &job)));
        assert_eq!(desk.cache.scans().len(), 1 + LOOKS_KEPT);

        let _long = desk.cache.looks.scanning.lock().await;
        let other = of_file("other.jsonl");
        let mut waits = Box::pin(desk.scan(&other, Purpose::Look));
        assert!(futures_util::poll!(waits.as_mut()).is_pending());
        desk.scan(&of_file("next-job.jsonl"), Purpose::Work).await.unwrap();
        assert!(futures_util::poll!(waits.as_mut()).is_pending());
    }

    #[test]
    fn a_model_of_before_reads_the_codes_of_its_rule() {
        // Composed, decomposed, and as the older rule took the decomposed one.
        let names = ["C\u{f3}rdoba", "Co\u{301}rdoba", "Co rdoba", "Ohio"];
        let bytes = encode(&snapshot(&names));
        assert_eq!(bytes[8], 2);
        let read = decode(&bytes).unwrap();
        assert_eq!(encode(&read), bytes);
        let loaded = LoadedSnapshot::new(String::new(), read).unwrap();
        let model = |category_rule| Model {
            algorithm: provost_domain::Algorithm::RandomForest,
            feature_names: loaded.dataset.x().names().to_vec(),
            columns: Vec::new(),
            predictor: Predictor::Constant(0.5),
            calibration: Calibration::None,
            threshold: 0.5,
            category_rule,
        };
        let at = loaded.dataset.x().names().iter().position(|n| n == "university").unwrap();
        let codes = |rule| {
            let rows = loaded.rows_for(&model(rule)).into_owned();
            let order = &loaded.snapshot.row_ids;
            let of = |id: usize| {
                let id = u128::from_be_bytes(sha2::Sha256::digest(id.to_string().as_bytes())[..16].try_into().unwrap());
                rows.column(at)[order.iter().position(|r| *r == id).unwrap()]
            };
            [of(0), of(1), of(2), of(3)]
        };
        use sha2::Digest;
        let ([a, b, c, d], older) = (codes(CATEGORY_RULE), codes(1));
        assert!(a == b && b != c && c != d);
        assert_eq!(older, [a, c, c, d]);
    }

    /// A job that an older version has begun is resumed from its snapshot.
    #[test]
    fn what_is_trained_on_a_snapshot_of_before_has_the_rule_of_its_rows() {
        let today = snapshot(&["C\u{f3}rdoba", "Ohio"]);
        let before = artifact::seal(Format { version: 1, ..FORMAT }, &postcard::to_allocvec(&today).unwrap());
        let rule = |bytes: &[u8]| {
            let read = decode(bytes).unwrap();
            assert_eq!(encode(&read), bytes, "it stays what it is");
            LoadedSnapshot::new(String::new(), read).unwrap().dataset.category_rule()
        };
        assert_eq!((rule(&before), rule(&encode(&today))), (1, CATEGORY_RULE));
        // Without categories there is nothing to tell.
        let mut base = today;
        base.feature_names.truncate(12);
        base.columns.truncate(12);
        let bytes = encode(&base);
        assert_eq!((bytes[8], rule(&bytes)), (1, CATEGORY_RULE));
    }
}
