//! What follows when the store did not save a change, or did not say so. Pure: the writer carries it out.
//!
//! A change that the store went away under may have been saved: it is tried again as it was, and known again by what it
//! would have made of the record.

use provost_domain::job::JobRecord;
use provost_store::StoreError;

/// Conflicts with other writers after which a save is given up.
const CONFLICTS: u32 = 8;

/// What follows a save that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Another writer has saved: the record is read.
    Read,
    /// Nothing of the job is to be saved here any more.
    Lost,
    /// The change may have been saved: it is tried again as it was, if that is waited for.
    Wait,
}

/// After a save failed that had so many conflicts before.
pub fn after_failed_save(error: &StoreError, conflicts: u32) -> AfterFailure {
    match error {
        StoreError::Conflict { .. } if conflicts < CONFLICTS => AfterFailure::Read,
        StoreError::Conflict { .. } | StoreError::NotFound { .. } => AfterFailure::Lost,
        _ => AfterFailure::Wait,
    }
}

/// What follows a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterConflict {
    /// It was this change that had been saved.
    Saved,
    /// The change is applied to the record that was found.
    Apply,
    /// Another process has the job.
    Lost,
}

/// After the record was read that is in the place of the one that was `tried`. `unsure`: that one had been tried before, and may
/// have been saved. `epoch` is the writer's.
pub fn after_conflict(tried: &JobRecord, unsure: bool, found: Option<&JobRecord>, epoch: u64) -> AfterConflict {
    match found {
        // Applied again, it would be told twice.
        Some(found) if unsure && is_saved(tried, found) => AfterConflict::Saved,
        Some(found) if found.epoch == epoch => AfterConflict::Apply,
        _ => AfterConflict::Lost,
    }
}

/// Whether the record that was found is what a save of `tried` makes of it.
fn is_saved(tried: &JobRecord, found: &JobRecord) -> bool {
    let JobRecord { rev, next_event, .. } = *found;
    rev == tried.rev + 1 && JobRecord { rev, next_event, ..tried.clone() } == *found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use provost_store::conformance::samples;

    const OURS: &str = "ours";
    const THEIRS: &str = "theirs";

    fn conflict() -> StoreError {
        StoreError::Conflict { what: "job", id: "1".to_owned() }
    }

    fn away() -> StoreError {
        StoreError::Unavailable("away".to_owned())
    }

    fn with(record: &JobRecord, text: &str) -> JobRecord {
        let mut next = record.clone();
        next.job.warnings.push(text.to_owned());
        next
    }

    fn stored(record: JobRecord) -> JobRecord {
        JobRecord { rev: record.rev + 1, next_event: record.next_event + 1, ..record }
    }

    #[test]
    fn what_follows_a_save_that_failed() {
        use AfterFailure::{Lost, Read, Wait};
        let missing = StoreError::NotFound { what: "job", id: "1".to_owned() };
        for (error, conflicts, next) in [
            (conflict(), 0, Read),
            (conflict(), CONFLICTS - 1, Read),
            (conflict(), CONFLICTS, Lost),
            (missing, 0, Lost),
            (away(), 0, Wait),
            (StoreError::Invalid("bad".to_owned()), 0, Wait),
        ] {
            assert_eq!(after_failed_save(&error, conflicts), next, "{error}, {conflicts}");
        }
    }

    #[test]
    fn what_follows_a_conflict() {
        use AfterConflict::{Apply, Lost, Saved};
        let record = samples::job(1, 0);
        let tried = with(&record, OURS);
        let (saved, other) = (stored(tried.clone()), stored(with(&record, THEIRS)));
        let changed_since = stored(with(&saved, THEIRS));
        let claimed = JobRecord { epoch: record.epoch + 1, ..stored(record.clone()) };
        for (unsure, found, next) in [
            (true, Some(&saved), Saved),
            (true, Some(&other), Apply),
            (true, Some(&changed_since), Apply),
            (true, Some(&claimed), Lost),
            (true, None, Lost),
            (false, Some(&saved), Apply),
            (false, Some(&other), Apply),
            (false, Some(&claimed), Lost),
            (false, None, Lost),
        ] {
            assert_eq!(after_conflict(&tried, unsure, found, record.epoch), next, "{unsure}, {found:?}");
        }
    }

    /// A store with one job, and what goes wrong with each of its calls.
    struct Stored {
        record: JobRecord,
        faults: std::vec::IntoIter<u8>,
        /// Our change was saved without an answer, and others have changed the record since.
        covered: bool,
        /// The record as another process claimed it.
        claimed: Option<JobRecord>,
    }

    impl Stored {
        /// What others do before a call, and whether its answer is lost before or after it took effect.
        fn fault(&mut self) -> (bool, bool) {
            match self.faults.next().unwrap_or(0) {
                1 => (true, false),
                2 => (false, true),
                3 => {
                    self.covered |= self.record.job.warnings.iter().any(|text| text == OURS);
                    self.record = stored(with(&self.record, THEIRS));
                    (false, false)
                }
                4 if self.claimed.is_none() => {
                    self.record = JobRecord { epoch: self.record.epoch + 1, ..stored(self.record.clone()) };
                    self.claimed = Some(self.record.clone());
                    (false, false)
                }
                _ => (false, false),
            }
        }

        fn save(&mut self, next: &JobRecord) -> Result<JobRecord, StoreError> {
            let (before, after) = self.fault();
            if before {
                return Err(away());
            }
            if (next.rev, next.epoch) != (self.record.rev, self.record.epoch) {
                return Err(if after { away() } else { conflict() });
            }
            self.record = stored(next.clone());
            if after { Err(away()) } else { Ok(self.record.clone()) }
        }

        fn read(&mut self) -> Result<JobRecord, StoreError> {
            let (before, after) = self.fault();
            if before || after { Err(away()) } else { Ok(self.record.clone()) }
        }
    }

    proptest! {
        /// Whatever fails, and whoever else writes: a change that counts as saved is in the record, and once; nothing is written
        /// to a record that another process has claimed.
        #[test]
        fn a_change_is_saved_once(faults in proptest::collection::vec(0u8..5, 0..30)) {
            let record = samples::job(1, 0);
            let (epoch, mut held) = (record.epoch, record.clone());
            let mut store = Stored { record, faults: faults.into_iter(), covered: false, claimed: None };
            let (mut conflicts, mut unsure) = (0, None::<JobRecord>);
            let is_saved = loop {
                let again = unsure.is_some();
                let next = unsure.take().unwrap_or_else(|| with(&held, OURS));
                let Err(error) = store.save(&next) else { break true };
                match after_failed_save(&error, conflicts) {
                    AfterFailure::Lost => break false,
                    AfterFailure::Wait => {
                        unsure = Some(next);
                        continue;
                    }
                    AfterFailure::Read => conflicts += 1,
                }
                let Ok(found) = store.read() else {
                    unsure = again.then_some(next);
                    continue;
                };
                match after_conflict(&next, again, Some(&found), epoch) {
                    AfterConflict::Saved => break true,
                    AfterConflict::Lost => break false,
                    AfterConflict::Apply => held = found,
                }
            };
            let ours = |record: &JobRecord| record.job.warnings.iter().filter(|text| *text == OURS).count();
            let times = ours(&store.record);
            prop_assert!(!is_saved || times >= 1);
            // What others wrote upon a change whose answer was lost hides that it was saved.
            prop_assert!(times <= 1 || store.covered, "{times} times");
            if let Some(claimed) = store.claimed {
                prop_assert_eq!(ours(&claimed), times, "written after the claim");
            }
        }
    }
}
