//! Runs attempts on threads of this process: each has a named thread that runs its work in a bounded rayon pool and
//! waits.

use super::{Attempt, AttemptError, Executor, Outcome};
use crate::panics::{Owner, panic_text};
use crate::priority::give_way;
use crate::testkit::Failpoints;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

pub struct LocalExecutor {
    budget: usize,
    idle: bool,
    failpoints: Failpoints,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Pools by their number of threads. Attempts with equal numbers share a pool, so that the core budget bounds them
    /// together.
    pools: Mutex<BTreeMap<usize, Arc<ThreadPool>>>,
    /// Attempts that have not ended, by serial number.
    running: Mutex<(u64, BTreeMap<u64, String>)>,
}

impl LocalExecutor {
    /// At most `budget` threads; with `idle` they give way to all other work on the machine.
    pub fn new(budget: usize, idle: bool, failpoints: Failpoints) -> Self {
        Self { budget: budget.max(1), idle, failpoints, shared: Arc::default() }
    }

    fn pool(&self, threads: usize) -> Result<Arc<ThreadPool>, String> {
        let width = if threads == 0 { self.budget } else { threads.min(self.budget) };
        let mut pools = lock(&self.shared.pools);
        if let Some(pool) = pools.get(&width) {
            return Ok(pool.clone());
        }
        let idle = self.idle;
        let pool = ThreadPoolBuilder::new()
            .num_threads(width)
            .thread_name(move |n| format!("pool-{width}-{n}"))
            .start_handler(move |_| {
                if idle {
                    give_way();
                }
            })
            .build()
            .map_err(|e| e.to_string())?;
        let pool = Arc::new(pool);
        pools.insert(width, pool.clone());
        Ok(pool)
    }
}

impl Executor for LocalExecutor {
    fn start(&self, attempt: Attempt) -> oneshot::Receiver<Outcome> {
        let (tx, rx) = oneshot::channel();
        let pool = match self.pool(attempt.threads) {
            Ok(pool) => pool,
            Err(why) => {
                let _ = tx.send(Err(AttemptError::NotStarted(why)));
                return rx;
            }
        };
        let serial = {
            let mut running = lock(&self.shared.running);
            running.0 += 1;
            let serial = running.0;
            running.1.insert(serial, format!("{} of {}", attempt.name(), attempt.job));
            serial
        };
        let (shared, failpoints, owner) = (self.shared.clone(), self.failpoints.clone(), Owner::current());
        let work = move || {
            let fit = || {
                failpoints.hit("fit");
                failpoints.hit(&format!("fit:{}", attempt.algorithm));
                attempt.run()
            };
            // `install` passes a panic on a thread of the pool on to here; rayon's own `spawn` would abort the process.
            let owned = || match &owner {
                Some(owner) => owner.run(fit),
                None => fit(),
            };
            let outcome = match std::panic::catch_unwind(AssertUnwindSafe(|| pool.install(owned))) {
                Ok(result) => result.map_err(AttemptError::Learn),
                Err(payload) => {
                    let text = panic_text(&*payload);
                    if let Some(owner) = &owner {
                        owner.caught(&text);
                    }
                    Err(AttemptError::Panic(text))
                }
            };
            // Rows and journal of the attempt are dropped before its end is reported.
            drop(attempt);
            lock(&shared.running).1.remove(&serial);
            // An error means that the receiver was dropped and the outcome is not needed.
            let _ = tx.send(outcome);
        };
        let name = lock(&self.shared.running).1.get(&serial).cloned().unwrap_or_default();
        let thread = name.split(' ').next().unwrap_or("fit").to_owned();
        if let Err(e) = std::thread::Builder::new().name(thread).spawn(work) {
            // `work` was dropped together with `tx`: the receiver sees the channel closed.
            lock(&self.shared.running).1.remove(&serial);
            tracing::error!(error = %e, "no thread for {name}");
        }
        rx
    }

    fn running(&self) -> Vec<String> {
        lock(&self.shared.running).1.values().cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
