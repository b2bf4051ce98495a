#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::documents;
use super::server::Server;
use super::*;
use crate::conformance::{self, Backend, samples};
use crate::roles::inbox::{InboxEffect, InboxEntry, InboxOutcome};
use crate::roles::jobs::{JobCreation, NewJob};
use crate::roles::points::{PointOutcome, PointSelection};
use crate::*;
use async_trait::async_trait;
use mongodb::bson::Document;
use mongodb::bson::doc;
use mongodb::event::EventHandler;
use provost_domain::AdmissionDataPoint;
use provost_domain::job::JobStatus;
use std::sync::Mutex;

mod dialect;

/// Each store has a database of its own, named by the last address. What is sent to the server is looked at.
struct Databases {
    server: Server,
    last: Mutex<String>,
}

impl Databases {
    fn open(url: &str) -> Arc<dyn Store> {
        let watch = EventHandler::callback(|event| {
            if let CommandEvent::Started(started) = event {
                dialect::check(&started.command_name, &started.command);
            }
        });
        Arc::new(MongoStore::open_watched(url, samples::at(0), Some(watch)).unwrap())
    }
}

#[async_trait]
impl Backend for Databases {
    async fn empty(&self) -> Arc<dyn Store> {
        let url = self.server.database();
        *self.last.lock().unwrap() = url.clone();
        Self::open(&url)
    }
    async fn reopened(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        drop(store);
        let url = self.last.lock().unwrap().clone();
        Self::open(&url)
    }
}

/// A test for each part of the suite, so that one can be run alone. `@test` makes one of them.
macro_rules! conforms {
    (@test [$(#[$attribute:meta])*] $server:ident $room:ident) => {
        $(#[$attribute])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
        async fn $room() {
            let Some(server) = Server::$server() else { return };
            conformance::$room(&Databases { server, last: Mutex::default() }).await;
            assert_eq!(dialect::broken(), Vec::<String>::new());
        }
    };
    ($attributes:tt $server:ident: $($room:ident),+) => {
        $(conforms!(@test $attributes $server $room);)+
    };
}

mod conforms {
    use super::*;
    conforms!([] start: points, jobs, leases, models, messages, locks, retention, predictions, reopening);
}

/// The same on an implementation of its own, without anything of the first.
mod acceptance_on_another {
    use super::*;
    conforms!([#[ignore = "acceptance"]] java: points, jobs, leases, models, messages, locks, retention, predictions, reopening);
}

/// All points of a store.
async fn points(store: &MongoStore) -> Vec<AdmissionDataPoint> {
    let mut stream = store.stream_points(PointSelection::default()).await.unwrap();
    let mut points = Vec::new();
    while let Some(batch) = stream.recv().await {
        points.extend(batch.unwrap());
    }
    points
}

async fn database(url: &str) -> Db {
    Db::new(url, None).await.unwrap()
}

/// Jobs that an older version has saved have no ranks until a newer one opens the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_an_older_version_are_ranked() {
    let Some(server) = Server::start() else { return };
    let url = server.database();
    let store: Arc<dyn Store> = Arc::new(MongoStore::open(&url, samples::at(0)).unwrap());
    let mut expected = Vec::new();
    for number in 0..3 {
        let mut record = samples::create(&store, samples::job(number, 0)).await;
        record.job.best_score = Some(number as f64 / 10.0);
        expected.insert(0, store.save_job(record, vec![], vec![]).await.unwrap().job.job_id);
    }
    let db = database(&url).await;
    let unset = doc! {"$unset": {"provost.took": "", "provost.score": ""}};
    assert_eq!(db.update_all(JOBS, doc! {}, unset).await.unwrap(), 3);
    let store = MongoStore::open(&url, samples::at(0)).unwrap();
    let ranked = store.ranked_jobs(JobRank::Score, None, None, 9).await.unwrap().items;
    assert_eq!(ranked.into_iter().map(|job| job.job_id).collect::<Vec<_>>(), expected);
    assert_eq!(db.count(JOBS, doc! {"provost.took": null}).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn artifacts_are_the_same_on_two_hosts() {
    let Some(server) = Server::start() else { return };
    let store = MongoStore::open(&server.database(), samples::at(0)).unwrap();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [here, there] = folders.each_ref().map(|folder| {
        crate::Artifacts::open(folder.path().to_owned()).unwrap().with_remote(store.artifacts().unwrap())
    });
    let big: Vec<u8> = (0..9_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect(); // two chunks
    let name = here.put(&big).unwrap();
    assert!(there.contains(&name));
    assert_eq!(there.get(&name).unwrap(), big);
    let alone = crate::Artifacts::open(folders[1].path().to_owned()).unwrap();
    assert_eq!(alone.get(&name).unwrap(), big, "it is in the folder now");
    // A damaged copy is fetched anew; damage in the database is told.
    let small = here.put(b"a model").unwrap();
    let path = folders[1].path().join(&small[..2]).join(&small[2..4]).join(&small);
    assert_eq!(there.get(&small).unwrap(), b"a model");
    std::fs::write(&path, b"a mod").unwrap();
    assert_eq!(there.get(&small).unwrap(), b"a model");
    assert_eq!(std::fs::read(&path).unwrap(), b"a model");
    std::fs::remove_file(&path).unwrap();
    let data =
        mongodb::bson::Binary { subtype: mongodb::bson::spec::BinarySubtype::Generic, bytes: b"b model".to_vec() };
    store.db.update("artifact_chunks", doc! {"artifact": &small}, doc! {"$set": {"data": data}}).await.unwrap();
    assert!(matches!(there.get(&small), Err(StoreError::Corrupt { .. })));
    assert!(matches!(there.get(&"0".repeat(64)), Err(StoreError::NotFound { .. })));
}

/// What no record names goes when it is old, from the folders and from the database; what is stored again stays whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_artifacts_are_swept_from_the_database_too() {
    let Some(server) = Server::start() else { return };
    let store = MongoStore::open(&server.database(), samples::at(0)).unwrap();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [here, there] = folders.each_ref().map(|folder| {
        crate::Artifacts::open(folder.path().to_owned()).unwrap().with_remote(store.artifacts().unwrap())
    });
    let [old, again, kept] = [b"old", b"new", b"use"].map(|bytes| here.put(bytes).unwrap());
    let day = std::time::Duration::from_secs(86_400);
    let (now, yesterday) = (std::time::SystemTime::now(), std::time::SystemTime::now() - day);
    assert_eq!(there.older_than(now - day * 2).unwrap(), Vec::<String>::new());
    // They become two days old, and so do the chunks of a writer that was cut off.
    let at = mongodb::bson::DateTime::from_system_time(now - day * 2);
    let data = mongodb::bson::Binary { subtype: mongodb::bson::spec::BinarySubtype::Generic, bytes: vec![1] };
    let orphan = doc! {"_id": "x", "artifact": &old, "upload": "nobody's", "data": data};
    store.db.insert("artifact_chunks", orphan).await.unwrap();
    for collection in ["artifacts", "artifact_chunks"] {
        store.db.update_all(collection, doc! {}, doc! {"$set": {"stored_at": at}}).await.unwrap();
    }
    let mut names = there.older_than(yesterday).unwrap();
    assert_eq!(names.len(), 3);
    names.retain(|name| *name != kept);
    assert_eq!(there.put(b"new").unwrap(), again, "between the look and the sweep");
    let swept = there.sweep(&names, yesterday).unwrap();
    assert_eq!((swept.removed, swept.bytes), (1, 3));
    assert!(matches!(there.get(&old), Err(StoreError::NotFound { .. })));
    assert_eq!((there.get(&again).unwrap(), there.get(&kept).unwrap()), (b"new".to_vec(), b"use".to_vec()));
    assert_eq!(store.db.count("artifact_chunks", doc! {}).await.unwrap(), 2);
    // The other host's folder has its own copies, which are young.
    assert_eq!(here.sweep(&names, yesterday).unwrap().removed, 0);
    assert_eq!(here.put(b"old").unwrap(), old);
    assert_eq!(there.get(&old).unwrap(), b"old");
}

/// A creation and a joining, cut off after each of their writes, as a crash would: the next to look sees all of it or nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_begun_comes_to_an_end() {
    let Some(server) = Server::start() else { return };
    let url = server.database();
    let store = MongoStore::open(&url, samples::at(0)).unwrap();
    let db = database(&url).await;
    let create = |number| {
        let response = samples::response(&format!("key-{number}"), samples::at(0));
        store.create_job(NewJob {
            outbox: vec![samples::message("m")],
            triggers: vec![samples::trigger(1)],
            response: Some(response),
            max_waiting: 9,
            ..NewJob::new(samples::job(number, 0))
        })
    };
    // Hidden, with a claim on its key and none on its trigger.
    let JobCreation::Created(made) = create(1).await.unwrap() else { panic!("not created") };
    let id = made.job.job_id.to_string();
    let whole = db.one(JOBS, doc! {"_id": &id}).await.unwrap().unwrap();
    let takes =
        serde_json::json!({"response": samples::response("key-1", samples::at(0)), "triggers": [samples::trigger(1)]});
    let mut begun = whole.clone();
    documents::set_meta(&mut begun, "state", "preparing");
    documents::set_meta(&mut begun, "takes", takes.to_string());
    assert!(db.put(JOBS, Some(&whole), begun).await.unwrap());
    db.remove(TRIGGERS, doc! {}).await.unwrap();
    db.remove("responses", doc! {}).await.unwrap();
    let claim = doc! {"_id": "key-1", "at": samples::at(0).timestamp_micros(), "provost": {"w": 1_i64, "claim": {"job": &id, "joining": null}}};
    db.insert("responses", claim).await.unwrap();
    assert_eq!(store.job(&made.job.job_id).await.unwrap(), None, "half of it is seen");
    assert_eq!(store.unfinished_jobs().await.unwrap(), []);
    // Whoever asks for the key brings it to its end.
    assert!(store.stored_response("key-1", samples::at(1)).await.unwrap().is_some());
    assert_eq!(store.job(&made.job.job_id).await.unwrap().as_ref(), Some(&*made));
    assert_eq!(store.pending_triggers().await.unwrap(), []);
    assert_eq!(store.list_triggers(None, 9).await.unwrap().items[0].job_id.as_ref(), Some(&made.job.job_id));
    assert_eq!(create(2).await.unwrap(), JobCreation::Settled, "its trigger has led to a job");
    assert_eq!(store.job(&samples::job(2, 0).job.job_id).await.unwrap(), None);

    // A joining that claimed its trigger and went no further.
    store.add_trigger(samples::trigger(4), vec![]).await.unwrap();
    let was = db.one(TRIGGERS, doc! {"_id": samples::trigger(4).id}).await.unwrap().unwrap();
    let mut claimed = was.clone();
    documents::set_meta(&mut claimed, "claim", doc! {"job": &id, "joining": "somebody"});
    assert!(db.put(TRIGGERS, Some(&was), claimed).await.unwrap());
    assert_eq!(store.pending_triggers().await.unwrap(), [samples::trigger(4)]);
    assert!(store.settle_trigger(&samples::trigger(4).id, "free again".to_owned()).await.unwrap());
}

/// Rows that a process left when it died between its steps, finished by the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_finishes_what_the_dead_left() {
    let Some(server) = Server::start() else { return };
    let url = server.database();
    let store = MongoStore::open(&url, samples::at(0)).unwrap();
    let db = database(&url).await;
    store.record_points(vec![samples::point("a", 0)]).await.unwrap();
    // An event taken in, its points not recorded; a writer that signed in at the mark and never out.
    let effect = serde_json::json!({"Points": [samples::point("a", 0), samples::point("b", 0)]});
    let row = doc! {"_id": "3:/up1", "source": "/up", "id": "1", "payload_hash": "x", "at": 0_i64, "pending": true, "effect": effect.to_string()};
    db.insert("inbox", row).await.unwrap();
    totals::Writing::sign_in(&db).await.unwrap();
    assert_eq!(store.point_totals().await.unwrap().total, 1, "the sum is made anew while somebody writes");
    // An activation that is in the pointer alone, an announcement in its document alone.
    let model = samples::model(1, &samples::job(0, 0).job.job_id);
    store.register_model(model.clone(), samples::evaluation("t", &model), vec![]).await.unwrap();
    store
        .activate_model(&model.version.model_id, None, None, samples::at(1), vec![samples::message("m")])
        .await
        .unwrap();
    db.remove("activations", doc! {}).await.unwrap();
    let message = db.one("outbox", doc! {"_id": "m"}).await.unwrap().unwrap();
    db.remove("outbox", doc! {}).await.unwrap();
    let was = db.one(STATE, doc! {"_id": "active_model"}).await.unwrap().unwrap();
    let mut carrying = was.clone();
    outbox::embed(&mut carrying, &[message.into()]);
    assert!(db.put(STATE, Some(&was), carrying).await.unwrap());
    assert_eq!(store.activations(None, 9).await.unwrap().items.len(), 1, "read from the pointer");
    drop(store);

    let store = MongoStore::open(&url, Utc::now() + chrono::TimeDelta::hours(2)).unwrap();
    let entry =
        InboxEntry { source: "/up".to_owned(), id: "1".to_owned(), payload_hash: "x".to_owned(), at: samples::at(0) };
    let again = store.record_inbox(vec![(entry, InboxEffect::None)]).await.unwrap();
    assert_eq!(again, [InboxOutcome::Duplicate]);
    assert_eq!(points(&store).await, [samples::point("a", 0), samples::point("b", 0)]);
    let mark = store.point_totals().await.unwrap();
    assert_eq!((mark.total, mark.version, mark.arrivals.usable), (2, 2, 2), "nothing is counted twice");
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), [samples::message("m")]);
    assert_eq!(db.count("activations", doc! {}).await.unwrap(), 1);
    store.record_points(vec![samples::point("c", 0)]).await.unwrap();
    assert_eq!(store.point_totals().await.unwrap().total, 3);
}

/// Two importers and a reader: the mark that is left is the sum of what is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn importers_race_and_nothing_is_counted_twice() {
    let Some(server) = Server::start() else { return };
    let url = server.database();
    let store = Arc::new(MongoStore::open(&url, samples::at(0)).unwrap());
    let mut racing = tokio::task::JoinSet::new();
    for worker in 0..3_u64 {
        let store = Arc::clone(&store);
        racing.spawn(async move {
            for seq in 0..6 {
                let batch = (0..20).map(|i| samples::point(&format!("p{i:02}"), seq * 3 + worker)).collect();
                store.record_points(batch).await.unwrap();
                store.point_totals().await.unwrap();
            }
        });
    }
    racing.join_all().await;
    let db = database(&url).await;
    let changes: i64 = db
        .all(POINTS, doc! {}, doc! {}, None)
        .await
        .unwrap()
        .iter()
        .map(|point| documents::number(point, "provost.changes").unwrap())
        .sum();
    let mark = store.point_totals().await.unwrap();
    assert_eq!((mark.total, mark.version.cast_signed(), mark.arrivals.usable), (20, changes, 20));
    assert_eq!(store.point_totals().await.unwrap(), mark);
    assert!(points(&store).await.iter().all(|p| p.seq == 17), "the highest seq wins");
}

/// User and system time of this process so far, in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Many points of the replaced service, with those among them that are none, on both servers: each counts once, whatever
/// chunk and kind it is in. `ROWS` makes a measurement of it: how long it takes, and how long of that this process was at work.
async fn many_points_are_taken_over(server: Server) {
    use mongodb::bson::oid::ObjectId;
    let measured: Option<usize> = std::env::var("ROWS").ok().map(|rows| rows.parse().unwrap());
    let (rows, chunk) = measured.map_or((120, 16), |rows| (rows, legacy::CHUNK));
    let url = server.database();
    drop(MongoStore::open(&url, samples::at(0)).unwrap());
    let db = database(&url).await;
    let point = |i: usize| {
        let decision = ["accepted", "rejected", "waitlisted"][i % 3];
        let program = doc! {"university_name": "U", "program_name": "P", "degree_level": "masters"};
        doc! {"_id": ObjectId::new(), "data_point_id": format!("old-{i}"), "profile": {"gpa": 3.7, "gpa_scale": 4.0},
        "program": program, "decision": decision, "application_year": 2023, "verified": i.is_multiple_of(2), "source": "survey"}
    };
    // The older twins are of another decision; one document has a `seq`, one an id of another type, one lacks `verified`.
    let mut documents: Vec<Document> = vec![point(1), point(2)];
    documents.iter_mut().for_each(|twin| drop(twin.insert("decision", "withdrawn")));
    documents.extend((0..rows).map(point));
    for (i, change) in [doc! {"seq": 7}, doc! {"_id": "a text"}, doc! {"decision": "maybe"}].into_iter().enumerate() {
        documents[10 + i].extend(change);
    }
    documents[20].remove("verified");
    for chunk in documents.chunks(1000) {
        db.insert_all(POINTS, chunk.to_vec()).await.unwrap();
    }
    // What a process that died had claimed.
    db.update(POINTS, doc! {"data_point_id": "old-20"}, doc! {"$set": {"provost": {"w": 1, "by": "dead"}}})
        .await
        .unwrap();
    let (began, cpu) = (std::time::Instant::now(), cpu_seconds());
    legacy::adopt(&db, chunk).await.unwrap();
    let (took, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    eprintln!(
        "{rows} points were taken over in {took:.2} s ({:.0}/s), {cpu:.2} s of them this process",
        rows as f64 / took
    );
    let store = MongoStore::open(&url, samples::at(0)).unwrap();
    let all = points(&store).await;
    assert_eq!(all.len(), rows - 1, "all but the one with an unknown decision");
    let usable = all.iter().filter(|p| p.decision.label().is_some()).count() as u64;
    let verified = all.iter().filter(|p| p.verified && p.decision.label().is_some()).count() as u64;
    let mark = store.point_totals().await.unwrap();
    assert_eq!((mark.total, mark.arrivals.usable, mark.arrivals.verified), (rows as u64 - 1, usable, verified));
    assert_eq!(mark.version, rows as u64 - 1);
    let twin = all.iter().find(|p| p.data_point_id == "old-1").unwrap();
    assert_eq!((twin.decision.as_str(), all.iter().filter(|p| p.seq == 7).count()), ("rejected", 1));
    assert_eq!(
        store.record_points(vec![all[0].clone(), all[1].clone()]).await.unwrap(),
        [PointOutcome::Unchanged, PointOutcome::Unchanged]
    );
    let refused = doc! {"provost.refused": {"$exists": true}};
    assert_eq!(db.count(POINTS, refused.clone()).await.unwrap(), 3, "two twins and a word");
    // Nothing is left to be taken over, and a document that comes later is.
    db.insert(POINTS, point(rows)).await.unwrap();
    db.insert(POINTS, point(3)).await.unwrap();
    drop(store);
    let store = MongoStore::open(&url, samples::at(0)).unwrap();
    assert_eq!(store.point_totals().await.unwrap().total, rows as u64);
    assert_eq!(db.count(POINTS, refused).await.unwrap(), 4, "a point that was there has another twin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_of_the_replaced_service_are_taken_over_in_bulk() {
    let Some(server) = Server::start() else { return };
    many_points_are_taken_over(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_of_the_replaced_service_are_taken_over_in_bulk_on_another() {
    let Some(server) = Server::java() else { return };
    many_points_are_taken_over(server).await;
}

/// Two processes that start at once: each point counts once, and of twins the newer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_take_over_at_once_take_no_twins() {
    use mongodb::bson::oid::ObjectId;
    let Some(server) = Server::start() else { return };
    let url = server.database();
    let store = MongoStore::open(&url, samples::at(0)).unwrap();
    let (one, other) = (database(&url).await, database(&url).await);
    // Each id twice, with all others in between: the twins are chunks apart.
    let documents = ["withdrawn", "accepted"].into_iter().flat_map(|decision| (0..100).map(move |i| (i, decision)));
    let documents = documents.map(|(i, decision)| {
        doc! {"_id": ObjectId::new(), "data_point_id": format!("p{i}"), "profile": {"gpa": 3.7}, "program": {"program_name": "P"},
            "decision": decision}
    });
    one.insert_all(POINTS, documents.collect()).await.unwrap();
    let both = tokio::join!(legacy::adopt(&one, 7), legacy::adopt(&other, 7));
    both.0.and(both.1).unwrap();
    let all = points(&store).await;
    assert!(all.len() == 100 && all.iter().all(|point| point.decision.as_str() == "accepted"), "{}", all.len());
    assert_eq!(one.count(POINTS, doc! {"provost.refused": {"$exists": true}}).await.unwrap(), 100);
    assert_eq!(store.point_totals().await.unwrap().total, 100);
}

/// Events that were left pending are finished together, in few commands, and in the order in which they came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pending_events_are_finished_together() {
    let Some(server) = Server::start() else { return };
    let url = server.database();
    drop(MongoStore::open(&url, samples::at(0)).unwrap());
    let db = database(&url).await;
    let row = |i: i64, id: String, seq: u64| {
        let effect = serde_json::json!({"Points": [samples::point(&id, seq)]});
        doc! {"_id": format!("3:/up{i}"), "source": "/up", "id": i.to_string(), "payload_hash": "x", "at": i, "pending": true,
        "effect": effect.to_string()}
    };
    let mut rows: Vec<Document> = (0..510).map(|i| row(i, format!("p{i}"), 0)).collect();
    rows.push(row(600, "p0".to_owned(), 5));
    db.insert_all("inbox", rows).await.unwrap();
    let sent = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = sent.clone();
    let watch = EventHandler::callback(move |event| {
        if matches!(event, CommandEvent::Started(_)) {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let began = std::time::Instant::now();
    let store = MongoStore::open_watched(&url, samples::at(0), Some(watch)).unwrap();
    let sent = sent.load(std::sync::atomic::Ordering::Relaxed);
    eprintln!("511 pending events were finished in {:?} with {sent} commands", began.elapsed());
    assert!(sent < 250, "{sent} commands: not one by one");
    assert_eq!(db.count("inbox", doc! {"pending": true}).await.unwrap(), 0);
    let all = points(&store).await;
    assert_eq!((all.len(), all.iter().find(|p| p.data_point_id == "p0").unwrap().seq), (510, 5));
}

/// What the replaced service left, read as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_of_the_replaced_service_are_read() {
    use mongodb::bson::{DateTime as Date, oid::ObjectId};
    let Some(server) = Server::start() else { return };
    let url = server.database();
    let db = database(&url).await;
    let day = |text: &str| Date::parse_rfc3339_str(text).unwrap();
    let point = |id: &str, decision: &str| {
        doc! {"_id": ObjectId::new(), "data_point_id": id, "profile": {"gpa": 3.7, "gpa_scale": 4.0, "research_publications": 2,
            "test_scores": [{"test_type": "gre", "verbal_score": 160, "quantitative_score": 168, "date_taken": day("2022-05-01T00:00:00Z")}]},
        "program": {"university_name": "U", "program_name": "P", "degree_level": "masters", "acceptance_rate": 0.2},
        "decision": decision, "decision_date": day("2023-03-01T00:00:00Z"), "application_year": 2023, "verified": true,
        "source": "survey", "created_at": day("2023-03-02T10:11:12.345Z"), "updated_at": null}
    };
    let twin = point("old-1", "rejected"); // made first: the newer one counts
    db.insert_all(
        POINTS,
        vec![twin, point("old-1", "accepted"), point("old-2", "waitlisted"), doc! {"data_point_id": "no point"}],
    )
    .await
    .unwrap();
    let model = |id: &str, date: &str, active: bool| {
        doc! {"_id": ObjectId::new(), "model_id": id, "version": "20230301_500", "algorithm": "random_forest",
        "training_date": day(date), "training_samples": 500, "training_config": {"cross_validation_folds": 5},
        "metrics": {"accuracy": 0.81, "precision": 0.8, "recall": 0.7, "f1_score": 0.74, "auc_roc": 0.88, "cv_scores": [0.7, 0.8],
            "cv_mean": 0.75, "cv_std": 0.05, "training_time_seconds": 12.5},
        "feature_importance": [{"feature_name": "gpa_normalized", "importance_score": 0.4, "rank": 1}],
        "hyperparameters": {"n_estimators": 200, "max_depth": null}, "model_path": "/models/rf.joblib", "is_active": active,
        "is_deprecated": false, "notes": "first"}
    };
    db.insert_all(
        MODELS,
        vec![model("rf_20230301", "2023-03-01T01:00:00Z", false), model("rf_20230401", "2023-04-01T01:00:00Z", true)],
    )
    .await
    .unwrap();
    let job = |id: &str, status: &str| {
        doc! {"_id": ObjectId::new(), "job_id": id, "status": status, "config": {"min_samples": 500}, "progress_percentage": 40,
        "trained_models": ["rf_20230401"], "best_model_id": "rf_20230401", "created_at": day("2023-04-01T00:59:00Z"), "logs": ["began"]}
    };
    db.insert_all(JOBS, vec![job("job_20230401", "completed"), job("job_20230501", "running")]).await.unwrap();
    let trigger = doc! {"_id": ObjectId::new(), "trigger_type": "scheduled", "triggered_at": day("2023-04-01T00:58:00Z"), "reason": "Sunday", "new_samples_count": 1200};
    db.insert(TRIGGERS, trigger).await.unwrap();
    let before = db.one(POINTS, doc! {"data_point_id": "old-2"}).await.unwrap().unwrap();

    for round in 0..2 {
        let store = MongoStore::open(&url, samples::at(0)).unwrap();
        let read = points(&store).await;
        assert_eq!(
            read.iter().map(|p| (p.data_point_id.as_str(), p.decision.as_str())).collect::<Vec<_>>(),
            [("old-1", "accepted"), ("old-2", "waitlisted")]
        );
        assert_eq!(read[0].profile.test_scores[0].date_taken.unwrap().to_string(), "2022-05-01");
        assert_eq!(read[0].created_at.unwrap().to_rfc3339(), "2023-03-02T10:11:12.345+00:00");
        assert_eq!(read[0].decision_date.unwrap().to_string(), "2023-03-01");
        let mark = store.point_totals().await.unwrap();
        assert_eq!((mark.total, mark.arrivals.usable, mark.arrivals.verified), (2, 1, 1), "round {round}");
        assert_eq!(store.record_points(vec![read[0].clone()]).await.unwrap(), [PointOutcome::Unchanged]);

        let models = store.list_models(false, None, 9).await.unwrap().items;
        assert_eq!(
            models.iter().map(|m| (m.metrics.f1_score, m.is_active)).collect::<Vec<_>>(),
            [(0.74, true), (0.74, false)]
        );
        assert!(models[0].notes.as_ref().unwrap().contains("rf_20230401"));
        assert_eq!(store.active_model().await.unwrap().as_ref(), Some(&models[0].model_id));
        assert_eq!(store.activations(None, 9).await.unwrap().items.len(), 1);
        let refused = store.activate_model(&models[1].model_id, None, None, samples::at(0), vec![]).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::NoArtifact { model } if *model == *models[1].model_id.as_str()),
            "{refused}"
        );
        // By the ids that clients of the replaced service know.
        let old = db.one(MODELS, doc! {"model_id": "rf_20230401"}).await.unwrap().unwrap();
        let hex = old.get_object_id("_id").unwrap().to_hex();
        for name in ["rf_20230401", hex.as_str(), models[0].model_id.as_str()] {
            assert_eq!(store.model_named(name).await.unwrap().as_ref(), Some(&models[0].model_id), "{name}");
        }
        let old = db.one(JOBS, doc! {"job_id": "job_20230401"}).await.unwrap().unwrap();
        let hex = old.get_object_id("_id").unwrap().to_hex();
        let done = store.job_named("job_20230401").await.unwrap().unwrap();
        assert_eq!(store.job_named(&hex).await.unwrap().as_ref(), Some(&done));
        assert_eq!(store.job(&done).await.unwrap().unwrap().job.status, JobStatus::Completed);
        assert_eq!(store.model(&models[1].model_id).await.unwrap().unwrap().version.training_samples, 500);

        let jobs = store.list_jobs(None, None, 9).await.unwrap().items;
        let mut ends: Vec<_> = jobs.iter().map(|j| j.status.as_str()).collect();
        ends.sort_unstable();
        assert_eq!(ends, ["completed", "failed"]);
        assert_eq!(jobs[0].best_model_id.as_ref(), Some(&models[0].model_id));
        assert_eq!(store.unfinished_jobs().await.unwrap(), []);
        assert_eq!(store.pending_triggers().await.unwrap(), []);
        assert_eq!(store.list_triggers(None, 9).await.unwrap().items[0].trigger.new_samples_count, Some(1200));
    }
    let mut after = db.one(POINTS, doc! {"data_point_id": "old-2"}).await.unwrap().unwrap();
    after.remove("provost");
    assert_eq!(after, before, "it stays as it was");
}
