//! The rows that one tree is grown on.

use crate::error::LearnError;
use crate::prefetch::prefetch;
use provost_domain::rng::SplitMix64;
use provost_predict::control::BLOCK;
use provost_predict::control::Control;

/// A row, how often it was drawn, and its class.
#[derive(Clone, Copy, Default)]
pub struct Draw {
    pub row: u32,
    pub count: u16,
    pub label: u16,
}

/// Rows that are drawn before the first of them is counted, so that the memory accesses of their counts overlap.
const BATCH: usize = 64;

/// Draws as many rows as there are, with replacement; `draws` then holds each drawn row once, ascending.
///
/// # Errors
///
/// `Stopped`.
pub fn bootstrap(
    labels: &[u8],
    mut rng: SplitMix64,
    draws: &mut Vec<Draw>,
    control: &Control,
) -> Result<(), LearnError> {
    let n = labels.len();
    let mut counts = vec![0u16; n];
    let mut batch = [0; BATCH];
    let mut left = n;
    while left > 0 {
        if left % BLOCK < BATCH {
            control.check()?;
        }
        let batch = &mut batch[..left.min(BATCH)];
        for row in &mut *batch {
            *row = rng.below(n as u32) as usize;
            prefetch(&counts, *row);
        }
        for row in &*batch {
            counts[*row] = counts[*row].saturating_add(1);
        }
        left -= batch.len();
    }
    draws.clear();
    let drawn = counts.iter().zip(labels).zip(0..).filter(|((count, _), _)| **count > 0);
    draws.extend(drawn.map(|((count, label), row)| Draw { row, count: *count, label: u16::from(*label) }));
    Ok(control.check()?)
}

/// Every row once.
pub fn all(labels: &[u8], draws: &mut Vec<Draw>) {
    draws.clear();
    draws.extend(labels.iter().zip(0..).map(|(label, row)| Draw { row, count: 1, label: u16::from(*label) }));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_draw_is_counted_once() {
        for n in [1, 2, 63, 64, 65, 1000] {
            let labels: Vec<u8> = (0..n).map(|row| (row % 3 == 0).into()).collect();
            let (mut rng, mut counts) = (SplitMix64::new(3), vec![0; n]);
            (0..n).for_each(|_| counts[rng.below(n as u32) as usize] += 1);
            let mut draws = vec![Draw::default(); 5];
            bootstrap(&labels, SplitMix64::new(3), &mut draws, &Control::default()).unwrap();
            let mut left = draws.iter();
            for (row, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
                let found = left.next().map(|d| (d.row as usize, d.count, d.label));
                assert_eq!(found, Some((row, count, u16::from(labels[row]))));
            }
            assert!(left.next().is_none());
        }
    }
}
