//! What is done about a unit of work that is not done yet. Pure: the executor looks at the unit and carries it out.

use crate::fleet::reason;
use provost_domain::lease::WorkUnit;
use provost_learn::StopReason;
use std::time::Duration;

/// What a look at an open unit finds.
#[derive(Debug, Clone, Copy)]
pub struct Found<'u> {
    pub unit: &'u WorkUnit,
    /// A worker holds its lease and is not silent.
    pub is_manned: bool,
    /// How long no worker has been at work on it.
    pub alone_for: Option<Duration>,
    /// The attempt is to end, for this reason.
    pub stop: Option<StopReason>,
}

/// What is done about the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Wait,
    /// The worker is asked to stop: it reads that with its next beat.
    AskToStop(StopReason),
    /// The unit is withdrawn, and the attempt was stopped.
    Stop(StopReason),
    /// The unit is withdrawn, and the attempt failed: too many workers took it and did not end it.
    Fail,
    /// The unit is withdrawn, and done in this process.
    DoHere,
}

/// A unit may be taken up by `most_workers`, and waits for one for as long as `patience` says.
pub fn decide(found: Found<'_>, most_workers: u32, patience: Duration) -> Decision {
    let Found { unit, is_manned, alone_for, stop } = found;
    if unit.lease.epoch > u64::from(most_workers) {
        return Decision::Fail;
    }
    match stop {
        Some(_) if is_manned && unit.stop.as_ref().map(reason) == stop => Decision::Wait,
        Some(why) if is_manned => Decision::AskToStop(why),
        Some(why) => Decision::Stop(why),
        None if alone_for.is_some_and(|alone| alone >= patience) => Decision::DoHere,
        None => Decision::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::wish;
    use chrono::DateTime;
    use provost_domain::lease::{Lease, UnitState};
    use provost_domain::{Algorithm, JobId};

    fn unit(epoch: u64, stop: Option<StopReason>) -> WorkUnit {
        let at = DateTime::UNIX_EPOCH;
        let text = |text: &str| text.to_owned();
        WorkUnit {
            id: text("unit"),
            job_id: JobId::new(at, 1),
            algorithm: Algorithm::Xgboost,
            job_epoch: 1,
            rev: 0,
            state: UnitState::Open,
            lease: Lease { name: text("unit"), holder: text("worker"), epoch, beat: 0 },
            order: serde_json::Value::Null,
            stop: stop.map(wish),
            progress: 0.0,
            result: None,
            failure: None,
            created_at: at,
        }
    }

    #[test]
    fn what_is_done_about_an_open_unit() {
        use Decision::{AskToStop, DoHere, Fail, Stop, Wait};
        use StopReason::{Cancelled, Shutdown};
        let (patience, short) = (Duration::from_secs(30), Duration::from_secs(29));
        for (epoch, told, is_manned, alone_for, stop, expected) in [
            (0, None, false, Some(short), None, Wait),
            (0, None, false, Some(patience), None, DoHere),
            (1, None, true, None, None, Wait),
            (3, None, true, None, None, Wait),
            (4, None, true, None, None, Fail),
            (4, None, false, Some(patience), Some(Cancelled), Fail),
            (1, None, true, None, Some(Cancelled), AskToStop(Cancelled)),
            (1, Some(Cancelled), true, None, Some(Cancelled), Wait),
            (1, Some(Cancelled), true, None, Some(Shutdown), AskToStop(Shutdown)),
            (1, None, false, Some(short), Some(Cancelled), Stop(Cancelled)),
            (1, Some(Cancelled), false, Some(short), Some(Cancelled), Stop(Cancelled)),
            (0, None, false, Some(patience), Some(Shutdown), Stop(Shutdown)),
        ] {
            let unit = unit(epoch, told);
            let found = Found { unit: &unit, is_manned, alone_for, stop };
            assert_eq!(decide(found, 3, patience), expected, "{epoch}, {told:?}, {is_manned}, {alone_for:?}, {stop:?}");
        }
    }
}
