//! How many connections one address has, so that nobody takes all there are.

use super::locks::Locks;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

pub struct Seats {
    most: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place, until it is dropped.
pub struct Seat(Option<(Arc<Seats>, IpAddr)>);

impl Seats {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// None: this address has as many as it may. While all is open nobody counts, nor does a trusted proxy, which asks for
    /// many.
    pub fn take(self: &Arc<Self>, locks: &Locks, address: Option<IpAddr>) -> Option<Seat> {
        match address.filter(|address| !locks.is_open() && !locks.trusts(*address)) {
            Some(address) => self.seat(super::locks::network_of(address.to_canonical())),
            None => Some(Seat(None)),
        }
    }

    fn seat(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Seat(Some((self.clone(), address))))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((seats, address)) = self.0.take() else { return };
        let mut taken = seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&address);
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
        let (first, second) = (seats.seat(address(1)).unwrap(), seats.seat(address(1)).unwrap());
        assert!(seats.seat(address(1)).is_none());
        assert!(seats.seat(address(2)).is_some(), "another address has its own");
        drop(first);
        let third = seats.seat(address(1)).unwrap();
        drop((second, third));
        assert!(seats.taken.lock().unwrap().is_empty(), "nobody is remembered");
    }
}
