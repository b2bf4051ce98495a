//! Requests to stop a running job: which of them counts, and what each ends. Pure.

use provost_learn::StopReason;

/// A request to stop a running job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStop {
    No,
    Cancel { keep_best: bool },
    Shutdown,
}

impl JobStop {
    /// Whether all of the job's work is to end; one that is to keep its best needs its rows for that.
    pub fn ends_work(self) -> bool {
        matches!(self, JobStop::Cancel { keep_best: false } | JobStop::Shutdown)
    }

    /// Why it ends a fit, if it does: one that keeps the best ends a search, and not the fit of the best (`finishing`).
    pub fn ends_fit(self, finishing: bool) -> Option<StopReason> {
        match self {
            JobStop::No => None,
            JobStop::Cancel { keep_best: true } if finishing => None,
            JobStop::Cancel { .. } => Some(StopReason::Cancelled),
            JobStop::Shutdown => Some(StopReason::Shutdown),
        }
    }
}

/// Whether a request to stop replaces the one that a driver has: a shutdown outranks a cancel, and a cancel that keeps nothing
/// outranks one that keeps the best trial.
pub fn outranks(new: JobStop, present: JobStop) -> bool {
    match (present, new) {
        (JobStop::Shutdown, _) | (_, JobStop::No) => false,
        (JobStop::Cancel { keep_best: false }, JobStop::Cancel { .. }) => false,
        (present, new) => present != new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_stop_replaces_which() {
        use JobStop::*;
        let (keep, drop) = (Cancel { keep_best: true }, Cancel { keep_best: false });
        let all = [No, keep, drop, Shutdown];
        let replaces = |present| all.map(|new| outranks(new, present));
        assert_eq!(replaces(No), [false, true, true, true]);
        assert_eq!(replaces(keep), [false, false, true, true]);
        assert_eq!(replaces(drop), [false, false, false, true]);
        assert_eq!(replaces(Shutdown), [false; 4]);
    }

    #[test]
    fn what_each_stop_ends() {
        let (cancelled, shutdown) = (Some(StopReason::Cancelled), Some(StopReason::Shutdown));
        for (stop, work, search, finish) in [
            (JobStop::No, false, None, None),
            (JobStop::Cancel { keep_best: true }, false, cancelled, None),
            (JobStop::Cancel { keep_best: false }, true, cancelled, cancelled),
            (JobStop::Shutdown, true, shutdown, shutdown),
        ] {
            let ends = (stop.ends_work(), stop.ends_fit(false), stop.ends_fit(true));
            assert_eq!(ends, (work, search, finish), "{stop:?}");
        }
    }
}
