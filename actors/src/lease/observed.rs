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
}
