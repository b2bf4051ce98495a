//! The threads on which windows are compared: one at a time, at the lowest priority.

use crate::blocking::blocking;
use crate::error::EvaluateError;
use crate::priority::give_way;
use provost_learn::LearnError;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, OnceLock};

/// A pool whose thread is started with the first work.
#[derive(Clone)]
pub(super) struct IdlePool {
    idle: bool,
    pool: Arc<OnceLock<ThreadPool>>,
}

impl IdlePool {
    /// `idle` lets its thread give way to everything else on the machine.
    pub fn new(idle: bool) -> Self {
        Self { idle, pool: Arc::default() }
    }

    /// Runs `work` on the pool's thread.
    ///
    /// # Errors
    /// Those of `work`; that it panicked; that there is no thread for it.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, EvaluateError> + Send + 'static,
    ) -> Result<T, EvaluateError> {
        let this = self.clone();
        blocking(move || match this.started() {
            Ok(pool) => pool.install(work),
            Err(why) => Err(LearnError::Data(format!("no thread to compare windows on: {why}")).into()),
        })
        .await
    }

    fn started(&self) -> Result<&ThreadPool, String> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let idle = self.idle;
        let start = move |_| {
            if idle {
                give_way();
            }
        };
        let builder = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "watch".to_owned()).start_handler(start);
        let pool = builder.build().map_err(|e| e.to_string())?;
        Ok(self.pool.get_or_init(|| pool))
    }
}
