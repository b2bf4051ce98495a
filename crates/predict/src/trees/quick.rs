//! Shallow trees for many rows: all tests of a tree are evaluated at once.
//!
//! A value is coded as its rank among the model's own thresholds of its feature, in one byte, so that a row fits into
//! one vector of 16 bytes, or into two. (A feature has two codes if missing values go left in some tests and right in
//! others.) For each of a tree's 31 tests, one shuffle of each vector places the code that is tested beside the test's
//! threshold. One comparison answers all tests, and two table look-ups find the leaf from the bits of the answers. This
//! needs AVX2; on other processors, and for deeper trees or more features, rows walk the trees.
//!
//! With one vector each tree takes 23 instructions per row: 2 million rows per second through 300 trees are 14 · 10^9
//! instructions per second on one core. Memory is not the bottleneck (a row has 32 bytes, a tree 192): only fewer
//! instructions would be faster.

use super::{Node, Tree};

/// Depth of the deepest tree that has this form.
const DEPTH: usize = 5;
#[cfg(any(test, not(target_arch = "x86_64")))]
const TESTS: usize = (1 << DEPTH) - 1;
const LEAVES: usize = 1 << DEPTH;
/// Codes per row, and those that fit into one vector.
const SLOTS: usize = 32;
const NARROW: usize = 16;
/// The greatest code. A test with this limit always leads left.
const ALWAYS: i8 = i8::MAX;

/// The index of the test at position `at` of a level: the first three levels in breadth-first order, then for each of
/// the eight nodes below them its own two levels.
fn place(level: usize, at: usize) -> usize {
    match level {
        0..=2 => (1 << level) - 1 + at,
        3 => 7 + 3 * at,
        _ => 7 + 3 * (at / 2) + 1 + at % 2,
    }
}

/// One coded feature. Missing values are ordered below or above all its thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    feature: u32,
    missing_left: bool,
}

impl Slot {
    fn of(node: &Node, missing: &[bool]) -> Self {
        let feature = node.test >> 1;
        Self { feature, missing_left: node.test & 1 == 1 && missing[feature as usize] }
    }
}

/// The code of a rank from 0 to 255; codes have the same order.
fn code(place: usize) -> i8 {
    (place as i32 - 128) as i8
}

#[repr(C, align(32))]
#[derive(Clone)]
struct Tests {
    /// For each test, the index of the code that is tested.
    slots: [u8; 32],
    /// For each test, its limit: a greater code leads right.
    limits: [i8; 32],
    leaves: [f32; LEAVES],
}

/// The trees of a model in this form.
pub struct Quick {
    slots: Vec<(Slot, Vec<f32>)>,
    trees: Vec<Tests>,
}

/// Tables from the answers of the first three levels, and of the last two, to the position that they lead to.
static TOP: [u8; 128] = top();
static REST: [u8; 8] = rest();

const fn top() -> [u8; 128] {
    let mut table = [0; 128];
    let mut bits = 0;
    while bits < 128 {
        let first = bits & 1;
        let second = bits >> (1 + first) & 1;
        let third = bits >> (3 + 2 * first + second) & 1;
        table[bits] = (4 * first + 2 * second + third) as u8;
        bits += 1;
    }
    table
}

const fn rest() -> [u8; 8] {
    let mut table = [0; 8];
    let mut bits = 0;
    while bits < 8 {
        let first = bits & 1;
        table[bits] = (2 * first + (bits >> (1 + first) & 1)) as u8;
        bits += 1;
    }
    table
}

impl Quick {
    /// Converts trees for rows in which the columns marked in `missing`, and no others, have missing values. None if
    /// the trees or the processor do not fit.
    pub fn new(trees: &[Tree], missing: &[bool]) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        let fits = std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(target_arch = "x86_64"))]
        let fits = false;
        if fits { Self::of(trees, missing) } else { None }
    }

    fn of(trees: &[Tree], missing: &[bool]) -> Option<Self> {
        let mut slots: Vec<(Slot, Vec<f32>)> = Vec::new();
        for node in trees.iter().flatten().filter(|n| n.child != 0) {
            let slot = Slot::of(node, missing);
            match slots.iter().position(|(known, _)| *known == slot) {
                Some(at) => slots[at].1.push(node.value),
                None if slots.len() == SLOTS => return None,
                None => slots.push((slot, vec![node.value])),
            }
        }
        slots.sort_by_key(|(slot, _)| *slot);
        for (_, thresholds) in &mut slots {
            thresholds.sort_unstable_by(f32::total_cmp);
            // Compared as numbers, so that -0 equals 0.
            thresholds.dedup_by(|a, b| a == b);
            // There is one code more than thresholds. Missing values have the lowest or the highest code.
            if thresholds.len() > 255 {
                return None;
            }
        }
        let trees = trees.iter().map(|tree| Tests::of(tree, &slots, missing)).collect::<Option<_>>()?;
        Some(Self { slots, trees })
    }

    /// The codes of each row, computed feature by feature, so that a feature's thresholds stay in the cache. `rows`
    /// holds `width` values per row.
    pub fn codes(&self, rows: &[f32], width: usize) -> Vec<[i8; SLOTS]> {
        let mut codes = vec![[0; SLOTS]; rows.len() / width];
        for (at, (slot, thresholds)) in self.slots.iter().enumerate() {
            let mut ladder = [f32::INFINITY; 256];
            ladder[..thresholds.len()].copy_from_slice(thresholds);
            let missing = if slot.missing_left { 0 } else { thresholds.len() as u8 };
            let feature = slot.feature as usize;
            for (codes, rows) in codes.chunks_mut(ABREAST).zip(rows.chunks(ABREAST * width)) {
                let mut values = [0.0; ABREAST];
                values.iter_mut().zip(rows.chunks_exact(width)).for_each(|(v, row)| *v = row[feature]);
                let below = below(&ladder, &values);
                for ((codes, below), v) in codes.iter_mut().zip(below).zip(values) {
                    codes[at] = code(usize::from(if v.is_nan() { missing } else { below }));
                }
            }
        }
        codes
    }

    /// Adds the values of trees `from..to` to each row's sum, in tree order.
    pub fn add<S: super::Sum>(&self, codes: &[[i8; SLOTS]], from: usize, to: usize, sums: &mut [S]) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `new` has made sure of AVX2.
        unsafe {
            if self.slots.len() <= NARROW {
                add_avx2::<S, false>(&self.trees[from..to], codes, sums);
            } else {
                add_avx2::<S, true>(&self.trees[from..to], codes, sums);
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        for (codes, sum) in codes.iter().zip(sums) {
            self.trees[from..to].iter().for_each(|tree| *sum = sum.plus(tree.value(codes)));
        }
    }
}

/// Rows whose binary searches run side by side.
const ABREAST: usize = 8;

/// For each value, the number of thresholds below it, by a binary search of eight steps without a branch. Thresholds
/// are ascending, and the last one is infinite.
#[inline]
fn below(ladder: &[f32; 256], values: &[f32; ABREAST]) -> [u8; ABREAST] {
    let mut places = [0u8; ABREAST];
    for step in (0..8).rev() {
        let half = 1u8 << step;
        for (place, v) in places.iter_mut().zip(values) {
            // Bits below `half` are still 0: nothing overflows.
            let probe = *place | (half - 1);
            *place |= if ladder[usize::from(probe)] < *v { half } else { 0 };
        }
    }
    places
}

impl Tests {
    fn of(tree: &Tree, slots: &[(Slot, Vec<f32>)], missing: &[bool]) -> Option<Self> {
        let mut tests = Self { slots: [0; 32], limits: [ALWAYS; 32], leaves: [0.0; LEAVES] };
        let mut parts = vec![(0usize, 0usize, 0usize)];
        while let Some((node, level, at)) = parts.pop() {
            let of = tree[node];
            let Some(child) = of.child() else {
                // Tests below a leaf have the limit `ALWAYS` and lead left.
                let width = DEPTH - level;
                tests.leaves[at << width] = of.value;
                continue;
            };
            if level == DEPTH {
                return None;
            }
            let slot = Slot::of(&of, missing);
            let found = slots.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
            let limit = slots[found].1.partition_point(|t| *t < of.value);
            tests.slots[place(level, at)] = found as u8;
            tests.limits[place(level, at)] = code(limit);
            parts.push((child, level + 1, 2 * at));
            parts.push((child + 1, level + 1, 2 * at + 1));
        }
        Some(tests)
    }

    /// The value of a tree, one test at a time, as the vector instructions compute it.
    #[cfg(any(test, not(target_arch = "x86_64")))]
    fn value(&self, codes: &[i8; SLOTS]) -> f32 {
        let right = |i: usize| u32::from(codes[usize::from(self.slots[i])] > self.limits[i]) << i;
        self.leaf((0..TESTS).map(right).sum())
    }

    #[inline(always)]
    fn leaf(&self, right: u32) -> f32 {
        let top = usize::from(TOP[(right & 127) as usize]);
        let rest = usize::from(REST[(right >> (7 + 3 * top) & 7) as usize]);
        self.leaves[4 * top + rest]
    }
}

/// Adds tree by tree, so that a tree's tests stay in registers for all rows. `WIDE`: the rows' codes need two vectors.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_avx2<S: super::Sum, const WIDE: bool>(trees: &[Tests], codes: &[[i8; SLOTS]], sums: &mut [S]) {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm256_add_epi8, _mm256_broadcastsi128_si256, _mm256_cmpgt_epi8, _mm256_load_si256,
        _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_shuffle_epi8,
    };
    for tree in trees {
        // SAFETY: the two are the first members of `Tests`, 32 bytes each, and it is aligned to 32.
        let (slots, limits) =
            unsafe { (_mm256_load_si256(tree.slots.as_ptr().cast()), _mm256_load_si256(tree.limits.as_ptr().cast())) };
        // A shuffle answers 0 for an index with its highest bit set: 16 to 31 become such in `first`, 0 to 15 in `second`.
        let first = if WIDE { _mm256_add_epi8(slots, _mm256_set1_epi8(0x70)) } else { slots };
        let second = _mm256_add_epi8(slots, _mm256_set1_epi8(-16));
        for (codes, sum) in codes.iter().zip(sums.iter_mut()) {
            let (low, high) = codes.split_at(NARROW);
            // SAFETY: 16 bytes.
            let row = unsafe { _mm_loadu_si128(low.as_ptr().cast()) };
            let mut values = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(row), first);
            if WIDE {
                // SAFETY: 16 bytes.
                let row = unsafe { _mm_loadu_si128(high.as_ptr().cast()) };
                values = _mm256_or_si256(values, _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(row), second));
            }
            let right = _mm256_movemask_epi8(_mm256_cmpgt_epi8(values, limits)) as u32;
            *sum = sum.plus(tree.leaf(right));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::super::add;
    use super::*;
    use proptest::prelude::*;
    use provost_domain::rng::SplitMix64;

    /// A tree whose thresholds are among few values, so that rows meet them exactly.
    fn tree(r: &mut SplitMix64, depth: u32, features: u32) -> Tree {
        let mut nodes = vec![Node::leaf(0.0)];
        let mut parts = vec![(0usize, 0u32)];
        while let Some((at, level)) = parts.pop() {
            if level == depth || r.unit() < 0.15 {
                nodes[at] = Node::leaf(r.normal() as f32);
                continue;
            }
            let (feature, threshold) = (r.below(features) as usize, r.below(9) as f32 - 4.0);
            nodes[at] =
                Node::split(feature, if threshold == -4.0 { f32::MAX } else { threshold }, r.unit() < 0.5, nodes.len());
            parts.extend([(nodes.len(), level + 1), (nodes.len() + 1, level + 1)]);
            nodes.extend([Node::leaf(0.0); 2]);
        }
        nodes
    }

    proptest! {
        #[test]
        fn every_row_ends_in_the_leaf_that_it_walks_to(seed in 0u64..500, depth in 0u32..=5, features in 1u32..=16) {
            let mut r = SplitMix64::new(seed);
            let trees: Vec<Tree> = (0..7).map(|_| tree(&mut r, depth, features)).collect();
            let width = features as usize;
            let value = |r: &mut SplitMix64| match r.below(8) {
                0 => f32::NAN,
                1 => f32::MAX,
                2 => -0.0,
                _ => r.below(19) as f32 / 2.0 - 4.5,
            };
            let rows: Vec<f32> = (0..40 * width).map(|_| value(&mut r)).collect();
            let quick = Quick::of(&trees, &[true; 16]).unwrap();
            let codes = quick.codes(&rows, width);
            let mut walked = vec![0.0f64; 40];
            trees.iter().for_each(|tree| add(tree, &rows, width, &mut walked));
            let slow: Vec<f64> =
                codes.iter().map(|c| quick.trees.iter().map(|t| f64::from(t.value(c))).fold(0.0, |a, b| a + b)).collect();
            prop_assert_eq!(&slow, &walked);
            if let Some(quick) = Quick::new(&trees, &[true; 16]) {
                let mut sums = vec![0.0f64; 40];
                quick.add(&codes, 0, 3, &mut sums);
                quick.add(&codes, 3, 7, &mut sums);
                prop_assert_eq!(&sums, &walked);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_walking() {
        let mut r = SplitMix64::new(1);
        let deep = (0..20).map(|_| tree(&mut r, 9, 3)).collect::<Vec<_>>();
        assert!(Quick::of(&deep, &[true; 3]).is_none());
        let wide: Vec<Tree> =
            (0..33).map(|f| vec![Node::split(f, 0.5, false, 1), Node::leaf(0.0), Node::leaf(1.0)]).collect();
        assert!(Quick::of(&wide, &[true; 33]).is_none() && Quick::of(&wide[..32], &[true; 33]).is_some());
        let both =
            |f: usize| [false, true].map(|left| vec![Node::split(f, 0.5, left, 1), Node::leaf(0.0), Node::leaf(1.0)]);
        let ways: Vec<Tree> = (0..20).flat_map(both).collect();
        let few: Vec<bool> = (0..20).map(|f| f < 12).collect();
        assert!(Quick::of(&ways, &[true; 20]).is_none() && Quick::of(&ways, &few).is_some());
        let fine: Vec<Tree> =
            (0..256).map(|t| vec![Node::split(0, t as f32, false, 1), Node::leaf(0.0), Node::leaf(1.0)]).collect();
        assert!(Quick::of(&fine, &[true]).is_none() && Quick::of(&fine[..255], &[true]).is_some());
    }
}
