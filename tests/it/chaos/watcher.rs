//! Reads which model is active, all the time, over every death and restart.

use super::wire;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where the server is just now.
#[derive(Default)]
pub struct Whereabouts {
    host: Mutex<Option<String>>,
    /// From now on there is an active model at every read.
    pub active: AtomicBool,
    stop: AtomicBool,
}

impl Whereabouts {
    pub fn set(&self, host: Option<&str>) {
        *self.host.lock().unwrap_or_else(PoisonError::into_inner) = host.map(str::to_owned);
    }
    fn get(&self) -> Option<String> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Seen {
    pub reads: u64,
    /// Each active model as it followed another, by its id.
    pub sequence: Vec<String>,
    /// Answers that were none, such as 503.
    pub refused: u64,
    pub violations: Vec<String>,
}

pub struct Watcher {
    whereabouts: Arc<Whereabouts>,
    thread: JoinHandle<Seen>,
}

/// Between two reads, so that the reads do not become the load.
const PACE: Duration = Duration::from_millis(10);

impl Watcher {
    pub fn start(whereabouts: Arc<Whereabouts>) -> Self {
        let w = whereabouts.clone();
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !w.stop.load(Relaxed) {
                std::thread::sleep(PACE);
                let Some(host) = w.get() else { continue };
                // Asked before the read: what becomes active during it may be in the answer or not.
                let must = w.active.load(Relaxed);
                match wire::ask(&host, "GET", "models?active_only=true", None) {
                    Ok((200, models)) => {
                        seen.reads += 1;
                        let ids: Vec<&str> = models
                            .as_array()
                            .map(|all| all.iter().filter_map(|m| m["model_id"].as_str()).collect())
                            .unwrap_or_default();
                        if ids.len() > 1 || (must && ids.is_empty()) {
                            seen.violations.push(format!("{} active models: {models}", ids.len()));
                        }
                        if let [id] = ids[..]
                            && seen.sequence.last().is_none_or(|last| last != id)
                        {
                            seen.sequence.push(id.to_owned());
                        }
                    }
                    Ok(_) => seen.refused += 1,
                    Err(_) => {} // it is dead, or not there yet
                }
            }
            seen
        });
        Self { whereabouts, thread }
    }

    pub fn stop(self) -> Seen {
        self.whereabouts.stop.store(true, Relaxed);
        self.thread.join().unwrap()
    }
}
