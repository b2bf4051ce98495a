//! Test support: named places that fail on demand. In service no place is armed, and a hit costs one lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Places by name: `fit` and `fit:ALGORITHM` (the fit thread), `jobs`, `loader`, `trainer` and so on (an actor's handler).
#[derive(Debug, Clone, Default)]
pub struct Failpoints(Arc<Mutex<BTreeMap<String, u32>>>);

impl Failpoints {
    /// The next `times` hits of `place` panic.
    pub fn arm(&self, place: &str, times: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place.to_owned(), times);
    }

    /// How many hits of `place` are still to panic.
    pub fn left(&self, place: &str) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(place).copied().unwrap_or(0)
    }

    /// Panics if the place is armed.
    pub fn hit(&self, place: &str) {
        let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = armed.get_mut(place).filter(|left| **left > 0) else { return };
        *left -= 1;
        drop(armed);
        panic!("failpoint {place}");
    }
}
