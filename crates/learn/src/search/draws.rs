//! Random draws from a search space, each point at most once, without listing the space.

use super::space::Space;
use crate::error::LearnError;
use crate::params::CheckedParams;
use provost_domain::rng::SplitMix64;
use provost_predict::control::Control;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

const STREAM: u64 = 0x6472_6177;
/// Spaces of up to this many points are drawn from in the order of a shuffle. From larger ones points are drawn
/// independently, at most this many times.
const SHUFFLED: u64 = 1 << 20;
/// Places of the shuffle that are computed together: at first, and at most.
const FIRST_PLACES: u32 = 1 << 10;
const MOST_PLACES: u32 = 1 << 16;
/// Steps between two checks of the stop token.
const LOOK: u32 = 1 << 12;

/// Draws up to `iterations` candidates that lead to different models, in the order of the draws.
///
/// # Errors
///
/// `Stopped`; `Params` where the learner refuses a combination of values.
pub fn drawn(
    space: &Space<'_>,
    iterations: u32,
    seed: u64,
    control: &Control,
) -> Result<Vec<CheckedParams>, LearnError> {
    let wanted = usize::try_from(space.candidates().min(u128::from(iterations))).unwrap_or(usize::MAX);
    distinct(space, wanted, seed, control, |point| space.model(point))
}

/// As [`drawn`], but points that lead to the same model count as different, as in scikit-learn's sampler.
///
/// # Errors
///
/// As [`drawn`].
pub fn drawn_points(
    space: &Space<'_>,
    iterations: u32,
    seed: u64,
    control: &Control,
) -> Result<Vec<CheckedParams>, LearnError> {
    distinct(space, iterations as usize, seed, control, |point| point.iter().map(|at| *at as u32).collect())
}

fn distinct(
    space: &Space<'_>,
    wanted: usize,
    seed: u64,
    control: &Control,
    name: impl Fn(&[usize]) -> Vec<u32>,
) -> Result<Vec<CheckedParams>, LearnError> {
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    let mut draws = Draws::new(space, seed);
    while found.len() < wanted {
        control.check()?;
        let Some(point) = draws.next(control)? else { break };
        if seen.insert(name(&point)) {
            found.push(space.params(&point)?);
        }
    }
    Ok(found)
}

/// Points in a random order.
struct Draws<'s> {
    space: &'s Space<'s>,
    random: SplitMix64,
    order: Order,
}

enum Order {
    /// Each point once, in the order of a shuffle.
    Shuffled(Shuffled),
    /// A random number for each whole point. Repeats are possible and, in so large a space, rare.
    Numbers { size: u64, left: u64 },
    /// A random number for each parameter: there are more points than 64-bit numbers.
    Digits { left: u64 },
}

impl<'s> Draws<'s> {
    fn new(space: &'s Space<'s>, seed: u64) -> Self {
        let order = match space.points().and_then(|size| u64::try_from(size).ok()) {
            Some(size) if size <= SHUFFLED => Order::Shuffled(Shuffled::new(size as u32)),
            Some(size) => Order::Numbers { size, left: SHUFFLED },
            None => Order::Digits { left: SHUFFLED },
        };
        Self { space, random: SplitMix64::keyed(seed, &[STREAM]), order }
    }

    fn next(&mut self, control: &Control) -> Result<Option<Vec<usize>>, LearnError> {
        match &mut self.order {
            Order::Shuffled(shuffled) => {
                Ok(shuffled.next(&self.random, control)?.map(|i| self.space.point(u128::from(i))))
            }
            Order::Numbers { left: 0, .. } | Order::Digits { left: 0 } => Ok(None),
            Order::Numbers { size, left } => {
                *left -= 1;
                Ok(Some(self.space.point(u128::from(self.random.next_u64() % *size))))
            }
            Order::Digits { left } => {
                *left -= 1;
                Ok(Some(self.space.lengths().map(|n| (self.random.next_u64() % n as u64) as usize).collect()))
            }
        }
    }
}

/// The numbers `0..size` in the order of `SplitMix64::shuffle`.
struct Shuffled {
    size: u32,
    /// The places of `items` in that order.
    places: Range<u32>,
    items: std::vec::IntoIter<u32>,
}

impl Shuffled {
    fn new(size: u32) -> Self {
        Self { size, places: 0..0, items: Vec::new().into_iter() }
    }

    fn next(&mut self, random: &SplitMix64, control: &Control) -> Result<Option<u32>, LearnError> {
        if self.items.len() == 0 {
            let most = (2 * self.places.len() as u32).clamp(FIRST_PLACES, MOST_PLACES);
            self.places = self.places.end..self.size.min(self.places.end + most);
            self.items = shuffled(random, self.size, self.places.clone(), control)?.into_iter();
        }
        Ok(self.items.next())
    }
}

/// The items at `places` after `random` has shuffled `0..size`. The shuffle swaps place `i` with a drawn place `j <=
/// i`, for `i` from the last down to 1. Here the swaps are undone in reverse order, from `i = 1`, and each of `places`
/// is followed to the place that its item came from. Time grows with `size`, memory with `places`.
fn shuffled(random: &SplitMix64, size: u32, places: Range<u32>, control: &Control) -> Result<Vec<u32>, LearnError> {
    let mut followed: HashMap<u32, usize> = places.clone().enumerate().map(|(slot, place)| (place, slot)).collect();
    if !places.is_empty() {
        for i in 1..size {
            if i % LOOK == 0 {
                control.check()?;
            }
            let j = random.below_after(u64::from(size - 1 - i), i + 1);
            if i == j {
                continue;
            }
            // A place at or beyond `places.end` cannot be followed yet: so far, items were followed to places below `i`
            // only.
            let from_i = if i < places.end { followed.remove(&i) } else { None };
            if let Some(slot) = followed.remove(&j) {
                followed.insert(i, slot);
            }
            if let Some(slot) = from_i {
                followed.insert(j, slot);
            }
        }
    }
    let mut items = vec![0; places.len()];
    followed.into_iter().for_each(|(item, slot)| items[slot] = item);
    Ok(items)
}

#[cfg(test)]
mod tests;
