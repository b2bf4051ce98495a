//! Groups a node's rows by the bins of one column, in ascending order, for the sweep. The functions return true if the
//! column varies.

use super::sample::Draw;
use super::sweep::{Count, Packed, Sweep};
use crate::prefetch::{AHEAD, prefetch};
use multiversion::multiversion;

/// Up to this many rows are sorted instead of counted in bins.
pub const SMALL: usize = 32;
/// Bits of a key that hold a row's place.
const PLACES: u32 = SMALL.next_power_of_two().ilog2();

/// For each key, how many of the first `len` keys are smaller; no branch that could be mispredicted.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn ranks(keys: &[i16; SMALL], len: usize) -> [i16; SMALL] {
    let mut ranks = [0i16; SMALL];
    for key in &keys[..len] {
        for at in 0..SMALL {
            ranks[at] += i16::from(*key < keys[at]);
        }
    }
    ranks
}

/// For few rows: sorts them.
pub fn sort(rows: &[Draw], codes: &[u16], missing: usize, sweep: &mut Sweep) -> bool {
    // Code and place in one number, so that no two keys are equal; signed, because vector instructions compare signed
    // numbers.
    let mut keys = [i16::MAX; SMALL];
    for ((key, draw), place) in keys.iter_mut().zip(rows).zip(0..) {
        *key = (((codes[draw.row as usize] << PLACES) | place) ^ 0x8000) as i16;
    }
    let ranks = ranks(&keys, rows.len());
    let mut sorted = [(0u16, Packed::default()); SMALL];
    for ((rank, key), draw) in ranks.iter().zip(keys).zip(rows) {
        sorted[*rank as usize] = ((key as u16 ^ 0x8000) >> PLACES, Packed::of(*draw));
    }
    let sorted = &sorted[..rows.len()];
    let (Some((first, _)), Some((last, _))) = (sorted.first(), sorted.last()) else { return false };
    if first == last {
        return false;
    }
    if usize::from(*last) == missing {
        let mut absent = Packed::default();
        sorted.iter().rev().take_while(|(code, _)| code == last).for_each(|(_, t)| absent.add(*t));
        sweep.missing = absent.tally();
    }
    let (mut bin, mut here) = (*first, Packed::default());
    for (code, of) in sorted {
        if *code != bin {
            sweep.step(usize::from(bin), here.tally());
            (bin, here) = (*code, Packed::default());
        }
        here.add(*of);
    }
    sweep.step(usize::from(bin), here.tally());
    true
}

/// For more rows: counts them by bin. `counts` has a place for every bin and for missing values, and is empty before
/// and after.
pub fn count<C: Count>(
    rows: &[Draw],
    codes: &[u16],
    counts: &mut [C],
    occupied: &mut [u64],
    missing: usize,
    sweep: &mut Sweep,
) -> bool {
    let words = missing / 64 + 1;
    let (counts, occupied) = (&mut counts[..=missing], &mut occupied[..words]);
    if rows.len() >= missing {
        for (at, draw) in rows.iter().enumerate() {
            if let Some(next) = rows.get(at + AHEAD) {
                prefetch(codes, next.row as usize);
            }
            counts[usize::from(codes[draw.row as usize])].add(C::of(*draw));
        }
        occupied.fill(!0);
        occupied[words - 1] = !0 >> (63 - missing % 64);
    } else {
        occupied.fill(0);
        for (at, draw) in rows.iter().enumerate() {
            if let Some(next) = rows.get(at + AHEAD) {
                prefetch(codes, next.row as usize);
            }
            let code = usize::from(codes[draw.row as usize]);
            counts[code].add(C::of(*draw));
            occupied[code / 64] |= 1 << (code % 64);
        }
    }
    sweep.missing = counts[missing].tally();
    let mut groups = 0;
    for (word, bits) in occupied.iter().enumerate() {
        let mut bits = *bits;
        while bits != 0 {
            let bin = word * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let here = std::mem::take(&mut counts[bin]);
            if here != C::default() {
                groups += 1;
                sweep.step(bin, here.tally());
            }
        }
    }
    groups > 1
}

#[cfg(test)]
mod tests {
    use super::super::sweep::Tally;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorted_rows_are_those_counted(
            given in prop::collection::vec((0u16..=1024, 1u16..9, 0u16..2), 1..=SMALL), kinds in 1u16..40, missing in 1u16..=1024,
        ) {
            // Few bins among the highest and lowest there are, so that some are equal.
            let codes: Vec<u16> = given.iter().map(|(code, ..)| if code % 3 == 0 { missing } else { code % kinds % missing }).collect();
            let rows: Vec<Draw> = given.iter().zip(0..).map(|((_, count, label), row)| Draw { row, count: *count, label: *label }).collect();
            let missing = usize::from(missing);
            let mut sweeps = [Sweep::new(1025), Sweep::new(1025), Sweep::new(1025)];
            let [sorted, packed, plain] = &mut sweeps;
            let (mut occupied, mut of_packed, mut of_plain) = ([0; 17], [Packed::default(); 1025], [Tally::default(); 1025]);
            for sweep in [&mut *sorted, &mut *packed, &mut *plain] {
                sweep.start();
            }
            let varies = sort(&rows, &codes, missing, sorted);
            prop_assert_eq!(count(&rows, &codes, &mut of_packed, &mut occupied, missing, packed), varies);
            prop_assert_eq!(count(&rows, &codes, &mut of_plain, &mut occupied, missing, plain), varies);
            prop_assert!(of_packed.iter().all(|c| *c == Packed::default()) && of_plain.iter().all(|c| *c == Tally::default()));
            prop_assert_eq!(packed.steps(), plain.steps());
            if varies {
                prop_assert_eq!(sorted.steps(), plain.steps());
            }
        }
    }

    #[test]
    fn ranks_are_places() {
        let mut keys = [i16::MAX; SMALL];
        keys[..5].copy_from_slice(&[3, i16::MIN, 31, -7, 0]);
        assert_eq!(ranks(&keys, 5)[..5], [3, 0, 4, 1, 2]);
    }
}
