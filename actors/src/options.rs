//! What the actor system is started with, and what each actor gets of it: its own settings and its own roles of the store.

mod amqp;
mod bridge;
mod evaluator;
mod fairness;
mod fleet;
mod jobs;
mod loader;
mod mail_sources;
mod needs;
mod notifier;
mod registry;
mod retention;
mod scheduler;
mod serving;
mod smtp;
mod watch;

pub use amqp::{Address, BridgeOptions};
pub use bridge::{BridgeResources, KEPT_WITHOUT_BUS};
pub use evaluator::EvaluatorResources;
pub use fairness::FairnessOptions;
pub use fleet::FleetResources;
pub use jobs::JobsResources;
pub use loader::LoaderResources;
pub use mail_sources::MailSources;
pub use needs::NeedsResources;
pub use notifier::NotifierResources;
pub use registry::RegistryResources;
pub use retention::{RetentionOptions, RetentionResources};
pub use scheduler::SchedulerResources;
pub use serving::{PredictServiceOptions, ServingResources};
pub use smtp::{MailOptions, MailUrl, Security, Sender};
pub use watch::{WatchOptions, WatchResources};

use crate::clock::{Clock, SystemClock};
use crate::executor::Executor;
use crate::failures::Failures;
use crate::lease::Leases;
use crate::metrics::Metrics;
use crate::panics::Panics;
use crate::supervise::RestartBudget;
use crate::testkit::Failpoints;
use provost_domain::Algorithm;
use provost_domain::config::Grid;
use provost_domain::features::FeatureTables;
use provost_reader::Limits;
use provost_store::{Artifacts, Store};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Clone)]
pub struct Options {
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn Store>,
    pub artifacts: Artifacts,
    pub tables: FeatureTables,
    /// Configured search grids; an algorithm that is not in here has the contract's.
    pub grids: BTreeMap<Algorithm, Grid>,
    /// `data_path` names files below it.
    pub import_dir: PathBuf,
    /// What such a file may hold.
    pub import_limits: Limits,
    pub strict_quality: bool,
    /// Jobs that train at the same time.
    pub max_running: usize,
    /// Jobs that may wait.
    pub max_queued: u64,
    /// Running seconds after which a search ends with the best so far.
    pub soft_limit: Duration,
    /// Running seconds after which a job fails.
    pub hard_limit: Duration,
    /// How long a stopped fit may take to end before its job is settled without it.
    pub cancel_deadline: Duration,
    /// Tries of one unit of work whose failures may pass.
    pub attempts: u32,
    /// Wait before the second try; doubles with each further one.
    pub backoff: Duration,
    /// Deaths of the process in one unit of work without progress that fail the job.
    pub deaths: u32,
    pub restart_budget: RestartBudget,
    /// Core budget: the width of the pool that fits run in.
    pub threads: usize,
    /// Fits give way to everything else on the machine.
    pub idle_priority: bool,
    /// How often a running job's progress, CPU and memory go to its record.
    pub report_every: Duration,
    /// Where fits run; None is threads of this process.
    pub executor: Option<Arc<dyn Executor>>,
    /// How predictions are made and logged.
    pub predict: PredictServiceOptions,
    /// What fairness audits look at.
    pub fairness: FairnessOptions,
    pub schedule_enabled: bool,
    /// Shortest time between two automatic jobs.
    pub cooldown: Duration,
    /// Announcements that may wait for the bus; the oldest beyond are given up.
    pub outbox_max: u64,
    /// None: nothing is forgotten.
    pub retention: Option<RetentionOptions>,
    /// Wakes the scheduler when points or triggers came in or a job ended. It also looks periodically.
    pub nudge: Arc<Notify>,
    /// How the active model is watched.
    pub watch: WatchOptions,
    /// Wakes Watch when predictions or points came in. It also looks periodically.
    pub watch_nudge: Arc<Notify>,
    /// None: there is no bus.
    pub bridge: Option<BridgeOptions>,
    /// None: no mail is sent.
    pub mail: Option<MailOptions>,
    /// None: the store is this process's alone.
    pub leases: Option<Leases>,
    /// Fits are offered to the fleet's workers; one that none has taken for so long is done in this process. It needs
    /// leases.
    pub fleet: Option<Duration>,
    /// Named places that tests make fail; empty in service.
    pub failpoints: Failpoints,
    /// The panics of this system's components.
    pub panics: Panics,
    /// What fails again and again in it.
    pub failures: Failures,
    /// What it counts of its own doings.
    pub metrics: Metrics,
}

impl Options {
    /// The defaults around a store: one running job, all cores.
    pub fn new(store: Arc<dyn Store>, artifacts: Artifacts, import_dir: PathBuf) -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            store,
            artifacts,
            tables: FeatureTables::default(),
            grids: BTreeMap::new(),
            import_dir,
            import_limits: Limits::default(),
            strict_quality: false,
            max_running: 1,
            max_queued: 100,
            soft_limit: Duration::from_secs(2 * 3600),
            hard_limit: Duration::from_secs(3 * 3600),
            cancel_deadline: Duration::from_secs(30),
            attempts: 3,
            backoff: Duration::from_secs(1),
            deaths: 5,
            restart_budget: RestartBudget::default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            idle_priority: true,
            report_every: Duration::from_millis(500),
            executor: None,
            predict: PredictServiceOptions::default(),
            fairness: FairnessOptions::default(),
            schedule_enabled: true,
            cooldown: Duration::from_secs(600),
            outbox_max: 100_000,
            retention: Some(RetentionOptions::default()),
            nudge: Arc::default(),
            watch: WatchOptions::default(),
            watch_nudge: Arc::default(),
            bridge: None,
            mail: None,
            leases: None,
            fleet: None,
            failpoints: Failpoints::default(),
            panics: Panics::default(),
            failures: Failures::default(),
            metrics: Metrics::default(),
        }
    }
}
