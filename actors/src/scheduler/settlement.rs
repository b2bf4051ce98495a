//! Decides what happens to a group of triggers after each answer of Jobs. Pure: the arbiter carries it out.

use crate::error::SubmitError;
use crate::failures::Kind;
use crate::jobs::{Joined, Submitted};

/// The next step for the triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Settled: they have a job, or another scheduler has settled them.
    Settled,
    /// They wait for a later look.
    Wait,
    /// A job with the same configuration has begun: it settles the schedule's slots, and the other triggers wait.
    SettleSlots,
    /// A job is submitted for them.
    Submit,
    /// They get no job, for this reason.
    Refuse(String),
    /// The attempt failed.
    Failed { kind: Kind, text: String },
}

/// The step after the triggers were offered to the job that waits with their configuration. `cooling`: the cooldown
/// forbids another automatic job.
pub fn after_join(joined: &Result<Joined, SubmitError>, cooling: bool) -> Next {
    match joined {
        Ok(Joined::Job(_)) => Next::Settled,
        Ok(Joined::Busy) => Next::Wait,
        Ok(Joined::Begun) => Next::SettleSlots,
        Ok(Joined::None) if cooling => Next::Wait,
        Ok(Joined::None) => Next::Submit,
        Err(error) => match after_error(error) {
            failed @ Next::Failed { .. } => failed,
            _ => Next::Wait,
        },
    }
}

/// The step after a job was submitted for them.
pub fn after_submit(submitted: &Result<Submitted, SubmitError>) -> Next {
    match submitted {
        Ok(_) | Err(SubmitError::Settled) => Next::Settled,
        Err(error) => after_error(error),
    }
}

fn after_error(error: &SubmitError) -> Next {
    let failed = |kind| Next::Failed { kind, text: error.to_string() };
    match error {
        // A new attempt would be refused for the same data.
        SubmitError::Quality(report) => Next::Refuse(format!("{error}: {}", report.quality_issues.join("; "))),
        SubmitError::Data(_) | SubmitError::Config(_) | SubmitError::Mismatch => Next::Refuse(error.to_string()),
        SubmitError::QueueFull { .. } | SubmitError::Settled | SubmitError::Busy(_) | SubmitError::ShuttingDown => {
            Next::Wait
        }
        SubmitError::Store(e) => failed(Kind::of(e)),
        SubmitError::Unreachable(_) => failed(Kind::Fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Unreachable;
    use chrono::DateTime;
    use provost_domain::JobId;
    use provost_store::StoreError;

    #[test]
    fn what_follows_the_offer_to_a_waiting_job() {
        let job = || Ok(Joined::Job(JobId::new(DateTime::UNIX_EPOCH, 1)));
        let away = || Err(SubmitError::Store(StoreError::Unavailable("away".to_owned())));
        for (joined, cooling, next) in [
            (job(), false, Next::Settled),
            (job(), true, Next::Settled),
            (Ok(Joined::Busy), false, Next::Wait),
            (Ok(Joined::Begun), true, Next::SettleSlots),
            (Ok(Joined::None), true, Next::Wait),
            (Ok(Joined::None), false, Next::Submit),
            (Err(SubmitError::ShuttingDown), false, Next::Wait),
            (Err(SubmitError::Data("no rows".to_owned())), false, Next::Wait),
        ] {
            assert_eq!(after_join(&joined, cooling), next, "{joined:?}, cooling: {cooling}");
        }
        assert!(matches!(after_join(&away(), false), Next::Failed { kind: Kind::Outage, .. }));
    }

    #[test]
    fn what_follows_a_submission() {
        let next = |error| after_submit(&Err(error));
        assert_eq!(next(SubmitError::Settled), Next::Settled, "another scheduler was faster");
        assert_eq!(next(SubmitError::QueueFull { max_queued: 1 }), Next::Wait);
        assert_eq!(next(SubmitError::Data("no rows".to_owned())), Next::Refuse("no rows".to_owned()));
        let down = SubmitError::Unreachable(Unreachable::Down("jobs".to_owned()));
        assert!(matches!(next(down), Next::Failed { kind: Kind::Fault, .. }));
        let damaged = SubmitError::Store(StoreError::Invalid("bad".to_owned()));
        assert!(matches!(next(damaged), Next::Failed { kind: Kind::Fault, .. }));
    }
}
