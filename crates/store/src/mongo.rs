//! The MongoDB backend, for several hosts. It needs no transactions, and so no replica set: every step that must be whole is a
//! change of one document that compares (`Db::put`), and what spans documents is recorded in one of them first.
//!
//! | verb | documents, in order | a crash leaves | who repairs it |
//! | --- | --- | --- | --- |
//! | `record_points` | register at the totals; each point by itself; deregister | some points recorded, totals to be summed | the caller, who records again; the next reader of the totals |
//! | `record_inbox` | rows, pending, with their effects; points, triggers; rows done | pending rows | the next delivery, or start |
//! | `point_totals` | the kept sum, or one made anew | nothing | |
//! | `create_job` | job, hidden; claims on key and triggers; job there; claims to facts | a hidden job, claims | whoever meets a claim; the next start |
//! | `join_job` | claims on triggers; job with their name; claims to facts | claims | whoever meets one; the next start |
//! | `save_job`, `claim_job` | older events copied out; job; announcements moved out | copies, announcements in the job | readers put them together; the relay moves them |
//! | `record_trial`, `offer_unit` | epoch looked at; trial or unit; (trial) epoch again | nothing | |
//! | `register_model` | model with evaluation and announcements; evaluation; announcements moved | no row of the evaluation | readers take it from the model; the relay |
//! | `activate_model`, `decide` | pointer with activation, decision, announcements; their collections; flags in `ml_models` | rows in the pointer only, old flags | readers look there first; the next change, or start |
//! | `append_audit` | head with the entries; entries | entries in the head only | readers look there first; the next append |
//! | `add_key`, `revoke_key` | key with the deeds that it owes; audit log; key without | a deed that is owed | whoever reads the keys |
//! | `add_trigger` | trigger with announcements; announcements moved | announcements in the trigger | the relay |
//! | `record_watch` | window; state with announcements; announcements moved | a window that the state does not count, announcements in the state | the next window of that number, which takes its place; the relay |
//! | `append_predictions` | an entry each; how many its caller has | some entries, counts that are too low | the caller, who appends again; the counting anew |
//! | leases, evaluations, responses, sessions, settings, needs | one document | nothing | |
//!
//! So a batch of points or events is not one transaction here: a crash may leave a part of it, each point whole, and doing it
//! again completes it. A stream of points reads each point as it was at some moment of the reading, not all at one, as a
//! standalone server can say no more. The bound of waiting jobs may be passed by jobs that are created in the same moment.
//!
//! Points, models, jobs and triggers are readable documents, as the replaced service had them, whose own documents are taken
//! over as they are (`legacy`). What must come back bit for bit and in order lies beside it as JSON; in points the readable
//! part is all there is. The store's own members are below `provost`.

mod artifacts;
mod audit;
mod claim;
mod connection;
mod creation;
mod documents;
mod evaluations;
mod faults;
mod forget;
mod inbox;
mod jobs;
mod keys;
mod leases;
mod legacy;
mod model_documents;
mod models;
mod needs;
mod outbox;
mod pointer;
mod points;
mod predictions;
mod recorded_points;
mod response_documents;
mod responses;
mod roles;
mod schema;
#[cfg(test)]
#[path = "../../../tests/it/mongo_server.rs"]
pub mod server;
mod sessions;
mod settings;
mod settlement;
mod totals;
mod trigger_documents;
mod triggers;
mod watch;

use crate::artifacts::Remote;
use crate::error::{Result, StoreError};
use crate::store::Store;
use artifacts::MongoArtifacts;
use chrono::{DateTime, Utc};
use connection::Db;
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Handle, Runtime};

/// The collections that the replaced service had too.
const POINTS: &str = "admission_data";
const MODELS: &str = "ml_models";
const JOBS: &str = "training_jobs";
const TRIGGERS: &str = "training_triggers";
/// Single documents: the pointer to the active model, the points' totals, counters, schedule, installation.
const STATE: &str = "provost_state";
const UNITS: &str = "work_units";

const THREADS: usize = 2;

/// A [`Store`] in a MongoDB database, which any number of processes may have open.
pub struct MongoStore {
    db: Db,
    /// The driver's own: its tasks live as long as the store, whatever runtime its callers are on.
    runtime: Mutex<Option<Runtime>>,
}

impl MongoStore {
    /// Opens the database that the address names (`provost`, if it names none), made if missing. `now` dates a new installation.
    /// Blocks until the server has answered, or 5 s; longer when documents of the replaced service are taken over.
    pub fn open(url: &str, now: DateTime<Utc>) -> Result<Self> {
        Self::open_watched(url, now, None)
    }

    /// As [`MongoStore::open`]; `watch` is told of every command that the driver sends.
    fn open_watched(url: &str, now: DateTime<Utc>, watch: Option<EventHandler<CommandEvent>>) -> Result<Self> {
        let no_thread = |e: std::io::Error| StoreError::Unavailable(format!("threads of the store: {e}"));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("store-mongo")
            .enable_all()
            .build()
            .map_err(no_thread)?;
        let url = url.to_owned();
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        // Not waited for on the runtime: the caller's thread may be one of another runtime.
        runtime.spawn(async move {
            let opened = async {
                let mut db = Db::new(&url, watch).await?;
                db.meet().await?;
                schema::prepare(&db, now).await?;
                Ok(db)
            };
            let _ = reply.send(opened.await); // nobody waits any more
        });
        let opened =
            answer.recv().unwrap_or_else(|_| Err(StoreError::Internal("opening the store panicked".to_owned())));
        match opened {
            Ok(db) => Ok(Self { db, runtime: Mutex::new(Some(runtime)) }),
            Err(e) => {
                close(Some(runtime));
                Err(e)
            }
        }
    }

    /// Whether this can be read as an address of MongoDB. Nothing is asked of any server.
    pub fn is_address(url: &str) -> bool {
        mongodb::options::ConnectionString::parse(url).is_ok()
    }

    /// Where artifacts go, so that other hosts have them too.
    pub fn artifacts(&self) -> Result<Arc<dyn Remote>> {
        Ok(Arc::new(MongoArtifacts::new(self.db.clone(), self.handle()?)))
    }

    fn handle(&self) -> Result<Handle> {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = runtime.as_ref().map(|runtime| runtime.handle().clone());
        runtime.ok_or_else(|| StoreError::Unavailable("the store is closed".to_owned()))
    }

    /// Runs on the store's runtime, to its end even if the caller does not wait for it.
    async fn run<T, F, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
        W: FnOnce(Db) -> F,
    {
        let work = self.handle()?.spawn(work(self.db.clone()));
        let done = work.await.unwrap_or_else(|e| Err(StoreError::Internal(format!("a command ended early: {e}"))));
        done.inspect_err(|error| self.db.damage.note(error))
    }
}

/// Without waiting: a runtime must not be waited for on another one's threads.
fn close(runtime: Option<Runtime>) {
    if let Some(runtime) = runtime {
        runtime.shutdown_background();
    }
}

impl Drop for MongoStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for MongoStore {
    fn close(&self) {
        close(self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests;
