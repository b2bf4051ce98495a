//! What all drivers of jobs share.

use super::Peers;
use super::streams::Streams;
use super::tries::Tries;
use crate::options::JobsResources;
use crate::retry::Backoff;
use std::sync::Arc;
use std::time::Duration;

const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub struct JobEnv {
    pub resources: Arc<JobsResources>,
    pub peers: Peers,
    pub streams: Streams,
}

impl JobEnv {
    /// The waits between tries that fail in a row.
    pub fn backoff(&self) -> Backoff {
        Backoff::new(self.resources.backoff, LONGEST_WAIT)
    }

    /// The tries of a step of a job.
    pub fn tries(&self) -> Tries {
        Tries::new(self.backoff(), self.resources.attempts)
    }
}
