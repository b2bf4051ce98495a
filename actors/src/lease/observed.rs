//! What this process has seen of other processes' leases: a pure record of when each last changed.

use provost_domain::lease::Lease;
use std::collections::BTreeMap;
use std::time::Duration;

/// Leases that are remembered before old ones are forgotten.
const REMEMBERED: usize = 1000;
/// A lease that has been silent for so many terms is forgotten once there are too many.
const FORGOTTEN_AFTER: u32 = 5;

/// Each lease as it was last seen, with when (monotonic) it was first seen like that.
#[derive(Debug, Default)]
pub struct ObservedLeases(BTreeMap<String, (Lease, Duration)>);

impl ObservedLeases {
    /// Whether this lease has been seen unchanged for a term. The first look at it starts the term.
    pub fn is_silent(&mut self, lease: &Lease, now: Duration, term: Duration) -> bool {
        if self.0.len() > REMEMBERED {
            // A lease that is forgotten and seen again starts a new term.
            self.0.retain(|_, (_, since)| now.saturating_sub(*since) < term * FORGOTTEN_AFTER);
        }
        let (known, since) = self.0.entry(lease.name.clone()).or_insert_with(|| (lease.clone(), now));
        if known != lease {
            (*known, *since) = (lease.clone(), now);
        }
        now.saturating_sub(*since) >= term
    }

    /// Whether `holder` may take this lease: nobody holds it, `holder` itself does, or its holder is silent.
    pub fn is_free(&mut self, lease: &Lease, holder: &str, now: Duration, term: Duration) -> bool {
        !lease.is_held() || lease.holder == holder || self.is_silent(lease, now, term)
    }

    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TERM: Duration = Duration::from_secs(10);

    fn lease(beat: u64) -> Lease {
        Lease { name: "job".to_owned(), holder: "other".to_owned(), epoch: 1, beat }
    }

    #[test]
    fn who_may_take_a_lease() {
        for (holder, seen_for, free) in [
            ("", 0, true),
            ("me", 0, true),
            ("other", 0, false),
            ("other", 9, false),
            ("other", 10, true),
            ("other", 11, true),
        ] {
            let lease = Lease { holder: holder.to_owned(), ..lease(0) };
            let mut observed = ObservedLeases::default();
            observed.is_silent(&lease, Duration::ZERO, TERM);
            let now = Duration::from_secs(seen_for);
            assert_eq!(observed.is_free(&lease, "me", now, TERM), free, "held by `{holder}` for {seen_for} s");
        }
    }

    proptest! {
        /// Whatever the looks and the beats: a lease is silent exactly if the looks since its last change span a term.
        #[test]
        fn a_lease_is_silent_only_after_a_term_without_a_change(
            looks in proptest::collection::vec((0u64..8, any::<bool>()), 1..60)
        ) {
            let (mut observed, mut now, mut beat, mut since) = (ObservedLeases::default(), Duration::ZERO, 0, None);
            for (seconds, beats) in looks {
                now += Duration::from_secs(seconds);
                if beats {
                    beat += 1;
                    since = None;
                }
                let since = *since.get_or_insert(now);
                prop_assert_eq!(observed.is_silent(&lease(beat), now, TERM), now - since >= TERM);
            }
        }
    }

    /// A process by its own clock.
    #[derive(Default)]
    struct Process {
        observed: ObservedLeases,
        clock_ahead: Duration,
        /// The lease as the process read it when it saw that it may take it.
        free: Option<Option<Lease>>,
        held: Option<Lease>,
    }

    /// As every store does it: a lease that nobody or `holder` holds, or that is as it was `seen`, under a new epoch.
    fn take(stored: &mut Option<Lease>, holder: &str, seen: Option<&Lease>) -> Option<Lease> {
        let may_take = stored.as_ref().is_none_or(|l| !l.is_held() || l.holder == holder || Some(l) == seen);
        let epoch = stored.as_ref().map_or(0, |l| l.epoch) + 1;
        may_take.then(|| stored.insert(Lease { holder: holder.to_owned(), epoch, ..lease(0) }).clone())
    }

    proptest! {
        /// Whatever three processes with different clocks do and how long each pauses between two steps: a lease is taken over
        /// only once it has not changed for a term, it has one holder at a time, and a silent one is taken by whoever looks.
        #[test]
        fn only_a_silent_holder_loses_its_lease(
            ahead in proptest::collection::vec(0u64..100, 3),
            steps in proptest::collection::vec((0usize..3, 0u8..4, 0u64..6), 1..120)
        ) {
            let names = ["a", "b", "c"];
            let mut processes: Vec<Process> = ahead
                .into_iter()
                .map(|ahead| Process { clock_ahead: Duration::from_secs(ahead), ..Process::default() })
                .collect();
            let (mut stored, mut now, mut changed) = (None::<Lease>, Duration::ZERO, Duration::ZERO);
            for (who, step, seconds) in steps {
                now += Duration::from_secs(seconds);
                let (process, name) = (&mut processes[who], names[who]);
                let before = stored.clone();
                match step {
                    0 => {
                        let own_now = now + process.clock_ahead;
                        let is_free =
                            stored.as_ref().is_none_or(|l| process.observed.is_free(l, name, own_now, TERM));
                        process.free = is_free.then(|| stored.clone());
                    }
                    1 => {
                        if let Some(seen) = process.free.take()
                            && let Some(taken) = take(&mut stored, name, seen.as_ref())
                        {
                            process.observed.forget(&taken.name);
                            let other = before.as_ref().filter(|l| l.is_held() && l.holder != name);
                            prop_assert!(other.is_none() || now - changed >= TERM, "{other:?} was not silent");
                            prop_assert!(before.as_ref().is_none_or(|l| taken.epoch > l.epoch));
                            process.held = Some(taken);
                        }
                    }
                    2 => {
                        // A beat, which tells a late holder that it has lost the lease.
                        let is_own = |l: &Lease| stored.as_ref().is_some_and(|s| (&s.holder, s.epoch) == (&l.holder, l.epoch));
                        process.held = process.held.take().filter(is_own);
                        if let (Some(held), Some(stored)) = (&mut process.held, &mut stored) {
                            stored.beat += 1;
                            *held = stored.clone();
                        }
                    }
                    // It dies, and another one starts in its place.
                    _ => *process = Process { clock_ahead: process.clock_ahead, ..Process::default() },
                }
                if stored != before {
                    changed = now;
                }
                let holders = processes.iter().flat_map(|p| &p.held);
                let current = holders.filter(|l| stored.as_ref().is_some_and(|s| s.epoch == l.epoch)).count();
                prop_assert!(current <= 1, "{current} processes hold the lease");
            }
            // All are silent from now on but one, which looks, waits for a term and looks again.
            let Some(left) = stored else { return Ok(()) };
            let mut observed = ObservedLeases::default();
            let first = observed.is_free(&left, "d", now, TERM);
            prop_assert!(!first || !left.is_held());
            prop_assert!(observed.is_free(&left, "d", now + TERM, TERM));
        }
    }
}
