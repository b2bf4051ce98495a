//! Limits how many answers are kept for each source of requests. A repeated request without a kept answer is predicted
//! again, with the same prediction ids.

use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::limits;
use provost_store::{ResponseStore, ResponsesHeld, StoreError};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// After this time the counts are read from the store again, because kept answers expire there.
const FRESH: TimeDelta = TimeDelta::minutes(1);
/// How many sources are remembered; the least recently used are forgotten.
const SOURCES: usize = 1_000;

/// The number and bytes of one source's kept answers, and when they were read from the store.
#[derive(Debug, Clone, Copy)]
struct Held {
    keys: u64,
    bytes: u64,
    read_at: DateTime<Utc>,
}

/// The kept answers of each source, by the name of its owner in the store.
#[derive(Debug, Default)]
pub struct KeptAnswers(Mutex<BTreeMap<String, Held>>);

impl KeptAnswers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an answer of this many bytes may be kept for this owner; if so, it is counted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn admit(
        &self,
        store: &dyn ResponseStore,
        owner: &str,
        bytes: usize,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let is_known = self.lock().get(owner).is_some_and(|held| (now - held.read_at).abs() < FRESH);
        if !is_known {
            let ResponsesHeld { keys, bytes, .. } = store.responses_held(owner, now).await?;
            let mut all = self.lock();
            if all.len() >= SOURCES
                && let Some(oldest) = all.iter().min_by_key(|(_, held)| held.read_at).map(|(owner, _)| owner.clone())
            {
                all.remove(&oldest);
            }
            all.insert(owner.to_owned(), Held { keys, bytes, read_at: now });
        }
        Ok(self.lock().get_mut(owner).is_some_and(|held| held.take(bytes as u64)))
    }
}

impl Held {
    fn take(&mut self, bytes: u64) -> bool {
        let (keys, bytes) = (self.keys + 1, self.bytes.saturating_add(bytes));
        let fits = keys <= limits::IDEMPOTENCY_KEYS as u64 && bytes <= limits::IDEMPOTENCY_BYTES as u64;
        if fits {
            (self.keys, self.bytes) = (keys, bytes);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_so_many_answers_and_bytes() {
        let read_at = DateTime::UNIX_EPOCH;
        let mut held = Held { keys: limits::IDEMPOTENCY_KEYS as u64 - 1, bytes: 0, read_at };
        assert!(held.take(1));
        assert!(!held.take(1), "too many keys");
        let mut held = Held { keys: 0, bytes: limits::IDEMPOTENCY_BYTES as u64 - 10, read_at };
        assert!(!held.take(11) && held.keys == 0);
        assert!(held.take(10));
    }
}
