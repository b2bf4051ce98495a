//! What becomes of an event after each answer of the store and of Jobs. Pure: the inbox carries it out.
//!
//! | answer | what follows |
//! | --- | --- |
//! | the event is new | its verdict: parked if some of its points were refused; a cancel is passed on first |
//! | it was taken in before, and this is another delivery of the same message | as above: the delivery before may have ended between the record and the parking. Points are recorded again to learn which were refused |
//! | it was taken in before, in another message | done; a cancel is passed on again |
//! | another event has its source and id | parked, and it has no effect |

use super::event::Event;
use crate::error::CancelError;
use provost_domain::event::{Refusal, RefusalCode};
use provost_domain::{AdmissionDataPoint, JobId, TrainingJob};
use provost_store::{InboxEffect, InboxOutcome, PointOutcome, StoreError};
use std::time::Duration;

/// Ids that a reason names; the others are counted.
const TOLD: usize = 5;
/// How long a batch is tried before the store counts as away. A store may wait by itself much longer than this; then once.
const TRY_FOR: Duration = Duration::from_secs(1);

/// What happens to a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Its effect is on record, from this or an earlier delivery.
    Done,
    Park(Refusal),
    /// A failure that may pass.
    Later(String),
}

/// The store cannot record anything now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreAway(pub String);

/// What recording a batch has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub taken: u64,
    pub duplicates: u64,
    /// Points or triggers are new.
    pub news: bool,
}

impl Tally {
    /// With this event's outcome.
    pub fn count(&mut self, event: &Event, outcome: &InboxOutcome) {
        match outcome {
            InboxOutcome::New(_) => {
                self.taken += 1;
                self.news |= !matches!(event.effect, InboxEffect::None);
            }
            InboxOutcome::Duplicate => self.duplicates += 1,
            InboxOutcome::Mismatch => {}
        }
    }
}

/// What is done about an event next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    Settled(Verdict),
    /// The store is away: the delivery goes back to the broker.
    StoreAway(String),
    /// Its points are recorded again; those that are on record stay as they are.
    RecordPoints(Vec<AdmissionDataPoint>),
    /// Jobs is asked to cancel this job in this name.
    Cancel {
        job: JobId,
        by: String,
    },
}

/// After the store has answered for the event. `redelivered`: the broker has delivered this message before.
pub fn after_record(event: &Event, outcome: &InboxOutcome, redelivered: bool) -> Next {
    match outcome {
        InboxOutcome::Mismatch => {
            let detail = "an event of this source and id was taken in before, with another type or other data";
            Next::Settled(Verdict::Park(Refusal::new(RefusalCode::Mismatch, detail)))
        }
        InboxOutcome::New(outcomes) => judged(event, outcomes),
        InboxOutcome::Duplicate => match &event.effect {
            // Its first delivery may have ended between the record and the parking: what there was to say of it is found out
            // again. Points that are recorded a second time stay as they are.
            InboxEffect::Points(points) if redelivered => Next::RecordPoints(points.clone()),
            _ if redelivered => judged(event, &[]),
            _ => effective(event),
        },
    }
}

/// After the event's points were recorded again.
pub fn after_points(event: &Event, recorded: Result<Vec<PointOutcome>, StoreError>) -> Next {
    match recorded {
        Ok(outcomes) => judged(event, &outcomes),
        Err(e) if e.may_pass() => Next::StoreAway(e.to_string()),
        Err(e) => Next::Settled(Verdict::Later(e.to_string())),
    }
}

/// After Jobs was asked to cancel the event's job.
pub fn after_cancel(cancelled: Result<TrainingJob, CancelError>) -> Next {
    match cancelled {
        Ok(_) | Err(CancelError::AlreadyFinal(_)) => Next::Settled(Verdict::Done),
        Err(e @ CancelError::NotFound(_)) => {
            Next::Settled(Verdict::Park(Refusal::new(RefusalCode::InvalidData, format!("`job_id`: {e}"))))
        }
        Err(CancelError::Store(e)) if e.may_pass() => Next::StoreAway(e.to_string()),
        Err(e) => Next::Settled(Verdict::Later(e.to_string())),
    }
}

fn judged(event: &Event, outcomes: &[PointOutcome]) -> Next {
    match refusal(event, outcomes) {
        Some(refusal) => Next::Settled(Verdict::Park(refusal)),
        None => effective(event),
    }
}

/// Cancels after the event is on record: one that turns out to be another's must not take effect, and one whose delivery ends
/// in between comes again as a duplicate, which cancels too.
fn effective(event: &Event) -> Next {
    match &event.cancel {
        Some((job, by)) => Next::Cancel { job: job.clone(), by: by.clone() },
        None => Next::Settled(Verdict::Done),
    }
}

/// What is done with a batch that could not be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    TryAgain,
    /// The store is away: all of it goes back to the broker.
    GiveBack,
    /// Each event is recorded by itself, so that it harms no other.
    TakeApart,
}

/// After a batch could not be recorded that was first tried so long ago.
pub fn after_failed_batch(error: &StoreError, tried_for: Duration) -> AfterFailure {
    match error.may_pass() {
        true if tried_for < TRY_FOR => AfterFailure::TryAgain,
        true => AfterFailure::GiveBack,
        false => AfterFailure::TakeApart,
    }
}

/// The verdict on an event that the store did not record by itself.
pub fn failed_alone(error: StoreError) -> Result<Verdict, StoreAway> {
    match error {
        e if e.may_pass() => Err(StoreAway(e.to_string())),
        StoreError::Invalid(why) => Ok(Verdict::Park(Refusal::new(RefusalCode::InvalidData, why))),
        e => Ok(Verdict::Later(e.to_string())),
    }
}

/// Why an event that is on record is parked all the same: some of its points were refused.
fn refusal(event: &Event, outcomes: &[PointOutcome]) -> Option<Refusal> {
    if !outcomes.contains(&PointOutcome::Conflict) {
        return event.refused.clone();
    }
    let mut detail = conflicts(outcomes, event);
    if let Some(refused) = &event.refused {
        detail = format!("{detail}; {}", refused.detail);
    }
    Some(Refusal::new(RefusalCode::Conflict, detail))
}

/// Names the points that were refused for their content.
fn conflicts(outcomes: &[PointOutcome], event: &Event) -> String {
    let points: &[AdmissionDataPoint] = match &event.effect {
        InboxEffect::Points(points) => points,
        _ => &[],
    };
    let refused = points.iter().zip(outcomes).filter(|(_, outcome)| **outcome == PointOutcome::Conflict);
    let ids: Vec<String> = refused.map(|(point, _)| format!("`{}`", point.data_point_id)).collect();
    format!(
        "{} of {} points are stored with the same `seq` and other content, and stayed as they are: {}{}",
        ids.len(),
        outcomes.len(),
        ids[..ids.len().min(TOLD)].join(", "),
        if ids.len() > TOLD { ", …" } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;
    use provost_domain::job::JobStatus;
    use provost_store::InboxEntry;
    use provost_store::conformance::samples;

    fn event(effect: InboxEffect) -> Event {
        let (at, text) = (DateTime::UNIX_EPOCH, |text: &str| text.to_owned());
        let entry = InboxEntry { source: text("/source"), id: text("1"), payload_hash: text("hash"), at };
        Event { entry, effect, cancel: None, refused: None, time: at }
    }

    fn points() -> Event {
        event(InboxEffect::Points(["a", "b"].map(|id| samples::point(id, 1)).to_vec()))
    }

    fn job() -> JobId {
        JobId::new(DateTime::UNIX_EPOCH, 1)
    }

    fn cancel() -> Event {
        Event { cancel: Some((job(), "/source".to_owned())), ..event(InboxEffect::None) }
    }

    /// A batch of which some points could not be read.
    fn partly_read() -> Event {
        Event { refused: Some(Refusal::new(RefusalCode::InvalidData, "1 of 3 points")), ..points() }
    }

    fn away() -> StoreError {
        StoreError::Unavailable("away".to_owned())
    }

    /// The code of the refusal that an event is parked with.
    fn parked_as(next: &Next) -> Option<RefusalCode> {
        match next {
            Next::Settled(Verdict::Park(refusal)) => Some(refusal.code),
            _ => None,
        }
    }

    #[test]
    fn what_follows_each_outcome() {
        use InboxOutcome::{Duplicate, Mismatch, New};
        use PointOutcome::{Conflict, Inserted, Unchanged};
        let done = || Next::Settled(Verdict::Done);
        let asked = || Next::Cancel { job: job(), by: "/source".to_owned() };
        let recorded_again = || Next::RecordPoints(["a", "b"].map(|id| samples::point(id, 1)).to_vec());
        for (event, outcome, redelivered, next) in [
            (points(), New(vec![Inserted, Unchanged]), false, done()),
            (points(), Duplicate, false, done()),
            (points(), Duplicate, true, recorded_again()),
            (partly_read(), Duplicate, true, recorded_again()),
            (partly_read(), Duplicate, false, done()),
            (cancel(), New(Vec::new()), false, asked()),
            (cancel(), Duplicate, false, asked()),
            (cancel(), Duplicate, true, asked()),
            (event(InboxEffect::None), Duplicate, true, done()),
        ] {
            assert_eq!(after_record(&event, &outcome, redelivered), next, "{outcome:?}, {redelivered}");
        }
        for (event, outcome, code) in [
            (points(), New(vec![Inserted, Conflict]), RefusalCode::Conflict),
            (partly_read(), New(vec![Inserted, Inserted]), RefusalCode::InvalidData),
            (points(), Mismatch, RefusalCode::Mismatch),
            (cancel(), Mismatch, RefusalCode::Mismatch),
        ] {
            for redelivered in [false, true] {
                let next = after_record(&event, &outcome, redelivered);
                assert_eq!(parked_as(&next), Some(code), "{outcome:?}, {redelivered}");
            }
        }
    }

    #[test]
    fn a_refusal_names_the_points() {
        let next = after_points(&partly_read(), Ok(vec![PointOutcome::Unchanged, PointOutcome::Conflict]));
        let Next::Settled(Verdict::Park(refusal)) = next else { panic!("{next:?}") };
        assert_eq!(refusal.code, RefusalCode::Conflict);
        for told in ["1 of 2 points", "`b`", "; 1 of 3 points"] {
            assert!(refusal.detail.contains(told), "{}", refusal.detail);
        }
        assert!(!refusal.detail.contains("`a`"), "{}", refusal.detail);
    }

    #[test]
    fn what_follows_points_that_were_recorded_again() {
        assert_eq!(after_points(&points(), Ok(vec![PointOutcome::Unchanged; 2])), Next::Settled(Verdict::Done));
        assert_eq!(after_points(&points(), Err(away())), Next::StoreAway(away().to_string()));
        let invalid = StoreError::Invalid("bad".to_owned());
        assert!(matches!(after_points(&points(), Err(invalid)), Next::Settled(Verdict::Later(_))));
    }

    #[test]
    fn what_follows_a_cancel() {
        let done = Next::Settled(Verdict::Done);
        assert_eq!(after_cancel(Ok(samples::job(1, 0).job)), done);
        assert_eq!(after_cancel(Err(CancelError::AlreadyFinal(JobStatus::Completed))), done);
        let unknown = after_cancel(Err(CancelError::NotFound(job())));
        assert_eq!(parked_as(&unknown), Some(RefusalCode::InvalidData));
        assert_eq!(after_cancel(Err(CancelError::Store(away()))), Next::StoreAway(away().to_string()));
        let conflict = StoreError::Conflict { what: "job", id: "1".to_owned() };
        assert!(matches!(after_cancel(Err(CancelError::Store(conflict))), Next::Settled(Verdict::Later(_))));
    }

    #[test]
    fn what_follows_a_batch_that_was_not_recorded() {
        let invalid = || StoreError::Invalid("bad".to_owned());
        for (error, millis, next) in [
            (away(), 0, AfterFailure::TryAgain),
            (away(), 999, AfterFailure::TryAgain),
            (away(), 1000, AfterFailure::GiveBack),
            (invalid(), 0, AfterFailure::TakeApart),
            (invalid(), 5000, AfterFailure::TakeApart),
        ] {
            assert_eq!(after_failed_batch(&error, Duration::from_millis(millis)), next, "{error}, {millis} ms");
        }
        assert_eq!(failed_alone(away()), Err(StoreAway(away().to_string())));
        assert!(matches!(failed_alone(invalid()), Ok(Verdict::Park(Refusal { code: RefusalCode::InvalidData, .. }))));
        let conflict = StoreError::Conflict { what: "event", id: "1".to_owned() };
        assert!(matches!(failed_alone(conflict), Ok(Verdict::Later(_))));
    }

    #[test]
    fn what_is_counted() {
        let mut tally = Tally::default();
        tally.count(&cancel(), &InboxOutcome::New(Vec::new()));
        assert_eq!(tally, Tally { taken: 1, duplicates: 0, news: false });
        tally.count(&points(), &InboxOutcome::Mismatch);
        tally.count(&points(), &InboxOutcome::Duplicate);
        assert_eq!(tally, Tally { taken: 1, duplicates: 1, news: false });
        tally.count(&points(), &InboxOutcome::New(Vec::new()));
        assert_eq!(tally, Tally { taken: 2, duplicates: 1, news: true });
    }

    /// A store with one event.
    #[derive(Default)]
    struct Recorded {
        event: bool,
        /// Times that Jobs was asked to cancel.
        cancels: u32,
    }

    impl Recorded {
        /// Delivers the message; ends, as a process that dies, after so many steps. The verdict, if it comes to one.
        fn deliver(&mut self, event: &Event, conflict: bool, redelivered: bool, steps: u8) -> Option<Verdict> {
            let stored = |new| match (conflict, new) {
                (true, _) => vec![PointOutcome::Unchanged, PointOutcome::Conflict],
                (false, true) => vec![PointOutcome::Inserted; 2],
                (false, false) => vec![PointOutcome::Unchanged; 2],
            };
            if steps == 0 {
                return None;
            }
            let is_new = !std::mem::replace(&mut self.event, true);
            let outcome = if is_new { InboxOutcome::New(stored(true)) } else { InboxOutcome::Duplicate };
            let mut next = after_record(event, &outcome, redelivered);
            for _ in 1..steps {
                next = match next {
                    Next::Settled(verdict) => return Some(verdict),
                    Next::RecordPoints(_) => after_points(event, Ok(stored(false))),
                    Next::Cancel { .. } => {
                        self.cancels += 1;
                        after_cancel(Err(CancelError::AlreadyFinal(JobStatus::Cancelled)))
                    }
                    Next::StoreAway(_) => return None,
                };
            }
            None
        }
    }

    proptest! {
        /// However often a process dies between two steps and the broker delivers the message again: what is done is on record,
        /// what was refused is parked, and a cancel was passed on.
        #[test]
        fn a_message_that_is_settled_has_had_its_effect(
            deaths in proptest::collection::vec(0u8..4, 0..8),
            (is_cancel, conflict, partly) in any::<(bool, bool, bool)>(),
        ) {
            let event = match (is_cancel, partly) {
                (true, _) => cancel(),
                (false, true) => partly_read(),
                (false, false) => points(),
            };
            let (conflict, mut store, mut verdict) = (conflict && !is_cancel, Recorded::default(), None);
            for (delivery, steps) in deaths.into_iter().chain([9]).enumerate() {
                verdict = store.deliver(&event, conflict, delivery > 0, steps);
                if verdict.is_some() {
                    break;
                }
            }
            prop_assert!(store.event);
            prop_assert_eq!(is_cancel, store.cancels > 0);
            let is_parked = matches!(verdict, Some(Verdict::Park(_)));
            prop_assert_eq!(is_parked, conflict || (partly && !is_cancel), "{:?}", verdict);
            prop_assert!(is_parked || verdict == Some(Verdict::Done));
        }
    }
}
