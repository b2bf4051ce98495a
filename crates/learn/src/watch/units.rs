//! Rows by applicant: whole applicants are permuted and sampled.

use provost_domain::rng::SplitMix64;

/// Rows of whole applicants, those of one applicant next to each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Units {
    /// Row numbers, by applicant.
    pub rows: Vec<u32>,
    /// Where the rows of each applicant end.
    pub ends: Vec<u32>,
}

impl Units {
    /// As many whole applicants as have `most` rows together, in an order that the seed and the applicants' numbers
    /// decide; an applicant with more rows than there is room for is skipped. All rows, where there are not more than
    /// `most`.
    pub(super) fn sampled(applicants: &[u64], most: usize, seed: u64) -> Self {
        let key = |applicant: u64| SplitMix64::keyed(seed, &[applicant]).next_u64();
        let mut order: Vec<(u64, u64, u32)> =
            applicants.iter().zip(0..).map(|(applicant, row)| (key(*applicant), *applicant, row)).collect();
        order.sort_unstable();
        let mut units = Self::default();
        for unit in order.chunk_by(|a, b| a.1 == b.1) {
            if units.rows.len() + unit.len() <= most {
                units.rows.extend(unit.iter().map(|(_, _, row)| row));
                units.ends.push(units.rows.len() as u32);
            }
        }
        units
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn applicants_stay_whole(applicants in prop::collection::vec(0u64..40, 0..300), most in 0usize..400, seed in 0u64..9) {
            let units = Units::sampled(&applicants, most, seed);
            prop_assert!(units.rows.len() <= most);
            let (mut seen, mut start) = (std::collections::BTreeSet::new(), 0);
            for end in &units.ends {
                let rows = &units.rows[start..*end as usize];
                let applicant = applicants[rows[0] as usize];
                prop_assert!(rows.iter().all(|row| applicants[*row as usize] == applicant));
                prop_assert_eq!(rows.len(), applicants.iter().filter(|a| **a == applicant).count());
                prop_assert!(seen.insert(applicant));
                start = *end as usize;
            }
            prop_assert_eq!(start, units.rows.len());
            if most >= applicants.len() {
                prop_assert_eq!(units.rows.len(), applicants.len());
            }
        }
    }
}
