//! Requests to stop a running job, and which of them counts.

/// A request to stop a running job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStop {
    No,
    Cancel { keep_best: bool },
    Shutdown,
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
}
