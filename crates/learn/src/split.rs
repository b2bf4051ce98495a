//! Splits and folds: the rows that a model is fitted on, stopped early by and tested on. All choices are made by keyed
//! hashes or seeded shuffles of row numbers, never by the order of arrival alone.

pub mod rows;

use crate::error::LearnError;
use crate::sorting::sort_by;
use crate::temporal::LastYears;
use provost_domain::config::SplitKind;
use provost_domain::rng::{SplitMix64, mix};
use provost_predict::control::BLOCK;
use provost_predict::control::Control;
use std::collections::{BTreeMap, BTreeSet};

pub use rows::SplitRows;

const VALIDATION_STREAM: u64 = 0x7661_6c69;
const FOLD_STREAM: u64 = 0x666f_6c64;

/// Row numbers of the three parts, each ascending; no row is in two of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// Rows to fit on.
    pub train: Vec<u32>,
    /// Rows for early stopping.
    pub validation: Vec<u32>,
    /// Rows for evaluation alone.
    pub test: Vec<u32>,
    /// For a grouped split: the applicant of each row of `train`, so that folds keep applicants whole too.
    pub groups: Option<Vec<u64>>,
    /// The training part cut in time, where that is possible.
    pub latest: Option<LastYears>,
}

/// Splits rows into training, validation and test part.
///
/// `random`: within each class, applicants are ranked by a hash keyed with `salt`, and the test part takes the lowest
/// `ceil(test_size·n)` of the class's n rows: test parts of different sizes are nested, and growing data moves only the
/// rows about the cut. `grouped`: whole applicants, each counted in the class of most of its rows, until that many rows
/// are reached. `temporal`: the latest whole years, as many as come closest to `test_size` of the rows.
/// The validation part is drawn from the rest by `seed`: `ceil(validation_size·n)` of each class, whole applicants when
/// grouped.
///
/// # Errors
///
/// `Data` where a class has too few rows, or applicants, or the rows too few years, for three parts; or where the
/// fields of `rows` differ in length.
pub fn split(
    rows: &SplitRows<'_>,
    kind: SplitKind,
    test_size: f64,
    validation_size: f64,
    salt: u64,
    seed: u64,
) -> Result<Parts, LearnError> {
    let n = rows.labels.len();
    if rows.applicants.len() != n || rows.row_ids.len() != n || rows.years.len() != n {
        return Err(LearnError::Data(format!(
            "{n} labels, {} applicants, {} row ids and {} years",
            rows.applicants.len(),
            rows.row_ids.len(),
            rows.years.len()
        )));
    }
    let (all, size): (Vec<u32>, [usize; 2]) = ((0..n as u32).collect(), class_sizes(rows.labels));
    for (class, rows) in size.iter().enumerate() {
        if *rows < 4 {
            let word = ["rejected", "accepted"][class];
            return Err(LearnError::Data(format!("{rows} {word} rows: a split needs at least 4 of each class")));
        }
    }
    let salted = |key: u64| mix(mix(key ^ mix(salt)).wrapping_add(salt));
    let test = match kind {
        SplitKind::Random => take_rows(rows, &all, test_size, size, |row| {
            (salted(rows.applicants[row as usize]), rows.row_ids[row as usize])
        }),
        SplitKind::Grouped => take_applicants(rows, &all, test_size, size, salted),
        SplitKind::Temporal => take_years(rows, test_size)?,
    };
    let rest: Vec<u32> = all.into_iter().filter(|row| !test.contains(row)).collect();
    let drawn = |key: u64| SplitMix64::keyed(seed, &[VALIDATION_STREAM, key]).next_u64();
    let validation = match kind {
        SplitKind::Grouped => take_applicants(rows, &rest, validation_size, size, drawn),
        _ => take_rows(rows, &rest, validation_size, size, |row| {
            let id = rows.row_ids[row as usize];
            (drawn(id as u64 ^ mix((id >> 64) as u64)), id)
        }),
    };
    let train: Vec<u32> = rest.into_iter().filter(|row| !validation.contains(row)).collect();
    let groups = (kind == SplitKind::Grouped).then(|| train.iter().map(|r| rows.applicants[*r as usize]).collect());
    let validation = ascending(validation);
    let latest = LastYears::of(rows, &train, &validation);
    let parts = Parts { train, validation, test: ascending(test), groups, latest };
    for (name, part) in [("training", &parts.train), ("validation", &parts.validation), ("test", &parts.test)] {
        let positives = part.iter().filter(|r| rows.labels[**r as usize] == 1).count();
        if positives == 0 || positives == part.len() {
            return Err(LearnError::Data(format!(
                "the {name} part of a {kind} split has {} accepted of {} rows: both classes are needed in each part",
                positives,
                part.len()
            )));
        }
    }
    Ok(parts)
}

/// `k` stratified folds of `rows`: the held-out rows of each, ascending; of each class the folds' numbers of rows
/// differ by one at most. `y` has a label, 0 or 1, for each row of the dataset.
///
/// # Errors
///
/// `Data` where a class has fewer rows than folds, or `k` is below 2; `Stopped`.
pub fn stratified_folds(
    y: &[u8],
    rows: &[u32],
    k: u32,
    seed: u64,
    control: &Control,
) -> Result<Vec<Vec<u32>>, LearnError> {
    let mut folds = vec![Vec::new(); k as usize];
    let mut next = 0;
    for class in 0..2u8 {
        let mut of_class: Vec<u32> = Vec::new();
        control.in_blocks(rows, |rows| of_class.extend(rows.iter().filter(|r| y[**r as usize] == class)))?;
        check_folds(of_class.len(), "rows", class, k)?;
        sort_by(&mut of_class, u32::cmp, control)?;
        shuffle(&mut SplitMix64::keyed(seed, &[FOLD_STREAM, u64::from(class)]), &mut of_class, control)?;
        control.in_blocks(&of_class, |rows| {
            for row in rows {
                folds[next].push(*row);
                next = (next + 1) % k as usize;
            }
        })?;
    }
    folds.iter_mut().try_for_each(|fold| sort_by(fold, u32::cmp, control))?;
    Ok(folds)
}

/// As `stratified_folds`, but rows of one group (`groups[i]` is that of `rows[i]`) are held out together; a group
/// counts in the class of most of its rows. Larger groups are dealt first, each to the fold with the fewest rows of its
/// class.
///
/// # Errors
///
/// `Data` where a class has fewer groups than folds, a fold has a single class, or `k` is below 2; `Stopped`.
pub fn grouped_folds(
    y: &[u8],
    rows: &[u32],
    groups: &[u64],
    k: u32,
    seed: u64,
    control: &Control,
) -> Result<Vec<Vec<u32>>, LearnError> {
    let mut applicants = BTreeMap::<u64, Applicant>::new();
    let mut of_row = groups.iter();
    control.in_blocks(rows, |rows| {
        for (row, group) in rows.iter().zip(of_row.by_ref()) {
            applicants.entry(*group).or_default().add(*row, y);
        }
    })?;
    let mut folds = vec![Vec::new(); k as usize];
    for class in 0..2u8 {
        control.check()?;
        let mut of_class: Vec<&Applicant> = applicants.values().filter(|a| a.class() == class).collect();
        check_folds(of_class.len(), "applicants", class, k)?;
        shuffle(&mut SplitMix64::keyed(seed, &[FOLD_STREAM, u64::from(class)]), &mut of_class, control)?;
        sort_by(&mut of_class, |a, b| b.rows.len().cmp(&a.rows.len()), control)?;
        let mut sizes = vec![0usize; k as usize];
        control.in_blocks(&of_class, |applicants| {
            for applicant in applicants {
                let at = (0..sizes.len()).min_by_key(|f| (sizes[*f], *f)).unwrap_or_default();
                sizes[at] += applicant.rows.len();
                folds[at].extend(&applicant.rows);
            }
        })?;
    }
    folds.iter_mut().try_for_each(|fold| sort_by(fold, u32::cmp, control))?;
    match folds.iter().position(|f| class_sizes_of(y, f).contains(&0)) {
        Some(at) => Err(LearnError::Data(format!("fold {at} of {k}, of whole applicants, has a single class"))),
        None => Ok(folds),
    }
}

/// As `SplitMix64::shuffle`, with checks of the stop token in between.
pub(crate) fn shuffle<T>(random: &mut SplitMix64, items: &mut [T], control: &Control) -> Result<(), LearnError> {
    let mut end = items.len();
    while end > 0 {
        control.check()?;
        let from = end.saturating_sub(BLOCK);
        for i in (from.max(1)..end).rev() {
            items.swap(i, random.below(i as u32 + 1) as usize);
        }
        end = from;
    }
    Ok(())
}

/// Rows of `rows` that are not in `held`; both ascending.
pub fn without(rows: &[u32], held: &[u32]) -> Vec<u32> {
    let mut held = held.iter().peekable();
    let mut is_held = |row: u32| {
        while held.next_if(|other| **other < row).is_some() {}
        held.peek() == Some(&&row)
    };
    rows.iter().copied().filter(|row| !is_held(*row)).collect()
}

fn check_folds(found: usize, what: &str, class: u8, k: u32) -> Result<(), LearnError> {
    if k < 2 {
        return Err(LearnError::Data(format!("{k} folds: at least 2 are needed")));
    }
    if found < k as usize {
        let word = ["rejected", "accepted"][usize::from(class)];
        return Err(LearnError::Data(format!("{found} {word} {what} in the training part are fewer than {k} folds")));
    }
    Ok(())
}

fn ascending(rows: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut rows: Vec<u32> = rows.into_iter().collect();
    rows.sort_unstable();
    rows
}

fn class_sizes(labels: &[u8]) -> [usize; 2] {
    let positives = labels.iter().filter(|l| **l == 1).count();
    [labels.len() - positives, positives]
}

fn class_sizes_of(y: &[u8], rows: &[u32]) -> [usize; 2] {
    let positives = rows.iter().filter(|r| y[**r as usize] == 1).count();
    [rows.len() - positives, positives]
}

/// Number of a class's rows that a part takes. Subtracting 1e-9 keeps 0.15·100 at 15 rather than 16.
fn quota(share: f64, of: usize) -> usize {
    ((share * of as f64 - 1e-9).ceil().max(0.0)) as usize
}

/// The lowest-ranked rows of each class, up to its quota.
fn take_rows<K: Ord>(
    rows: &SplitRows<'_>,
    from: &[u32],
    share: f64,
    of: [usize; 2],
    rank: impl Fn(u32) -> K,
) -> BTreeSet<u32> {
    let mut taken = BTreeSet::new();
    for class in 0..2u8 {
        let mut ranked: Vec<(K, u32)> =
            from.iter().filter(|r| rows.labels[**r as usize] == class).map(|r| (rank(*r), *r)).collect();
        ranked.sort();
        taken.extend(ranked.into_iter().take(quota(share, of[usize::from(class)])).map(|(_, r)| r));
    }
    taken
}

#[derive(Default)]
struct Applicant {
    rows: Vec<u32>,
    positives: usize,
}

impl Applicant {
    fn add(&mut self, row: u32, y: &[u8]) {
        self.rows.push(row);
        self.positives += usize::from(y[row as usize] == 1);
    }
    /// The class of most of the applicant's rows; accepted where both are equally frequent.
    fn class(&self) -> u8 {
        u8::from(2 * self.positives >= self.rows.len())
    }
}

fn by_applicant(y: &[u8], rows: &[u32], group: impl Fn(usize) -> u64) -> BTreeMap<u64, Applicant> {
    let mut applicants = BTreeMap::<u64, Applicant>::new();
    for (i, row) in rows.iter().enumerate() {
        applicants.entry(group(i)).or_default().add(*row, y);
    }
    applicants
}

/// The lowest-ranked applicants of each class with all their rows, until the quota is reached.
fn take_applicants(
    rows: &SplitRows<'_>,
    from: &[u32],
    share: f64,
    of: [usize; 2],
    rank: impl Fn(u64) -> u64,
) -> BTreeSet<u32> {
    let applicants = by_applicant(rows.labels, from, |i| rows.applicants[from[i] as usize]);
    let mut taken = BTreeSet::new();
    for class in 0..2u8 {
        let mut ranked: Vec<(u64, u64)> =
            applicants.iter().filter(|(_, a)| a.class() == class).map(|(id, _)| (rank(*id), *id)).collect();
        ranked.sort_unstable();
        let mut missing = quota(share, of[usize::from(class)]) as i64;
        for (_, id) in ranked {
            if missing <= 0 {
                break;
            }
            let applicant = &applicants[&id];
            missing -= applicant.rows.len() as i64;
            taken.extend(&applicant.rows);
        }
    }
    taken
}

/// The latest whole years, as many as come closest to the share, with both classes on both sides of the cut.
fn take_years(rows: &SplitRows<'_>, share: f64) -> Result<BTreeSet<u32>, LearnError> {
    let mut years = BTreeMap::<i32, Vec<u32>>::new();
    for (row, year) in rows.years.iter().enumerate() {
        years.entry(*year).or_default().push(row as u32);
    }
    let (n, total) = (rows.labels.len(), class_sizes(rows.labels));
    let target = quota(share, n);
    let (mut later, mut seen, mut best) = (Vec::new(), [0usize; 2], None::<(usize, usize)>);
    // Rows of unknown year may not be later than the others: they are never in the test part.
    for (year, of_year) in years.iter().rev().filter(|(year, _)| **year != i32::MIN) {
        let _ = year;
        let sizes = class_sizes_of(rows.labels, of_year);
        later.extend(of_year);
        seen = [seen[0] + sizes[0], seen[1] + sizes[1]];
        let both = |s: [usize; 2]| s[0] > 0 && s[1] > 0;
        let distance = later.len().abs_diff(target);
        if both(seen) && both([total[0] - seen[0], total[1] - seen[1]]) && best.is_none_or(|(_, d)| distance < d) {
            best = Some((later.len(), distance));
        }
    }
    match best {
        Some((count, _)) => Ok(later.into_iter().take(count).collect()),
        None => {
            let known: Vec<String> = years.keys().filter(|y| **y != i32::MIN).map(i32::to_string).collect();
            Err(LearnError::Data(format!(
                "a temporal split needs earlier and later application years with both classes; found the years [{}]",
                known.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    struct Rows {
        labels: Vec<u8>,
        applicants: Vec<u64>,
        ids: Vec<u128>,
        years: Vec<i32>,
    }

    impl Rows {
        fn draw(n: usize, per_applicant: u32, seed: u64) -> Rows {
            let mut r = SplitMix64::new(seed);
            let mut rows = Rows { labels: vec![], applicants: vec![], ids: vec![], years: vec![] };
            for i in 0..n {
                rows.labels.push(u8::from(r.unit() < 0.4));
                rows.applicants.push(mix(u64::from(r.below((n as u32 / per_applicant).max(1)))));
                rows.ids.push(u128::from(mix(i as u64 + 1)) << 64 | u128::from(r.next_u64()));
                rows.years.push(2010 + r.below(8) as i32);
            }
            rows
        }
        fn view(&self, n: usize) -> SplitRows<'_> {
            SplitRows {
                labels: &self.labels[..n],
                applicants: &self.applicants[..n],
                row_ids: &self.ids[..n],
                years: &self.years[..n],
            }
        }
    }

    fn disjoint_and_whole(parts: &Parts, n: usize) {
        let mut all = [&parts.train[..], &parts.validation, &parts.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..n as u32).collect::<Vec<_>>());
        for part in [&parts.train, &parts.validation, &parts.test] {
            assert!(part.is_sorted());
        }
    }

    proptest! {
        #[test]
        fn random_split_is_stratified_nested_and_complete(n in 60usize..600, seed in 0u64..50, a in 10u32..=30, b in 10u32..=30) {
            let rows = Rows::draw(n, 2, seed);
            let (small, large) = (f64::from(a.min(b)) / 100.0, f64::from(a.max(b)) / 100.0);
            let one = split(&rows.view(n), SplitKind::Random, small, 0.15, 9, 42).unwrap();
            let two = split(&rows.view(n), SplitKind::Random, large, 0.2, 9, 7).unwrap();
            disjoint_and_whole(&one, n);
            disjoint_and_whole(&two, n);
            prop_assert!(one.test.iter().all(|r| two.test.binary_search(r).is_ok()));
            let classes = class_sizes(&rows.labels);
            prop_assert_eq!(class_sizes_of(&rows.labels, &one.test), classes.map(|c| quota(small, c)));
            prop_assert_eq!(class_sizes_of(&rows.labels, &one.validation), classes.map(|c| quota(0.15, c)));
        }

        #[test]
        fn grouped_split_and_folds_keep_applicants_whole(seed in 0u64..40, share in 10u32..=30) {
            let n = 400;
            let rows = Rows::draw(n, 4, seed);
            let share = f64::from(share) / 100.0;
            let parts = split(&rows.view(n), SplitKind::Grouped, share, 0.15, 3, 42).unwrap();
            disjoint_and_whole(&parts, n);
            let of = |part: &[u32]| part.iter().map(|r| rows.applicants[*r as usize]).collect::<BTreeSet<_>>();
            prop_assert!(of(&parts.train).is_disjoint(&of(&parts.test)));
            prop_assert!(of(&parts.train).is_disjoint(&of(&parts.validation)));
            prop_assert!(of(&parts.validation).is_disjoint(&of(&parts.test)));
            let groups = parts.groups.clone().unwrap();
            let folds = grouped_folds(&rows.labels, &parts.train, &groups, 5, 42, &Control::default()).unwrap();
            for (i, fold) in folds.iter().enumerate() {
                for other in &folds[i + 1..] {
                    prop_assert!(of(fold).is_disjoint(&of(other)));
                }
            }
            prop_assert_eq!(ascending(folds.concat()), parts.train.clone());
            let larger = split(&rows.view(n), SplitKind::Grouped, (share + 0.05).min(0.3), 0.15, 3, 42).unwrap();
            prop_assert!(parts.test.iter().all(|r| larger.test.contains(r)));
        }

        #[test]
        fn folds_hold_each_row_once_and_are_stratified(n in 40usize..300, k in 3u32..=10, seed in 0u64..20) {
            let rows = Rows::draw(n.max(60), 1, seed);
            let all: Vec<u32> = (0..rows.labels.len() as u32).filter(|r| r % 3 != 0).collect();
            let control = Control::default();
            let Ok(folds) = stratified_folds(&rows.labels, &all, k, seed, &control) else { return Ok(()) };
            prop_assert_eq!(ascending(folds.concat()), all.clone());
            let positives: Vec<usize> = folds.iter().map(|f| class_sizes_of(&rows.labels, f)[1]).collect();
            prop_assert!(positives.iter().max().unwrap() - positives.iter().min().unwrap() <= 1, "{:?}", positives);
            let mut backwards = all;
            backwards.reverse();
            prop_assert_eq!(stratified_folds(&rows.labels, &backwards, k, seed, &control).unwrap(), folds);
        }
    }

    #[test]
    fn the_test_part_is_stable_as_data_grows() {
        let rows = Rows::draw(4_000, 1, 5);
        let before = split(&rows.view(2_000), SplitKind::Random, 0.15, 0.15, 1, 42).unwrap();
        let after = split(&rows.view(4_000), SplitKind::Random, 0.15, 0.15, 1, 42).unwrap();
        let kept = before.test.iter().filter(|r| after.test.contains(r)).count();
        assert!(kept as f64 > 0.85 * before.test.len() as f64, "{kept} of {}", before.test.len());
        let salted = split(&rows.view(2_000), SplitKind::Random, 0.15, 0.15, 2, 42).unwrap();
        assert_ne!(salted.test, before.test);
        let reseeded = split(&rows.view(2_000), SplitKind::Random, 0.15, 0.15, 1, 43).unwrap();
        assert_eq!(reseeded.test, before.test);
        assert_ne!(reseeded.validation, before.validation);
    }

    #[test]
    fn a_shuffle_with_looks_is_the_one_without() {
        for n in [0, 1, 2, 100, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
            let (mut plain, mut looked): (Vec<usize>, Vec<usize>) = ((0..n).collect(), (0..n).collect());
            SplitMix64::new(4).shuffle(&mut plain);
            shuffle(&mut SplitMix64::new(4), &mut looked, &Control::default()).unwrap();
            assert!(plain == looked, "{n} items");
        }
    }

    #[test]
    fn temporal_trains_on_the_past_only() {
        let mut rows = Rows::draw(1_000, 1, 8);
        rows.years[3] = i32::MIN;
        let parts = split(&rows.view(1_000), SplitKind::Temporal, 0.2, 0.15, 1, 42).unwrap();
        disjoint_and_whole(&parts, 1_000);
        let earliest = parts.test.iter().map(|r| rows.years[*r as usize]).min().unwrap();
        assert!(parts.train.iter().chain(&parts.validation).all(|r| rows.years[*r as usize] < earliest));
        assert!((100..=330).contains(&parts.test.len()), "{}", parts.test.len());
        rows.years.fill(2016);
        let e = split(&rows.view(1_000), SplitKind::Temporal, 0.2, 0.15, 1, 42).unwrap_err().to_string();
        assert!(e.contains("[2016]"), "{e}");
    }

    #[test]
    fn too_little_data_is_named() {
        let rows = Rows { labels: vec![1, 0, 1, 0, 1], applicants: vec![1; 5], ids: vec![1; 5], years: vec![2020; 5] };
        let e = split(&rows.view(5), SplitKind::Random, 0.15, 0.15, 1, 1).unwrap_err().to_string();
        assert!(e.contains("2 rejected rows"), "{e}");
        let one = Rows { labels: vec![1; 9], applicants: vec![1; 9], ids: vec![1; 9], years: vec![2020; 9] };
        let e = split(&one.view(9), SplitKind::Random, 0.15, 0.15, 1, 1).unwrap_err().to_string();
        assert!(e.contains("0 rejected rows"), "{e}");
        let folds = stratified_folds(&[1, 0, 1, 1, 1, 0], &[0, 1, 2, 3, 4, 5], 3, 1, &Control::default());
        let e = folds.unwrap_err().to_string();
        assert!(e.contains("2 rejected rows") && e.contains("3 folds"), "{e}");
    }
}
