//! Records that could not be read. Lists leave such a record out and return the others; the log names it once, and the store's
//! health reports it until it is read successfully, or the process restarts.

use crate::error::{Result, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Unreadable records that are remembered, at most.
const MOST: usize = 100;

/// The unreadable records of one store. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Damage(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Name of the record to the line that callers may see.
    named: BTreeMap<String, String>,
    /// The log has said that there are more than [`MOST`].
    told_of_others: bool,
}

impl Damage {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the record that a `Corrupt` error names; other errors are ignored.
    pub fn note(&self, error: &StoreError) {
        let StoreError::Corrupt { what, .. } = error else { return };
        let mut known = self.lock();
        if known.named.len() < MOST {
            if known.named.insert(what.clone(), error.for_callers()).is_none() {
                tracing::error!(%error, "a record cannot be read");
            }
        } else if !known.named.contains_key(what) && !std::mem::replace(&mut known.told_of_others, true) {
            tracing::error!(%error, "a record cannot be read; more than {MOST} cannot, and only the first {MOST} are named");
        }
    }

    /// Forgets a record that can be read again.
    pub fn repaired(&self, what: &str) {
        self.lock().named.remove(what);
    }

    /// The record, or None if it is corrupt, which is remembered. Other errors are returned.
    pub fn left_out<T>(&self, what: &str, read: Result<T>) -> Result<Option<T>> {
        match read {
            Ok(record) => {
                self.repaired(what);
                Ok(Some(record))
            }
            Err(error @ StoreError::Corrupt { .. }) => {
                self.note(&error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// One line for each unreadable record.
    pub fn tell(&self) -> Vec<String> {
        self.lock().named.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn corrupt(what: &str) -> StoreError {
        StoreError::Corrupt { what: what.to_owned(), why: "a text of the database".to_owned() }
    }

    #[test]
    fn a_record_that_cannot_be_read_is_kept_in_mind_until_it_can() {
        let damage = Damage::default();
        assert_eq!(damage.left_out("job a", Ok(1)).unwrap(), Some(1));
        assert_eq!(damage.left_out::<u8>("job b", Err(corrupt("job b"))).unwrap(), None);
        assert_eq!(damage.tell(), ["job b is corrupt"]);
        assert!(damage.left_out::<u8>("job c", Err(StoreError::Unavailable(String::new()))).is_err());
        assert_eq!(damage.left_out("job b", Ok(2)).unwrap(), Some(2));
        assert!(damage.tell().is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let damage = Damage::default();
        for n in 0..2 * MOST {
            damage.note(&corrupt(&format!("job {n}")));
        }
        assert_eq!(damage.tell().len(), MOST);
        assert!(damage.lock().told_of_others);
    }
}
