#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::conformance::{self, Backend, samples};
use crate::*;

use crate::roles::jobs::{JobCreation, NewJob};
use crate::roles::points::{PointOutcome, PointSelection, PointTotals};
use async_trait::async_trait;
use provost_domain::prediction::{LoggedFeatures, PredictionRecord};
use provost_domain::{AdmissionDataPoint, Algorithm, JobId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Keeps each store's folder until the end.
#[derive(Default)]
struct Folders(Mutex<Vec<TempDir>>);

fn open(folder: &TempDir) -> SqliteStore {
    SqliteStore::open(folder.path(), samples::at(0)).unwrap()
}

#[async_trait]
impl Backend for Folders {
    async fn empty(&self) -> Arc<dyn Store> {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        self.0.lock().unwrap().push(folder);
        Arc::new(store)
    }
    async fn reopened(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        drop(store);
        Arc::new(open(self.0.lock().unwrap().last().unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn conforms() {
    conformance::run(&Folders::default()).await;
}

async fn points(store: &SqliteStore) -> Vec<AdmissionDataPoint> {
    let mut stream = store.stream_points(PointSelection::default()).await.unwrap();
    let mut points = Vec::new();
    while let Some(batch) = stream.recv().await {
        points.extend(batch.unwrap());
    }
    points
}

fn arrivals(number: u64) -> provost_domain::schedule::Arrivals {
    provost_domain::schedule::Arrivals { usable: number, verified: number }
}

fn batch(prefix: &str, number: usize) -> Vec<AdmissionDataPoint> {
    (0..number).map(|i| samples::point(&format!("{prefix}{i:06}"), 0)).collect()
}

#[tokio::test]
async fn a_panic_in_a_command_leaves_no_half_batch() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let first = batch("a", 100).into_iter().map(points::Encoded::new).collect::<Result<Vec<_>>>().unwrap();
    let result: Result<()> = store
        .write(move |t| {
            points::record(t, &first)?;
            panic!("in the middle of batch {}", 7)
        })
        .await;
    let error = result.unwrap_err();
    assert!(matches!(&error, StoreError::Internal(text) if text.contains("in the middle of batch 7")), "{error}");
    assert_eq!(points(&store).await, []);
    assert_eq!(store.point_totals().await.unwrap(), PointTotals { version: 0, total: 0, arrivals: arrivals(0) });
    // The thread lives and its connection is usable.
    store.record_points(batch("b", 10)).await.unwrap();
    assert_eq!(points(&store).await.len(), 10);
    let result: Result<()> = store.read(|_| panic!("a reader")).await;
    assert!(matches!(result, Err(StoreError::Internal(_))));
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_command_that_leaves_its_transaction_open_is_rolled_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let left = store.writer.call(|c| {
        c.execute_batch("BEGIN IMMEDIATE; UPDATE points_mark SET version = 99;")?;
        Ok(())
    });
    left.await.unwrap();
    assert_eq!(store.point_totals().await.unwrap().version, 0);
    store.record_points(batch("a", 1)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_keeps_the_old_state_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.record_points(batch("a", 100)).await.unwrap();
    let mark = store.point_totals().await.unwrap();
    let limit = |pages: i64| store.writer.call(move |c| Ok(c.pragma_update(None, "max_page_count", pages)?));
    limit(1).await.unwrap(); // SQLite rounds up to the present size
    let error = store.record_points(batch("b", 2000)).await.unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert!(error.may_pass());
    assert_eq!(points(&store).await, batch("a", 100));
    assert_eq!(store.point_totals().await.unwrap(), mark);
    limit(1 << 30).await.unwrap();
    let outcomes = store.record_points(batch("b", 2000)).await.unwrap();
    assert!(outcomes.iter().all(|o| *o == PointOutcome::Inserted));
    assert_eq!(points(&store).await.len(), 2100);
}

/// An import beside a server: two stores, as two processes would have them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (server, import) = (open(&folder), open(&folder));
    assert_eq!(server.installation().await.unwrap(), import.installation().await.unwrap());
    let importing = async {
        for chunk in batch("a", 1000).chunks(50) {
            import.record_points(chunk.to_vec()).await.unwrap();
        }
    };
    let serving = async {
        let created = server.create_job(NewJob { max_waiting: 1, ..NewJob::new(samples::job(1, 0)) }).await.unwrap();
        let JobCreation::Created(record) = created else { panic!("{created:?}") };
        let mut record = *record;
        for i in 0..20 {
            record = server.save_job(record, vec![samples::event(i)], vec![]).await.unwrap();
            server.record_points(batch("a", 50)).await.unwrap();
        }
    };
    tokio::join!(importing, serving);
    assert_eq!(server.point_totals().await.unwrap(), import.point_totals().await.unwrap());
    assert_eq!(
        server.point_totals().await.unwrap(),
        PointTotals { version: 1000, total: 1000, arrivals: arrivals(1000) }
    );
    assert_eq!(points(&server).await.len(), 1000);
}

#[tokio::test]
async fn a_stream_sees_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.record_points(batch("a", 20_000)).await.unwrap();
    let mut stream = store.stream_points(PointSelection::default()).await.unwrap();
    let mut seen = stream.recv().await.unwrap().unwrap().len();
    store.record_points(batch("z", 10)).await.unwrap();
    while let Some(batch) = stream.recv().await {
        seen += batch.unwrap().len();
    }
    assert_eq!(seen, 20_000);
    assert_eq!(points(&store).await.len(), 20_010);
}

#[tokio::test]
async fn a_damaged_document_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.record_points(batch("a", 3)).await.unwrap();
    let damage = "UPDATE points SET document = substr(document, 1, 40) WHERE data_point_id = 'a000001'";
    store.writer.call(move |c| Ok(c.execute_batch(damage)?)).await.unwrap();
    let mut stream = store.stream_points(PointSelection::default()).await.unwrap();
    let error = stream.recv().await.unwrap().unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { what, .. } if what.contains("a000001")), "{error}");
    assert!(stream.recv().await.is_none());
}

/// A field that came after a point was stored must not make its repetition a conflict.
#[tokio::test]
async fn equal_content_in_other_words_is_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.record_points(batch("a", 1)).await.unwrap();
    let reword = "UPDATE points SET content = x'00', document = json_remove(document, '$.profile.gpa_scale')";
    store.writer.call(move |c| Ok(c.execute_batch(reword)?)).await.unwrap();
    assert_eq!(store.record_points(batch("a", 1)).await.unwrap(), [PointOutcome::Unchanged]);
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder));
    let path = folder.path().join(DATABASE);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(folder.path(), samples::at(0)).err().unwrap();
    assert!(matches!(error, StoreError::NewerSchema { found: 99, .. }), "{error}");
    assert_eq!(schema::version(&Connection::open(&path).unwrap()).unwrap(), 99);
}

#[test]
fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(DATABASE), "hello ".repeat(1000)).unwrap();
    let error = SqliteStore::open(folder.path(), samples::at(0)).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

/// The fixture is a database as schema version 1 had it, and stays as it is when steps are added.
#[tokio::test]
async fn version_1_is_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let old = Connection::open(folder.path().join(DATABASE)).unwrap();
    old.execute_batch(include_str!("../../tests/fixtures/schema_v1.sql")).unwrap();
    assert_eq!(schema::version(&old).unwrap(), 1);
    drop(old);
    let store = open(&folder);
    let version = store.read(schema::version).await.unwrap();
    assert_eq!(version as usize, schema::STEPS.len());
    assert_eq!(store.installation().await.unwrap().created_at, samples::at(-100), "not a new installation");
    assert_eq!(points(&store).await, [samples::point("p-1", 1), samples::point("p-2", 0)]);
    assert_eq!(store.point_totals().await.unwrap(), PointTotals { version: 2, total: 2, arrivals: arrivals(2) });
    let id = samples::job(1, 0).job.job_id;
    let record = store.job(&id).await.unwrap().unwrap();
    assert_eq!((record.rev, record.epoch, record.next_event), (3, 1, 3));
    assert_eq!(store.job_events(&id, 0, 9).await.unwrap().len(), 2);
    assert_eq!(store.trials(&id, Algorithm::RandomForest).await.unwrap(), [samples::trial(&id, 0)]);
    let model = samples::model(1, &id);
    assert_eq!(store.active_model().await.unwrap().as_ref(), Some(&model.version.model_id));
    let evaluation = store.evaluation(&model.version.model_id).await.unwrap();
    // What evaluations were given since is not there.
    let mut expected = samples::evaluation("task-1", &model);
    let results = expected.results.as_mut().unwrap();
    (results.importance_kind, results.importance_rows, results.threshold_counts) = (None, None, None);
    let metrics = &mut results.metrics;
    (metrics.threshold, metrics.intervals_95, metrics.set_coverage) = (None, BTreeMap::new(), None);
    assert_eq!(evaluation, Some(expected));
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), [samples::message("m-1")]);
    store.save_job(record, vec![], vec![]).await.unwrap();
}

/// Seconds of processor time that this process has used, all threads together (Linux; 100 ticks a second).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat.rsplit(')').next().unwrap().split(' ').filter_map(|f| f.parse().ok()).collect();
    fields.get(10..12).map_or(f64::NAN, |ticks| ticks.iter().sum::<f64>() / 100.0)
}

/// `cargo test --release -p provost-store -- --ignored --nocapture import_rate`. `PROVOST_POINTS` names another file.
#[tokio::test]
#[ignore = "a measurement, in release only"]
async fn import_rate() {
    use std::io::{BufRead, BufReader};
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/edulix_public.jsonl.gz");
    let data = std::env::var_os("PROVOST_POINTS").map_or(shared, PathBuf::from);
    if !data.is_file() {
        eprintln!("SKIPPED: {} is not here", data.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let mut wall = std::time::Instant::now();
    let mut cpu = cpu_seconds();
    let mut report = |what: &str, number: usize| {
        let (seconds, busy) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        let n = number as f64;
        eprintln!("{number} points {what}: {:.0} points/s, {:.0} per second of processor time", n / seconds, n / busy);
        wall = std::time::Instant::now();
        cpu = cpu_seconds();
        n / busy
    };
    for round in ["inserted", "unchanged"] {
        let file = std::fs::File::open(&data).unwrap();
        let mut lines = BufReader::with_capacity(1 << 16, flate2::read::MultiGzDecoder::new(file));
        let (mut number, mut line, mut batch) = (0, Vec::new(), Vec::new());
        loop {
            line.clear();
            let end = lines.read_until(b'\n', &mut line).unwrap() == 0;
            if !end {
                batch.push(AdmissionDataPoint::from_json(&line).unwrap());
            }
            if batch.len() == 2000 || end && !batch.is_empty() {
                number += store.record_points(std::mem::take(&mut batch)).await.unwrap().len();
            }
            if end {
                break;
            }
        }
        let rate = report(round, number);
        assert!(rate > 50_000.0, "too slow: {rate:.0} points per second of processor time");
    }
    let number = points(&store).await.len();
    report("read", number);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_make_one_audit_log() {
    use provost_domain::audit::{Act, Deed, Head};
    let folder = tempfile::tempdir().unwrap();
    let stores = [Arc::new(open(&folder)), Arc::new(open(&folder))];
    let mut writers = tokio::task::JoinSet::new();
    for store in &stores {
        let store = Arc::clone(store);
        writers.spawn(async move {
            for n in 0..10 {
                let deed = Deed::new(samples::at(n), "someone", Act::HttpRequest, n.to_string());
                store.append_audit(vec![deed]).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let mut head = Head::origin();
    for entry in stores[0].audit_after(0, 100).await.unwrap() {
        entry.check(&head).unwrap();
        head = entry.head();
    }
    assert_eq!((head.number, stores[1].audit_head().await.unwrap()), (20, head));
}

#[tokio::test]
async fn the_audit_log_is_only_appended_to_and_what_was_changed_behind_it_shows() {
    use provost_domain::audit::{Act, Deed};
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    for n in 0..3 {
        store.append_audit(vec![Deed::new(samples::at(n), "someone", Act::HttpRequest, "x")]).await.unwrap();
    }
    let forge = "UPDATE audit SET document = replace(document, 'someone', 'nobody') WHERE number = 2";
    for sql in [forge, "DELETE FROM audit WHERE number = 3"] {
        let refused = store.write(move |t| Ok(t.execute(sql, [])?)).await.unwrap_err();
        assert!(refused.to_string().contains("only appended to"), "{refused}");
    }
    store.write(move |t| Ok(t.execute_batch(&format!("DROP TRIGGER audit_is_not_changed; {forge}"))?)).await.unwrap();
    let entries = store.audit_after(0, 9).await.unwrap();
    assert_eq!(entries[1].check(&entries[0].head()).unwrap_err().number, 2);
}

#[tokio::test]
async fn a_damaged_record_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let shared: Arc<dyn Store> = Arc::new(open(&folder));
    let store = open(&folder);
    let job = samples::job(2, 2).job.job_id;
    for n in 1..=3 {
        let record = samples::job(n, n as i64);
        let triggers = vec![samples::trigger(n as u32)];
        let message = samples::message(&format!("m-{n}"));
        shared
            .create_job(NewJob { outbox: vec![message], triggers, max_waiting: 9, ..NewJob::new(record) })
            .await
            .unwrap();
        shared.add_trigger(samples::trigger(10 + n as u32), vec![]).await.unwrap();
    }
    let all = shared.list_triggers(None, 9).await.unwrap().items.len();
    let damage = format!(
        "UPDATE jobs SET document = json_remove(document, '$.rev') WHERE job_id = '{job}';
         UPDATE triggers SET document = json_remove(document, '$.trigger') WHERE trigger_id = '{}';
         UPDATE outbox SET document = json_remove(document, '$.topic') WHERE message_id = 'm-2';",
        samples::trigger(12).id
    );
    store.writer.call(move |c| Ok(c.execute_batch(&damage)?)).await.unwrap();
    let ids = |jobs: Vec<JobId>| jobs.iter().map(|id| *id != job).collect::<Vec<_>>();
    let listed = store.list_jobs(None, None, 9).await.unwrap();
    assert_eq!((ids(listed.items.into_iter().map(|j| j.job_id).collect()), listed.next), (vec![true; 2], None));
    // A page of damaged records only still leads to the next.
    let newest = store.list_jobs(None, None, 1).await.unwrap().next;
    let damaged = store.list_jobs(None, newest.as_deref(), 1).await.unwrap();
    assert!(damaged.items.is_empty() && damaged.next.is_some(), "{damaged:?}");
    let queued = store.unfinished_jobs().await.unwrap();
    assert_eq!(
        ids(queued.into_iter().map(|j| j.job_id).collect()),
        [true, false, true],
        "it keeps its place in the queue"
    );
    assert_eq!(store.pending_triggers().await.unwrap().len(), 2);
    assert_eq!(store.list_triggers(None, 9).await.unwrap().items.len(), all - 1);
    let sent = store.outbox_pending("event", 2).await.unwrap();
    assert_eq!(sent, [samples::message("m-1"), samples::message("m-3")], "a damaged one takes no place");
    let error = store.job(&job).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { what, .. } if what.contains(job.as_str())), "{error}");
    let told = store.unreadable();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().any(|line| *line == format!("job {job} is corrupt")), "{told:?}");
    // Who mends it is believed.
    let mend = format!("UPDATE jobs SET document = json_set(document, '$.rev', 1) WHERE job_id = '{job}'");
    store.writer.call(move |c| Ok(c.execute_batch(&mend)?)).await.unwrap();
    assert!(store.job(&job).await.unwrap().is_some());
    assert_eq!(store.unreadable().len(), 2);
}

/// A search that misses a trial, or a gate that misses a decision, would come to other results.
#[tokio::test]
async fn a_damaged_trial_activation_decision_or_audit_entry_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let shared: Arc<dyn Store> = Arc::new(open(&folder));
    let store = open(&folder);
    let record = samples::create(&shared, samples::job(1, 0)).await;
    let id = record.job.job_id;
    for index in 0..3 {
        shared.record_trial(record.epoch, samples::trial(&id, index)).await.unwrap();
    }
    for number in 1..=2 {
        let model = samples::register(&shared, number).await.version.model_id;
        shared.activate_model(&model, None, None, samples::at(i64::from(number)), vec![]).await.unwrap();
    }
    let damage = format!(
        "UPDATE trials SET document = '{{}}' WHERE number = 1;
         UPDATE activations SET document = '{{}}' WHERE rev = 2;
         INSERT INTO decisions (job_id, created_at, document) VALUES ('{id}', 0, '{{}}');
         INSERT INTO audit (number, document) VALUES (9999, '{{}}');"
    );
    store.writer.call(move |c| Ok(c.execute_batch(&damage)?)).await.unwrap();
    let named = |error: StoreError| match error {
        StoreError::Corrupt { what, .. } => what,
        other => panic!("{other}"),
    };
    let trial = format!("job {id}, trial 1");
    assert_eq!(named(store.trials_from(&id, Algorithm::RandomForest, 0, 9).await.unwrap_err()), trial);
    assert_eq!(store.trials_from(&id, Algorithm::RandomForest, 2, 9).await.unwrap().len(), 1);
    assert_eq!(named(store.activations(None, 1).await.unwrap_err()), "activation 2");
    assert_eq!(store.activations(Some(2), 9).await.unwrap().items.len(), 1);
    assert_eq!(named(store.decisions(None, None, 9).await.unwrap_err()), format!("decision on job {id}"));
    assert_eq!(named(store.audit(None, 9).await.unwrap_err()), "audit entry 9999");
}

/// Many large jobs may wait: the queue is answered out of its index.
#[tokio::test]
async fn the_queue_is_read_without_the_records() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let steps = store
        .read(|c| {
            let mut program = c.prepare(&format!("EXPLAIN {}", jobs::UNFINISHED))?;
            let steps = program.query_map([], |row| Ok((row.get::<_, String>(1)?, row.get::<_, i64>(2)?)))?;
            Ok(steps.collect::<std::result::Result<Vec<_>, _>>()?)
        })
        .await
        .unwrap();
    let read_from = |cursor: i64| steps.iter().filter(|(step, of)| step == "Column" && *of == cursor).count();
    let index = steps.iter().find(|(step, _)| step == "Rewind" || step.starts_with("Seek")).unwrap().1;
    assert_eq!(read_from(index), 3, "{steps:?}");
    assert_eq!(steps.iter().filter(|(step, _)| step == "Column").count(), 3, "the table is read: {steps:?}");
}

/// Ranks are read in the order of an index: nothing is sorted.
#[tokio::test]
async fn ranks_have_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    for (rank, of_status, index) in [
        (JobRank::Duration, false, "jobs_by_duration"),
        (JobRank::Duration, true, "jobs_by_status_and_duration"),
        (JobRank::Score, false, "jobs_by_score"),
        (JobRank::Score, true, "jobs_by_status_and_score"),
    ] {
        let plan = store
            .read(move |c| {
                let mut program = c.prepare(&format!("EXPLAIN QUERY PLAN {}", jobs::ranked_sql(rank, of_status)))?;
                let arguments = rusqlite::params![1, "j", 9, "completed"];
                let steps = program.query_map(arguments, |row| row.get::<_, String>(3))?;
                Ok(steps.collect::<std::result::Result<Vec<_>, _>>()?.join("; "))
            })
            .await
            .unwrap();
        assert!(plan.contains(&format!("INDEX {index} ")) && !plan.contains("B-TREE"), "{plan}");
    }
}

/// The file of the log, as this version writes it and as the first one did.
#[tokio::test]
async fn a_log_from_before_there_were_callers_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let records: Vec<_> = (0..3).map(|n| samples::prediction(&format!("p{n}"), n)).collect();
    let store = open(&folder);
    store.append_predictions(records.clone()).await.unwrap();
    drop(store);
    let file = rusqlite::Connection::open(folder.path().join(crate::layout::PREDICTIONS)).unwrap();
    let back = "DROP TRIGGER prediction_added; DROP TRIGGER prediction_removed; DROP INDEX predictions_by_caller;
                ALTER TABLE predictions DROP COLUMN caller; DROP TABLE callers; PRAGMA user_version = 1;";
    file.execute_batch(back).unwrap();
    drop(file);
    let store = open(&folder);
    let file = rusqlite::Connection::open(folder.path().join(crate::layout::PREDICTIONS)).unwrap();
    let version: u32 = file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 2, "before it is used");
    drop(file);
    let nobodys = |record: &PredictionRecord| PredictionRecord { caller: "".into(), ..record.clone() };
    assert_eq!(store.prediction("p1").await.unwrap(), Some(nobodys(&records[1])));
    assert_eq!(store.prediction_totals().await.unwrap().entries, 3);
    store.append_predictions(vec![samples::prediction("p3", 3)]).await.unwrap();
    assert_eq!(store.forget_predictions(samples::at(0), 2, 9).await.unwrap(), 2);
    assert_eq!(store.prediction("p1").await.unwrap(), None, "the oldest of who has the most");
    assert_eq!(store.prediction("p3").await.unwrap(), Some(samples::prediction("p3", 3)));
    let steps = store
        .log
        .read(|c| {
            let sql = "EXPLAIN QUERY PLAN SELECT position FROM predictions WHERE caller = 1 ORDER BY position LIMIT 5";
            let mut plan = c.prepare(sql)?;
            let steps = plan.query_map([], |row| row.get::<_, String>(3))?;
            Ok(steps.collect::<std::result::Result<Vec<_>, _>>()?)
        })
        .await
        .unwrap()
        .unwrap();
    assert!(steps.len() == 1 && steps[0].contains("predictions_by_caller"), "without a sort: {steps:?}");
}

#[tokio::test]
async fn a_damaged_log_does_not_keep_the_store_from_opening() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(crate::layout::PREDICTIONS), vec![7; 8192]).unwrap();
    let store = open(&folder);
    assert!(store.prediction("p1").await.is_err());
    let store: Arc<dyn Store> = Arc::new(store);
    samples::create(&store, samples::job(1, 0)).await;
}

/// How many predictions a second the log takes, and what a job's save costs meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
#[ignore = "a measurement, in release only"]
async fn prediction_log_rate() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(open(&folder));
    let mut job = samples::create(&store, samples::job(1, 0)).await;
    let names: Vec<String> = (0..12).map(|n| format!("feature_{n}")).collect();
    let began = std::time::Instant::now();
    let mut slowest = std::time::Duration::ZERO;
    for batch in 0..200 {
        let record = |n: i64| PredictionRecord {
            features: LoggedFeatures::new(names.iter().map(|name| (name.as_str(), Some(n as f64)))),
            ..samples::prediction(&format!("{batch}-{n}"), batch)
        };
        store.append_predictions((0..1000).map(record).collect()).await.unwrap();
        let save = std::time::Instant::now();
        job = store.save_job(job, vec![], vec![]).await.unwrap();
        slowest = slowest.max(save.elapsed());
    }
    let seconds = began.elapsed().as_secs_f64();
    let bytes = std::fs::metadata(folder.path().join(crate::layout::PREDICTIONS)).unwrap().len();
    eprintln!("{:.0} predictions/s, {} bytes each, slowest save {slowest:?}", 2e5 / seconds, bytes / 200_000);
}
