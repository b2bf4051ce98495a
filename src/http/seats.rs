//! How many connections one address has, and how many event streams one caller, so that nobody takes all there are.

use super::locks::Locks;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// How many places each has that has any.
pub struct Counts<K: Hash + Eq> {
    most: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// A counted place, until it is dropped.
pub struct Counted<K: Hash + Eq>(Arc<Counts<K>>, K);

/// Connections by address.
pub type Seats = Counts<IpAddr>;

/// A connection's place, until it is dropped; None is not counted.
pub struct Seat(#[allow(dead_code, reason = "held for its drop")] Option<Counted<IpAddr>>);

impl<K: Hash + Eq + Clone> Counts<K> {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// None: it has as many as it may.
    pub fn one_more(self: &Arc<Self>, key: K) -> Option<Counted<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(key.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Counted(self.clone(), key))
    }
}

impl Seats {
    /// None: this address has as many as it may. While all is open nobody counts, nor does a trusted proxy, which asks for
    /// many.
    pub fn take(self: &Arc<Self>, locks: &Locks, address: Option<IpAddr>) -> Option<Seat> {
        match address.filter(|address| !locks.is_open() && !locks.trusts(*address)) {
            Some(address) => {
                let counted = self.one_more(super::locks::network_of(address.to_canonical()))?;
                Some(Seat(Some(counted)))
            }
            None => Some(Seat(None)),
        }
    }
}

impl<K: Hash + Eq> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.1) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let seats = Seats::new(2);
        let address = |last| IpAddr::from([192, 0, 2, last]);
        let (first, second) = (seats.one_more(address(1)).unwrap(), seats.one_more(address(1)).unwrap());
        assert!(seats.one_more(address(1)).is_none());
        assert!(seats.one_more(address(2)).is_some(), "another address has its own");
        drop(first);
        let third = seats.one_more(address(1)).unwrap();
        drop((second, third));
        assert!(seats.taken.lock().unwrap().is_empty(), "nobody is remembered");
    }
}
