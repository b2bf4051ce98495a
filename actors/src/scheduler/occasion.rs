//! Decides when a rule has an occasion for a trigger. Pure: the rules read the store and record the result.

use chrono::{DateTime, TimeDelta, Utc};

/// The action of the slot rule at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotStep {
    Nothing,
    /// Slots up to now count as handled: the schedule is new, was changed or was off, or the clock was set back.
    StartFromNow,
    /// The last slot that has passed, once, however many were missed.
    Raise(DateTime<Utc>),
}

/// `dealt_until`: the time up to which the slots of this schedule were handled; None for a schedule that is new.
/// `last_slot`: the last slot up to now.
pub fn slot_step(
    enabled: bool,
    dealt_until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    last_slot: Option<DateTime<Utc>>,
) -> SlotStep {
    let Some(until) = dealt_until else { return SlotStep::StartFromNow };
    match last_slot {
        _ if !enabled => SlotStep::Nothing,
        // Slots that were raised have triggers, so none is raised again.
        _ if until > now => SlotStep::StartFromNow,
        Some(slot) if slot > until => SlotStep::Raise(slot),
        _ => SlotStep::Nothing,
    }
}

/// The number of the threshold crossing, if there is one: every further `needed` points are another crossing.
pub fn crossing(new: u64, needed: u64) -> Option<u64> {
    (new >= needed).then(|| new / needed.max(1))
}

/// How many weeks a model is older than the limit, once the limit is reached.
pub fn weeks_too_old(age: TimeDelta, limit: TimeDelta) -> Option<i64> {
    (age >= limit).then(|| (age - limit).num_weeks())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn what_the_slot_rule_does() {
        use SlotStep::*;
        for (enabled, until, now, slot, step) in [
            (true, None, 100, Some(90), StartFromNow),
            (false, None, 100, Some(90), StartFromNow),
            (false, Some(10), 100, Some(90), Nothing),
            (true, Some(200), 100, Some(90), StartFromNow),
            (true, Some(90), 100, Some(90), Nothing),
            (true, Some(50), 100, Some(90), Raise(at(90))),
            (true, Some(50), 100, None, Nothing),
        ] {
            let found = slot_step(enabled, until.map(at), at(now), slot.map(at));
            assert_eq!(found, step, "enabled {enabled}, until {until:?}, now {now}, slot {slot:?}");
        }
    }

    #[test]
    fn crossings_and_ages() {
        assert_eq!([0, 99, 100, 199, 200].map(|new| crossing(new, 100)), [None, None, Some(1), Some(1), Some(2)]);
        assert_eq!(crossing(0, 0), Some(0));
        let weeks = |days| weeks_too_old(TimeDelta::days(days), TimeDelta::days(30));
        assert_eq!([29, 30, 36, 37, 44].map(weeks), [None, Some(0), Some(0), Some(1), Some(2)]);
    }

    proptest! {
        /// For any times of looks: slots are raised in order and once, unless the clock was set back to before them,
        /// and each look handles all slots up to it.
        #[test]
        fn a_slot_is_raised_once(steps in proptest::collection::vec(-50i64..200, 1..60), every in 1i64..100) {
            let (mut now, mut until, mut raised) = (1_000, None, Vec::new());
            for step in steps {
                now += step;
                let last = at(now.div_euclid(every) * every);
                match slot_step(true, until, at(now), Some(last)) {
                    SlotStep::Nothing => {}
                    SlotStep::StartFromNow => {
                        // After the clock was set back a slot may come again; its trigger has the same id then.
                        raised.clear();
                        until = Some(at(now));
                    }
                    SlotStep::Raise(slot) => {
                        prop_assert!(slot <= at(now));
                        prop_assert!(Some(slot) > until);
                        raised.push(slot);
                        until = Some(slot);
                    }
                }
                prop_assert!(until.is_some_and(|until| until >= last));
            }
            prop_assert!(raised.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
