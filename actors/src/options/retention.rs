//! How long finished records are kept.

use std::time::Duration;

/// How long what is over is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionOptions {
    /// From one look to the next.
    pub every: Duration,
    /// Ids of inbound events.
    pub inbox: Duration,
    /// Announcements and mails that were sent or given up.
    pub outbox: Duration,
    /// Event streams and log lines of jobs, after their end.
    pub job_events: Duration,
    /// Trials and intermediate results of jobs, after their end.
    pub trials: Duration,
    /// Artifacts that no record names, since they were last stored. Longer than any pause between an artifact's being stored
    /// and its being named.
    pub artifacts: Duration,
}

impl Default for RetentionOptions {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self {
            every: Duration::from_secs(3600),
            inbox: days(30),
            outbox: days(7),
            job_events: days(90),
            trials: days(30),
            artifacts: days(7),
        }
    }
}
