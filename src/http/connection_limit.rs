//! Limits per key, such as connections per address and event streams per caller, so that no client takes all of them.

use super::auth::Auth;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what each key holds, up to `most`.
pub struct KeyedLimit<K: Hash + Eq> {
    most: usize,
    slots: Mutex<HashMap<K, usize>>,
}

/// One counted use of a key; dropping the slot frees it.
pub struct LimitSlot<K: Hash + Eq>(Arc<KeyedLimit<K>>, K);

/// Connections by address.
pub type ConnectionLimit = KeyedLimit<IpAddr>;

/// The slot of one connection, freed when dropped; None if the connection is not counted.
pub struct ConnectionSlot(#[allow(dead_code, reason = "held for its drop")] Option<LimitSlot<IpAddr>>);

impl<K: Hash + Eq + Clone> KeyedLimit<K> {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, slots: Mutex::default() })
    }

    /// None once the key holds `most` slots.
    pub fn take_slot(self: &Arc<Self>, key: K) -> Option<LimitSlot<K>> {
        let mut taken = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(key.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(LimitSlot(self.clone(), key))
    }
}

impl ConnectionLimit {
    /// None once the address holds as many connections as allowed. Connections are not counted while the service is
    /// open to everybody, nor those of a trusted proxy, which serves many clients.
    pub fn take(self: &Arc<Self>, auth: &Auth, address: Option<IpAddr>) -> Option<ConnectionSlot> {
        match address.filter(|address| !auth.is_open() && !auth.trusts(*address)) {
            Some(address) => {
                let counted = self.take_slot(super::auth::network_of(address.to_canonical()))?;
                Some(ConnectionSlot(Some(counted)))
            }
            None => Some(ConnectionSlot(None)),
        }
    }
}

impl<K: Hash + Eq> Drop for LimitSlot<K> {
    fn drop(&mut self) {
        let mut taken = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
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
        let limit = ConnectionLimit::new(2);
        let address = |last| IpAddr::from([192, 0, 2, last]);
        let (first, second) = (limit.take_slot(address(1)).unwrap(), limit.take_slot(address(1)).unwrap());
        assert!(limit.take_slot(address(1)).is_none());
        assert!(limit.take_slot(address(2)).is_some(), "another address has its own");
        drop(first);
        let third = limit.take_slot(address(1)).unwrap();
        drop((second, third));
        assert!(limit.slots.lock().unwrap().is_empty(), "nobody is remembered");
    }
}
