//! Wakes the followers of a job's event stream. Outlives the Jobs actor, so that a rebuild loses no follower.

use provost_domain::JobId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<BTreeMap<JobId, watch::Sender<u64>>>>);

impl Streams {
    /// A receiver whose value is the number of the job's next event.
    pub fn watch(&self, id: &JobId) -> watch::Receiver<u64> {
        let mut streams = self.lock();
        streams.retain(|_, sender| sender.receiver_count() > 0);
        streams.entry(id.clone()).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// The number of jobs that are followed.
    pub(crate) fn watched(&self) -> Vec<JobId> {
        let streams = self.lock();
        streams.iter().filter(|(_, sender)| sender.receiver_count() > 0).map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn moved(&self, id: &JobId, next_event: u64) {
        if let Some(sender) = self.lock().get(id) {
            sender.send_replace(next_event);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, watch::Sender<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
