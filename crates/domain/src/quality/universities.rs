//! Counts of points by university: all are counted, and as many universities are named as a response may hold.

use crate::limits::{SPELLING_BYTES, SPELLINGS, UNIVERSITIES, UNIVERSITY_BYTES};
use crate::names::{category, tidy};
use std::collections::BTreeMap;

/// Fewer points than this from one university are too few to judge it by.
pub const MINIMUM: u64 = 50;

/// Bounds on the names that are kept and reported.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Maximum number of spellings that are kept.
    pub spellings: usize,
    /// Maximum number of bytes of all kept spellings.
    pub spelling_bytes: usize,
    /// Maximum number of names that are reported.
    pub named: usize,
    /// Maximum number of bytes of all reported names.
    pub named_bytes: usize,
}

impl Bounds {
    /// The bounds for one source of rows.
    pub const OF_A_SOURCE: Self = Self {
        spellings: SPELLINGS,
        spelling_bytes: SPELLING_BYTES,
        named: UNIVERSITIES,
        named_bytes: UNIVERSITY_BYTES,
    };
}

/// Counts points by university, one name at a time.
#[derive(Debug, Clone)]
pub struct Universities {
    bounds: Bounds,
    /// Points by the name as it is spelt.
    spellings: BTreeMap<String, u64>,
    bytes: usize,
    /// Points whose names are not kept because a bound was reached.
    beyond: u64,
}

/// What a report says of the universities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// Points by name, for the universities with the most points.
    pub points: BTreeMap<String, u64>,
    /// Universities with fewer than [`MINIMUM`] points, whether they are named or not.
    pub small: usize,
    /// Sentences about universities that are not named.
    pub warnings: Vec<String>,
}

impl Default for Universities {
    fn default() -> Self {
        Self::new(Bounds::OF_A_SOURCE)
    }
}

impl Universities {
    /// Counts without any point.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, spellings: BTreeMap::new(), bytes: 0, beyond: 0 }
    }

    /// Adds a point of the university with this name.
    pub fn add(&mut self, name: &str) {
        if let Some(points) = self.spellings.get_mut(name) {
            *points += 1;
        } else if self.spellings.len() < self.bounds.spellings && self.bytes + name.len() <= self.bounds.spelling_bytes
        {
            self.bytes += name.len();
            self.spellings.insert(name.to_owned(), 1);
        } else {
            self.beyond += 1;
        }
    }

    /// The names to report.
    pub fn named(&self) -> Named {
        let mut all: Vec<(String, u64)> = self.by_category().collect();
        all.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        let small = all.iter().filter(|(_, points)| *points < MINIMUM).count();
        let mut bytes = 0;
        let fits = |(name, _): &&(String, u64)| {
            bytes += name.len();
            bytes <= self.bounds.named_bytes
        };
        let named = all.iter().take(self.bounds.named).take_while(fits).count();
        let mut warnings = Vec::new();
        if named < all.len() {
            let others: u64 = all[named..].iter().map(|(_, points)| points).sum();
            warnings.push(format!(
                "samples_by_university and universities_below_threshold name the {named} universities with the most samples; the \
                 other {} have {others} samples",
                all.len() - named
            ));
        }
        if self.beyond > 0 {
            warnings.push(format!(
                "{} samples have further names of universities: the first {} different names are counted",
                self.beyond,
                self.spellings.len()
            ));
        }
        all.truncate(named);
        Named { points: all.into_iter().collect(), small, warnings }
    }

    /// Points by university. The spellings of one name are counted together under the most frequent of them; of equally
    /// frequent ones, under the first in alphabetical order.
    fn by_category(&self) -> impl Iterator<Item = (String, u64)> {
        let mut names: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for (spelling, count) in &self.spellings {
            let category = category(spelling);
            // A name without a letter or a digit is no name.
            if !category.is_empty() {
                *names.entry(category).or_default().entry(tidy(spelling).into_owned()).or_default() += count;
            }
        }
        let shown = |spellings: BTreeMap<String, u64>| {
            let all = spellings.values().sum();
            let most = spellings.into_iter().rev().max_by_key(|(_, count)| *count);
            most.map(|(spelling, _)| (spelling, all))
        };
        names.into_values().filter_map(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(bounds: Bounds, names: &[&str]) -> Named {
        let mut all = Universities::new(bounds);
        names.iter().for_each(|name| all.add(name));
        all.named()
    }

    const WIDE: Bounds = Bounds { spellings: 9, spelling_bytes: 99, named: 9, named_bytes: 99 };

    #[test]
    fn the_largest_are_named_and_the_others_counted() {
        let names = ["a", "b", "b", "c", "c", "c", "d", "d"];
        let named = counted(Bounds { named: 2, ..WIDE }, &names);
        assert_eq!(named.points, BTreeMap::from([("c".to_owned(), 3), ("b".to_owned(), 2)]));
        assert_eq!((named.small, named.warnings.len()), (4, 1));
        assert!(
            named.warnings[0].contains("the 2 universities") && named.warnings[0].contains("other 2 have 3 samples")
        );
        let by_bytes = counted(Bounds { named_bytes: 3, ..WIDE }, &["long", "long", "x", "y"]);
        assert!(by_bytes.points.is_empty(), "what does not fit is not passed over for a smaller one: {by_bytes:?}");
        assert!(counted(WIDE, &names).warnings.is_empty());
    }

    #[test]
    fn names_beyond_the_bound_are_counted_together() {
        for bounds in [Bounds { spellings: 2, ..WIDE }, Bounds { spelling_bytes: 2, ..WIDE }] {
            let named = counted(bounds, &["a", "b", "c", "c", "a"]);
            assert_eq!(named.points, BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)]));
            assert_eq!(
                named.warnings,
                ["2 samples have further names of universities: the first 2 different names are counted"]
            );
        }
    }
}
