//! The actor system: supervised actors that train, evaluate and version models. The process talks to it through one
//! [`Handle`], made by [`start`].

mod background;
pub mod bridge;
pub mod clock;
mod door;
pub mod error;
pub mod evaluator;
pub mod executor;
pub mod failures;
pub mod fleet;
pub mod handle;
pub mod lease;
pub mod loader;
pub mod mailbox;
pub mod metrics;
pub mod notifier;
pub mod options;
pub mod outbox;
pub mod panics;
pub mod pool;
mod pulse;
pub mod registry;
pub mod retention;
pub mod root;
pub mod sampler;
pub mod scheduler;
mod scoring;
pub mod supervise;
pub mod testkit;
pub mod trainer;

mod jobs;

pub use bridge::BridgeOptions;
pub use clock::{Clock, SystemClock, TestClock};
pub use error::*;
pub use handle::{Handle, start};
pub use jobs::{KeyedRequest, ShutdownReport, Submission, Submitted};
pub use lease::Leases;
pub use metrics::Metrics;
pub use notifier::{MailOptions, MailUrl, Sender};
pub use options::Options;
pub use pool::{Busy, Place, Pool, WorkError};
pub use retention::RetentionOptions;
pub use scheduler::cron::{BadCron, Cron};
pub use supervise::RestartBudget;
