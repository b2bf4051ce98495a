//! Where state lives: the `Store` trait in domain verbs, its backends, and the content-addressed artifacts on disk.

#![warn(missing_docs)]

pub mod artifacts;
pub mod backup;
#[cfg(any(test, feature = "conformance"))]
#[allow(missing_docs)] // each property of the suite is named by its function
pub mod conformance;
mod damage;
mod damaged_sessions;
mod documents;
pub mod error;
mod known_outcomes;
pub mod layout;
pub mod lock;
mod log_shares;
pub mod mongo;
pub mod page;
pub mod private;
pub mod roles;
#[cfg(test)]
#[path = "../../../tests/it/skip.rs"]
mod skip;
pub mod sqlite;
pub mod store;
pub mod timed;

pub use artifacts::Artifacts;
pub use error::StoreError;
pub use layout::DATABASE;
pub use lock::DataFolderLock;
pub use mongo::MongoStore;
pub use page::Page;
pub use roles::activation::{ActivationStore, DecisionReader};
pub use roles::audit::{AuditReader, AuditStore};
pub use roles::evaluations::{EvaluationReader, EvaluationRecord, EvaluationStore};
pub use roles::health::StoreHealth;
pub use roles::inbox::{InboxEffect, InboxEntry, InboxOutcome, InboxStore};
pub use roles::installation::{Installation, InstallationReader};
pub use roles::jobs::{JobCreation, JobRank, JobReader, JobStore, NewJob, NewJobEvent};
pub use roles::keys::{KeyReader, KeyStore};
pub use roles::leases::LeaseStore;
pub use roles::models::{ModelReader, ModelStore};
pub use roles::needs::{NeedProducer, NeedReader, NeedStore};
pub use roles::outbox::{OutboxMessage, OutboxReader, OutboxStore};
pub use roles::points::{PointOutcome, PointReader, PointSelection, PointStore, PointTotals, RecordedPoints};
pub use roles::predictions::{
    LoggedPredictions, PredictionFilter, PredictionLog, PredictionReader, PredictionTotals, ScoredOutcome, ShadowTally,
};
pub use roles::responses::{RESPONSE_LIFETIME_HOURS, ResponseStore, ResponsesHeld, StoredResponse};
pub use roles::retention::{Cutoffs, Forgotten, RetentionStore};
pub use roles::schedule::{ScheduleReader, ScheduleStore};
pub use roles::sessions::SessionStore;
pub use roles::shadow::{ShadowReader, ShadowStore};
pub use roles::trials::{TRIALS_READ, TrialReader, TrialStore};
pub use roles::triggers::{TriggerReader, TriggerRecord, TriggerStore};
pub use roles::units::UnitStore;
pub use roles::watch::{WatchReader, WatchStore, WindowFilter};
pub use sqlite::SqliteStore;
pub use store::Store;
pub use timed::TimedStore;
