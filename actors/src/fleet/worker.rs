//! The Worker actor: looks for units of work that no worker has claimed, claims one at a time, and does it.

use super::unit_run::UnitRun;
use crate::background::WhileReachable;
use crate::bridge::listener;
use crate::error::ActorError;
use crate::executor::LocalExecutor;
use crate::failures::{Failures, Kind};
use crate::families::{load, of_actors, of_calls, of_failures, of_fits};
use crate::metrics::Family;
use crate::options::{FleetResources, Options};
use crate::supervise::{Child, Slot, Status, supervise_in};
use actix::{Actor, AsyncContext, Context, Handler, MessageResult};
use provost_domain::Algorithm;
use provost_domain::event::outbound::Topic;
use provost_domain::lease::{UnitState, WorkUnit};
use provost_domain::status::{ComponentStatus, Health};
use provost_store::StoreError;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// The component's name in reports of failures.
const COMPONENT: &str = "fleet";
const TASK: &str = "looking for units of work";
/// Longest interval between tries while the store cannot be reached.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What the workers of one process share.
#[derive(Clone)]
struct WorkerShared {
    run: UnitRun,
    algorithms: Arc<BTreeSet<Algorithm>>,
    /// Told when a unit was announced.
    news: Arc<Notify>,
    stop: watch::Receiver<bool>,
}

/// Of one worker: the unit at hand, and how many it took up.
#[derive(Default)]
struct Report {
    unit: Option<String>,
    taken: u64,
}

struct Worker {
    shared: WorkerShared,
    /// The holder's name in leases.
    name: String,
    report: Arc<Mutex<Report>>,
    ended: watch::Sender<usize>,
}

impl Actor for Worker {
    type Context = Context<Self>;
    fn started(&mut self, context: &mut Context<Self>) {
        let (shared, name, report, ended) =
            (self.shared.clone(), self.name.clone(), self.report.clone(), self.ended.clone());
        context.spawn(WhileReachable::new(async move {
            shared.work(&name, &report).await;
            ended.send_modify(|ended| *ended += 1);
        }));
    }
}

crate::takes_messages!(Worker);

impl Handler<Status> for Worker {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        MessageResult(json!({ "unit": report.unit, "taken": report.taken }))
    }
}

impl WorkerShared {
    /// Runs until it is stopped.
    async fn work(&self, name: &str, report: &Mutex<Report>) {
        let mut stop = self.stop.clone();
        let (failures, look_every) = (&self.run.resources.failures, self.run.leases.look_every());
        while !*stop.borrow() {
            let claimed = self.claim(name).await;
            if claimed.is_ok() {
                failures.succeeded(COMPONENT, TASK);
            }
            let mut wait = look_every;
            match claimed {
                Ok(Some(unit)) => {
                    let note = |unit: Option<&WorkUnit>| {
                        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                        report.taken += u64::from(unit.is_some());
                        report.unit = unit.map(|u| u.id.clone());
                    };
                    tracing::info!(unit = %unit.id, job = %unit.job_id, algorithm = %unit.algorithm, "taken");
                    note(Some(&unit));
                    let at_hand = self.run.resources.metrics.unit_taken();
                    self.run.work(unit, stop.clone()).await;
                    drop(at_hand);
                    note(None);
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    let (kind, pauses) = (Kind::of(&error), (look_every, LONGEST_WAIT));
                    wait = failures.wait(COMPONENT, TASK, kind, &error.to_string(), pauses);
                }
            }
            tokio::select! {
                () = self.run.resources.clock.sleep(wait) => {}
                () = self.news.notified() => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Claims the oldest unit that no worker works on.
    async fn claim(&self, name: &str) -> Result<Option<WorkUnit>, StoreError> {
        for mut unit in self.run.resources.units.open_units().await? {
            let lease = &unit.lease;
            let free = !lease.is_held() || self.run.leases.is_silent(lease);
            if !free || !self.algorithms.contains(&unit.algorithm) || unit.state != UnitState::Open {
                continue;
            }
            let before = lease.holder.clone();
            (unit.lease.holder, unit.lease.epoch, unit.lease.beat) = (name.to_owned(), lease.epoch + 1, 0);
            match self.run.resources.units.save_unit(unit).await {
                Ok(taken) => {
                    if !before.is_empty() {
                        tracing::warn!(unit = %taken.id, from = %before, "taken over: its worker has fallen silent");
                    }
                    return Ok(Some(taken));
                }
                // Another worker was faster.
                Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }
}

/// What a process of workers counts, for monitoring. It is read from any thread.
#[derive(Clone)]
pub struct FleetMetrics {
    options: Arc<Options>,
    workers: Vec<Slot<Worker>>,
}

impl FleetMetrics {
    /// Every metric of these workers, in the same order each time.
    pub fn read(&self) -> Vec<Family> {
        let metrics = &self.options.metrics;
        let mut families = vec![
            Family::gauge("provost_worker_units", "Units of work that workers of this process are at")
                .of(load(&metrics.0.units)),
            Family::gauge("provost_worker_max_units", "Units of work that they may be at (jobs.max_running)")
                .of(self.workers.len() as u64),
        ];
        families.extend(of_fits(metrics));
        families.extend(of_actors(self.workers.iter().map(|worker| worker as &dyn Child), &self.options.panics));
        families.extend(of_failures([COMPONENT].into_iter(), &self.options.failures));
        families.extend(of_calls(metrics));
        families
    }
}

/// The workers of a process.
pub struct Fleet {
    stop: watch::Sender<bool>,
    ended: watch::Receiver<usize>,
    options: Arc<Options>,
    workers: Vec<Slot<Worker>>,
    failures: Failures,
    listener: Option<std::thread::JoinHandle<()>>,
}

/// Starts `resources.max_running` workers on the current arbiter. They need leases, and hear of units sooner with a bus.
pub async fn start(options: Options, algorithms: BTreeSet<Algorithm>) -> Result<Fleet, ActorError> {
    let Some(leases) = options.leases.clone() else {
        return Err(ActorError::Setting {
            name: "store.url",
            why: "one process's own; workers need a store that is shared".to_owned(),
        });
    };
    options.store.ping().await?;
    let executor = LocalExecutor::new(options.threads, options.idle_priority, options.failpoints.clone());
    let options = Arc::new(options);
    let (stop, stopped) = watch::channel(false);
    let news = Arc::new(Notify::new());
    let listener = match options.bridge.clone() {
        None => None,
        Some(bridge) => {
            let (news, stop) = (news.clone(), stopped.clone());
            let listen = move || listener::run(&bridge, Topic::UnitOffered.as_str(), &news, stop);
            let thread = std::thread::Builder::new().name("listener".to_owned()).spawn(listen);
            Some(
                thread
                    .map_err(|e| ActorError::Setting { name: "bridge.url", why: format!("no thread for it: {e}") })?,
            )
        }
    };
    let run = UnitRun {
        resources: Arc::new(FleetResources::from(&*options)),
        leases: leases.clone(),
        executor: Arc::new(executor),
    };
    let shared = WorkerShared { run, algorithms: Arc::new(algorithms), news, stop: stopped };
    let (finished, ended) = watch::channel(0);
    let workers = (0..options.max_running)
        .map(|n| {
            let (shared, ended) = (shared.clone(), finished.clone());
            let (name, label) = (format!("{}/{n}", leases.holder()), format!("worker_{n}"));
            supervise_in(&options.panics, label, options.restart_budget.clone(), options.clock.clone(), move || {
                Worker { shared: shared.clone(), name: name.clone(), report: Arc::default(), ended: ended.clone() }
            })
        })
        .collect();
    Ok(Fleet { stop, ended, workers, failures: options.failures.clone(), options, listener })
}

impl Fleet {
    /// Each worker's state.
    pub async fn status(&self) -> Vec<ComponentStatus> {
        let mut all = futures_util::future::join_all(self.workers.iter().map(Child::status)).await;
        if let Some(text) = self.failures.of(COMPONENT) {
            for worker in &mut all {
                worker.health = Health::Degraded;
                worker.last_error = Some(text.clone());
            }
        }
        all
    }

    /// What they count.
    pub fn metrics(&self) -> FleetMetrics {
        FleetMetrics { options: self.options.clone(), workers: self.workers.clone() }
    }

    /// Leaves what is at hand to others, and ends; false if something had not ended by the deadline.
    pub async fn shutdown(mut self, deadline: Duration) -> bool {
        self.stop.send_replace(true);
        let all = self.workers.len();
        let ended = tokio::time::timeout(deadline, self.ended.wait_for(|ended| *ended >= all)).await.is_ok();
        for worker in &self.workers {
            Slot::stop(worker);
        }
        // It ends with its runtime; nobody waits for a broker here.
        drop(self.listener.take());
        ended
    }
}
