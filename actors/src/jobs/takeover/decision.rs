//! Which unfinished jobs of a shared store a process queues. Pure: the takeover reads the jobs and their leases.

use provost_domain::job::JobStatus;

/// What is done about an unfinished job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Leave,
    /// It is queued: the first process with room claims it.
    Queue,
    /// It is queued if no other process holds its lease.
    QueueIfLeft,
}

/// `is_here`: it waits or runs in this process. `may_claim`: claiming it is not given up; asked of no job that is here.
pub fn decide(status: JobStatus, is_here: bool, may_claim: impl FnOnce() -> bool) -> Decision {
    if is_here || !may_claim() {
        return Decision::Leave;
    }
    match status {
        JobStatus::Pending => Decision::Queue,
        _ => Decision::QueueIfLeft,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_jobs_are_queued() {
        use Decision::{Leave, Queue, QueueIfLeft};
        for (status, is_here, may_claim, expected) in [
            (JobStatus::Pending, false, true, Queue),
            (JobStatus::Running, false, true, QueueIfLeft),
            (JobStatus::Pending, false, false, Leave),
            (JobStatus::Running, false, false, Leave),
            (JobStatus::Pending, true, true, Leave),
            (JobStatus::Running, true, true, Leave),
        ] {
            let found = decide(status, is_here, || may_claim);
            assert_eq!(found, expected, "{status}, here: {is_here}, may claim: {may_claim}");
        }
        assert_eq!(decide(JobStatus::Running, true, || panic!("a job that is here")), Leave);
    }
}
