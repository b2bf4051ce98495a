//! Sorts very many items in pieces, with a check of the stop token between them.

use crate::error::LearnError;
use provost_predict::control::Control;
use rayon::prelude::*;
use std::cmp::Ordering;

/// Items that are sorted in one go, and merged between two checks of the stop token: this takes some milliseconds.
const PIECE: usize = 1 << 16;

/// As the stable `slice::sort_by`, on all threads of rayon's current pool.
///
/// # Errors
///
/// `Stopped`; the order of `items` is then unspecified.
pub fn sort_by<T: Copy + Send + Sync>(
    items: &mut Vec<T>,
    compare: impl Fn(&T, &T) -> Ordering + Sync,
    control: &Control,
) -> Result<(), LearnError> {
    control.check()?;
    if items.len() <= PIECE {
        items.sort_by(compare);
        return Ok(());
    }
    items.par_chunks_mut(PIECE).try_for_each(|piece| {
        control.check()?;
        piece.sort_by(&compare);
        Ok::<(), LearnError>(())
    })?;
    let (mut other, mut run) = (items.clone(), PIECE);
    while run < items.len() {
        let pairs = items.par_chunks(2 * run).zip(other.par_chunks_mut(2 * run));
        pairs.try_for_each(|(pair, to)| {
            let (first, second) = pair.split_at(run.min(pair.len()));
            merge(first, second, to, &compare, control)
        })?;
        std::mem::swap(items, &mut other);
        run *= 2;
    }
    Ok(())
}

fn merge<'i, T: Copy>(
    mut first: &'i [T],
    mut second: &'i [T],
    to: &mut [T],
    compare: impl Fn(&T, &T) -> Ordering,
    control: &Control,
) -> Result<(), LearnError> {
    for to in to.chunks_mut(PIECE) {
        control.check()?;
        for to in to {
            let from = match (first.first(), second.first()) {
                (Some(a), Some(b)) if compare(a, b) == Ordering::Greater => &mut second,
                (Some(_), _) => &mut first,
                (None, _) => &mut second,
            };
            let Some((next, rest)) = from.split_first() else { break };
            (*to, *from) = (*next, rest);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testdata::on_threads;
    use provost_domain::rng::SplitMix64;
    use provost_predict::control::StopReason;
    use provost_predict::control::Token;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    fn drawn(n: usize, kinds: u32) -> Vec<(u32, u32)> {
        let mut rng = SplitMix64::new(n as u64);
        (0..n as u32).map(|place| (rng.below(kinds), place)).collect()
    }

    #[test]
    fn equal_items_keep_their_order_on_any_number_of_threads() {
        for n in [0, 1, 2, PIECE, PIECE + 1, 3 * PIECE, 5 * PIECE + 77] {
            for kinds in [3, u32::MAX] {
                let mut plain = drawn(n, kinds);
                plain.sort_by_key(|(key, _)| *key);
                for threads in [1, 3] {
                    let mut items = drawn(n, kinds);
                    let sort = || sort_by(&mut items, |a, b| a.0.cmp(&b.0), &Control::default());
                    on_threads(threads, sort).unwrap();
                    assert!(items == plain, "{n} items of {kinds} kinds on {threads} threads");
                }
            }
        }
    }

    #[test]
    fn a_cancel_at_any_look_ends_the_sort() {
        let sort = |at: usize| {
            let (looks, token) = (Arc::new(AtomicUsize::new(0)), Token::new());
            let (seen, tripped) = (looks.clone(), token.clone());
            let observer = Arc::new(move || {
                if seen.fetch_add(1, Relaxed) == at {
                    tripped.trip(StopReason::Cancelled);
                }
            });
            let control = Control { token: token.observed_by(observer), ..Control::default() };
            let mut items = drawn(6 * PIECE, u32::MAX);
            let sorted = on_threads(1, || sort_by(&mut items, |a, b| a.0.cmp(&b.0), &control));
            (sorted, looks.load(Relaxed))
        };
        let (whole, looks) = sort(usize::MAX);
        whole.unwrap();
        // One at the start, one for each piece, and one for each piece of the three merges.
        assert_eq!(looks, 1 + 6 + 3 * 6);
        for at in 0..looks {
            let (stopped, seen) = sort(at);
            assert!(matches!(stopped, Err(LearnError::Stopped(StopReason::Cancelled))));
            assert_eq!(seen, at + 1, "one thread ends at the look that hears it");
        }
    }
}
