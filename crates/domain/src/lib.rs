//! The domain model: data points, features, configurations, the job's state machine, model versions, evaluations,
//! predictions. No I/O and no async; times and seeds are passed in by the caller.

#![warn(missing_docs)]

pub mod address;
pub mod algorithm;
pub mod audit;
pub mod check;
pub mod config;
pub mod data_checks;
pub mod evaluation;
pub mod event;
pub mod fairness;
pub mod features;
pub mod fields;
pub mod gate;
pub mod hash;
pub mod ids;
pub mod job;
pub mod json;
pub mod key;
pub mod lease;
pub mod limits;
pub mod mail;
pub mod mapping;
pub mod model;
pub mod names;
pub mod need;
pub mod prediction;
pub mod quality;
pub mod queue;
pub mod record;
pub mod rng;
pub mod sample;
pub mod schedule;
pub mod secret;
pub mod session;
pub mod snapshot;
pub mod status;
pub mod verdict;
pub mod visible;
pub mod watch;
pub mod watch_alarm;
pub mod watch_record;
mod words;

pub use address::ServerAddress;
pub use algorithm::{Algorithm, TargetMetric};
pub use check::{Fault, Faults};
pub use config::TrainingConfig;
pub use ids::{JobId, ModelId};
pub use job::{JobStatus, TrainingJob};
pub use model::{ModelVersion, TrainingMetrics};
pub use record::{AdmissionDataPoint, Application};
pub use secret::Secret;
pub use snapshot::Snapshot;
