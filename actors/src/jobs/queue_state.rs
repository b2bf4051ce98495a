//! The state of the job queue: which jobs wait and which run. Pure: the queue carries out the effects.

use provost_domain::JobId;
use std::collections::{BTreeMap, VecDeque};

/// Waiting jobs, oldest first, and running jobs, each with the queue's data about it.
#[derive(Debug)]
pub struct QueueState<R> {
    waiting: VecDeque<JobId>,
    running: BTreeMap<JobId, R>,
    /// The unfinished jobs of the store have been queued.
    recovered: bool,
    /// No more jobs are accepted or begun.
    closed: bool,
}

impl<R> Default for QueueState<R> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), running: BTreeMap::new(), recovered: false, closed: false }
    }
}

impl<R> QueueState<R> {
    /// Idempotent: recovery may find a new job before `submit` queues it.
    pub fn enqueue(&mut self, id: JobId) {
        if !self.has(&id) {
            self.waiting.push_back(id);
        }
    }

    /// Whether the job waits or runs here.
    pub fn has(&self, id: &JobId) -> bool {
        self.running.contains_key(id) || self.waiting.contains(id)
    }

    /// Moves the oldest waiting job to the running ones, if a place is free.
    pub fn begin(&mut self, max_running: usize, held: impl FnOnce() -> R) -> Option<JobId> {
        if self.closed || self.running.len() >= max_running {
            return None;
        }
        let id = self.waiting.pop_front()?;
        self.running.insert(id.clone(), held());
        Some(id)
    }

    /// How many jobs may be pending in the store so that no more than `max_queued` wait: a job that starts at once, or
    /// is being claimed, does not wait.
    pub fn may_be_pending(&self, max_running: usize, max_queued: u64, is_claimed: impl Fn(&R) -> bool) -> u64 {
        let free = max_running.saturating_sub(self.running.len());
        let beginning = self.running.values().filter(|held| !is_claimed(held)).count();
        max_queued.saturating_add((free + beginning) as u64)
    }

    pub fn running(&self) -> &BTreeMap<JobId, R> {
        &self.running
    }

    pub fn running_mut(&mut self, id: &JobId) -> Option<&mut R> {
        self.running.get_mut(id)
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Removes a job that no longer waits from the queue.
    pub fn withdraw(&mut self, id: &JobId) {
        self.waiting.retain(|waiting| waiting != id);
    }

    pub fn end(&mut self, id: &JobId) -> Option<R> {
        self.running.remove(id)
    }

    pub fn end_all(&mut self) -> BTreeMap<JobId, R> {
        std::mem::take(&mut self.running)
    }

    pub fn recover(&mut self) {
        self.recovered = true;
    }

    pub fn close(&mut self) {
        self.closed = true;
    }

    pub fn is_recovered(&self) -> bool {
        self.recovered
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn job(number: u8) -> JobId {
        JobId::new(DateTime::UNIX_EPOCH, u128::from(number))
    }

    #[test]
    fn a_job_that_starts_at_once_takes_no_place_of_those_that_wait() {
        let mut state = QueueState::<bool>::default();
        let room = |state: &QueueState<bool>| state.may_be_pending(2, 5, |claimed| *claimed);
        assert_eq!(room(&state), 7, "two may start");
        state.enqueue(job(1));
        state.begin(2, || false);
        assert_eq!(room(&state), 7, "one is being claimed, one may start");
        *state.running_mut(&job(1)).expect("it runs") = true;
        assert_eq!(room(&state), 6);
    }

    proptest! {
        /// In any history: no job is held twice, no more than the maximum run, jobs begin in the order of arrival, and
        /// none begins after the close.
        #[test]
        fn jobs_wait_or_run_once_and_in_order(
            steps in proptest::collection::vec((0u8..6, 0u8..12), 1..80), max_running in 1usize..4
        ) {
            let mut state = QueueState::<()>::default();
            let (mut came, mut begun): (Vec<JobId>, Vec<JobId>) = Default::default();
            for (step, number) in steps {
                let id = job(number);
                match step {
                    0 | 1 => {
                        if !state.has(&id) {
                            came.push(id.clone());
                        }
                        state.enqueue(id);
                    }
                    2 => {
                        let closed = state.is_closed();
                        if let Some(id) = state.begin(max_running, || ()) {
                            prop_assert!(!closed);
                            begun.push(id);
                        }
                    }
                    3 => { state.end(&id); }
                    4 => {
                        state.withdraw(&id);
                        if !state.has(&id) && !begun.contains(&id) {
                            came.retain(|other| *other != id);
                        }
                    }
                    _ => state.close(),
                }
                prop_assert!(state.running().len() <= max_running);
                let waiting: BTreeSet<&JobId> = state.waiting.iter().collect();
                prop_assert_eq!(waiting.len(), state.waiting());
                prop_assert!(waiting.iter().all(|id| !state.running().contains_key(*id)));
            }
            // Each job once: a job that was submitted again after its end is in the list again.
            let mut order = came.iter();
            if came.iter().collect::<BTreeSet<_>>().len() == came.len() {
                prop_assert!(begun.iter().all(|id| order.any(|other| other == id)));
            }
        }
    }
}
