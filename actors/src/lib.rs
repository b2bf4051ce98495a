//! The actor system: supervised actors that train, evaluate and version models. The process talks to it through one
//! [`Handle`], made by [`start`].

mod admission;
mod background;
mod blocking;
pub mod bridge;
pub mod clock;
mod component_look;
pub mod error;
pub mod evaluator;
pub mod executor;
pub mod failures;
mod fairness;
mod families;
pub mod fleet;
pub mod handle;
mod journal;
pub mod lease;
pub mod loader;
pub mod mailbox;
pub mod metrics;
pub mod needs;
pub mod notifier;
pub mod options;
pub mod outbox;
pub mod panics;
pub mod pem;
mod plan;
pub mod pool;
mod priority;
mod pulse;
pub mod registry;
pub mod retention;
pub mod retry;
pub mod root;
pub mod sampler;
pub mod scheduler;
mod scoring;
pub mod serving;
pub mod snapshot;
pub mod supervise;
pub mod testkit;
pub mod trainer;
pub mod watch;

mod jobs;

pub use clock::{Clock, SystemClock, TestClock};
pub use error::*;
pub use handle::{Handle, start};
pub use jobs::{Accepted, KeyedRequest, KeyedSubmission, ShutdownReport, Submission, Submitted, WrittenResponse};
pub use lease::Leases;
pub use metrics::Metrics;
pub use options::{
    BridgeOptions, FairnessOptions, KEPT_WITHOUT_BUS, MailOptions, MailUrl, Options, PredictServiceOptions,
    RetentionOptions, Sender, WatchOptions,
};
pub use pool::{Busy, ByLane, Lane, Place, Pool, WorkError};
pub use scheduler::cron::{BadCron, Cron};
pub use serving::{
    Answered, PredictAnswer, PredictOptions, PredictRequest, PredictionError, Predictions, RequestBounds,
    RequestOptions, RowAnswer, RowError, ServedModel, ShadowModelReport, ShadowReport,
};
pub use supervise::RestartBudget;
