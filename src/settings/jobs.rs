//! The section `[jobs]`: how many jobs run and wait, for how long, and how often they are tried.

use super::value::{Reader, SettingsError};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Jobs {
    pub max_running: usize,
    pub max_queued: u64,
    pub soft_limit: Duration,
    pub hard_limit: Duration,
    pub attempts: u32,
    pub backoff: Duration,
    pub deaths: u32,
}

impl Jobs {
    pub(super) fn read(read: &Reader<'_>) -> Result<Self, SettingsError> {
        let jobs = Self {
            max_running: read.whole("jobs.max_running")?,
            max_queued: read.whole("jobs.max_queued")?,
            soft_limit: read.time("jobs.soft_limit")?,
            hard_limit: read.time("jobs.hard_limit")?,
            attempts: read.whole("jobs.attempts")?,
            backoff: read.time("jobs.backoff")?,
            deaths: read.whole("jobs.deaths")?,
        };
        if jobs.hard_limit < jobs.soft_limit {
            let (hard, soft) = (&read.0["jobs.hard_limit"], &read.0["jobs.soft_limit"]);
            return Err(SettingsError(vec![format!(
                "jobs.hard_limit = {} ({}): allowed is a duration not below jobs.soft_limit = {} ({})",
                hard.0, hard.1, soft.0, soft.1
            )]));
        }
        Ok(jobs)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::settings::Settings;

    #[test]
    fn a_hard_limit_below_the_soft_one_is_refused() {
        let env = [("PROVOST_JOBS__HARD_LIMIT".to_owned(), "1h".to_owned())];
        let error = Settings::from_layers(None, env, &Vec::new()).unwrap_err().to_string();
        assert!(error.contains("jobs.hard_limit") && error.contains("jobs.soft_limit"), "{error}");
    }
}
