//! Shallow trees for many rows: all tests of a tree are made at once.
//!
//! Values are coded as places among the model's own thresholds of their feature, one byte each, so that a row fits into one
//! vector of 16 bytes. One shuffle puts the value that each of a tree's 31 tests looks at beside its threshold, one
//! comparison answers them all, and the answers' bits lead to the leaf by two look-ups. Needs AVX2; elsewhere, and for deeper
//! trees or more features, rows walk.

use super::Tree;

/// Tests of a tree of full depth.
const DEPTH: usize = 5;
const TESTS: usize = (1 << DEPTH) - 1;
const LEAVES: usize = 1 << DEPTH;
/// Codes of a row.
const SLOTS: usize = 16;
/// No code is above: the test that always leads left.
const ALWAYS: i8 = i8::MAX;

/// Where the tests of a tree lie among its bits: the first three levels in breadth, then each of their eight ends with its
/// own two levels.
fn place(level: usize, at: usize) -> usize {
    match level {
        0..=2 => (1 << level) - 1 + at,
        3 => 7 + 3 * at,
        _ => 7 + 3 * (at / 2) + 1 + at % 2,
    }
}

/// Thresholds of one feature; missing values are below or above them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    feature: u32,
    missing_left: bool,
}

#[repr(C, align(32))]
#[derive(Clone)]
struct Tests {
    /// Which of the row's codes.
    slots: [u8; 32],
    /// What leads right is above.
    limits: [i8; 32],
    leaves: [f32; LEAVES],
}

/// A model of trees in this form.
pub struct Quick {
    slots: Vec<(Slot, Vec<f32>)>,
    trees: Vec<Tests>,
}

/// Where the bits of the first three levels, and of the last two, lead.
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
    /// None where the trees, or the processor, do not fit.
    pub fn new(trees: &[Tree]) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        let fits = std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(target_arch = "x86_64"))]
        let fits = false;
        if fits { Self::of(trees) } else { None }
    }

    fn of(trees: &[Tree]) -> Option<Self> {
        let mut slots: Vec<(Slot, Vec<f32>)> = Vec::new();
        for node in trees.iter().flatten().filter(|n| n.child != 0) {
            let slot = Slot { feature: node.test >> 1, missing_left: node.test & 1 == 1 };
            match slots.iter().position(|(known, _)| *known == slot) {
                Some(at) => slots[at].1.push(node.value),
                None if slots.len() == SLOTS => return None,
                None => slots.push((slot, vec![node.value])),
            }
        }
        slots.sort_by_key(|(slot, _)| *slot);
        for (_, thresholds) in &mut slots {
            thresholds.sort_unstable_by(f32::total_cmp);
            // As numbers: -0 is 0.
            thresholds.dedup_by(|a, b| a == b);
            // Codes from -127 to 126, and -128 and 127 for what is missing.
            if thresholds.len() > 253 {
                return None;
            }
        }
        let trees = trees.iter().map(|tree| Tests::of(tree, &slots)).collect::<Option<_>>()?;
        Some(Self { slots, trees })
    }

    /// The codes of each row, feature by feature, so that its thresholds stay at hand. `rows` holds `width` values per row.
    pub fn codes(&self, rows: &[f32], width: usize) -> Vec<[i8; SLOTS]> {
        let mut codes = vec![[0; SLOTS]; rows.len() / width];
        for (at, (slot, thresholds)) in self.slots.iter().enumerate() {
            for (codes, row) in codes.iter_mut().zip(rows.chunks_exact(width)) {
                let v = row[slot.feature as usize];
                codes[at] = match (v.is_nan(), slot.missing_left) {
                    (true, true) => i8::MIN,
                    (true, false) => i8::MAX,
                    (false, _) => (below(thresholds, v) as i32 - 127) as i8,
                };
            }
        }
        codes
    }

    /// Adds the values of trees `from..to` to each row's sum, in tree order.
    pub fn add<S: super::Sum>(&self, codes: &[[i8; SLOTS]], from: usize, to: usize, sums: &mut [S]) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `new` has made sure of AVX2.
        unsafe {
            add_avx2(&self.trees[from..to], codes, sums);
        }
        #[cfg(not(target_arch = "x86_64"))]
        for (codes, sum) in codes.iter().zip(sums) {
            self.trees[from..to].iter().for_each(|tree| *sum = sum.plus(tree.value(codes)));
        }
    }
}

/// How many of the ascending thresholds are below `v`; without a branch.
#[inline]
fn below(thresholds: &[f32], v: f32) -> usize {
    let (mut from, mut left) = (0, thresholds.len());
    while left > 1 {
        let half = left / 2;
        from += usize::from(thresholds[from + half - 1] < v) * half;
        left -= half;
    }
    from + usize::from(thresholds.get(from).is_some_and(|t| *t < v))
}

impl Tests {
    fn of(tree: &Tree, slots: &[(Slot, Vec<f32>)]) -> Option<Self> {
        let mut tests = Self { slots: [0; 32], limits: [ALWAYS; 32], leaves: [0.0; LEAVES] };
        let mut parts = vec![(0usize, 0usize, 0usize)];
        while let Some((node, level, at)) = parts.pop() {
            let of = tree[node];
            let Some(child) = of.child() else {
                // Tests below a leaf lead left.
                let width = DEPTH - level;
                tests.leaves[at << width] = of.value;
                continue;
            };
            if level == DEPTH {
                return None;
            }
            let slot = Slot { feature: of.test >> 1, missing_left: of.test & 1 == 1 };
            let found = slots.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
            let limit = slots[found].1.partition_point(|t| *t < of.value);
            tests.slots[place(level, at)] = found as u8;
            tests.limits[place(level, at)] = (limit as i32 - 127) as i8;
            parts.push((child, level + 1, 2 * at));
            parts.push((child + 1, level + 1, 2 * at + 1));
        }
        Some(tests)
    }

    /// One test at a time, as the vectors do it.
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

/// Tree by tree, so that its tests stay in registers for all rows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_avx2<S: super::Sum>(trees: &[Tests], codes: &[[i8; SLOTS]], sums: &mut [S]) {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm256_broadcastsi128_si256, _mm256_cmpgt_epi8, _mm256_load_si256, _mm256_movemask_epi8,
        _mm256_shuffle_epi8,
    };
    for tree in trees {
        // SAFETY: the two are the first members of `Tests`, 32 bytes each, and it is aligned to 32.
        let (slots, limits) =
            unsafe { (_mm256_load_si256(tree.slots.as_ptr().cast()), _mm256_load_si256(tree.limits.as_ptr().cast())) };
        for (codes, sum) in codes.iter().zip(sums.iter_mut()) {
            // SAFETY: 16 bytes.
            let row = unsafe { _mm_loadu_si128(codes.as_ptr().cast()) };
            let values = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(row), slots);
            let right = _mm256_movemask_epi8(_mm256_cmpgt_epi8(values, limits)) as u32;
            *sum = sum.plus(tree.leaf(right));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::super::{Node, add};
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
        fn every_row_ends_in_the_leaf_that_it_walks_to(seed in 0u64..500, depth in 0u32..=5, features in 1u32..=8) {
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
            let quick = Quick::of(&trees).unwrap();
            let codes = quick.codes(&rows, width);
            let mut walked = vec![0.0f64; 40];
            trees.iter().for_each(|tree| add(tree, &rows, width, &mut walked));
            let slow: Vec<f64> =
                codes.iter().map(|c| quick.trees.iter().map(|t| f64::from(t.value(c))).fold(0.0, |a, b| a + b)).collect();
            prop_assert_eq!(&slow, &walked);
            if let Some(quick) = Quick::new(&trees) {
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
        assert!(Quick::of(&deep).is_none());
        let wide: Vec<Tree> =
            (0..17).map(|f| vec![Node::split(f, 0.5, false, 1), Node::leaf(0.0), Node::leaf(1.0)]).collect();
        assert!(Quick::of(&wide).is_none() && Quick::of(&wide[..16]).is_some());
        let fine: Vec<Tree> =
            (0..254).map(|t| vec![Node::split(0, t as f32, false, 1), Node::leaf(0.0), Node::leaf(1.0)]).collect();
        assert!(Quick::of(&fine).is_none() && Quick::of(&fine[..253]).is_some());
    }
}
