//! Whose entries leave a log that is full: those of the callers that have the most, so that nobody pushes out the entries of others.

/// How many of the oldest entries of each caller are removed, so that `keep` are left in all, but at most `limit`. Those who have the
/// most come down to one level; who has less than an equal share loses nothing.
pub fn surplus_of<C: Ord>(mut counts: Vec<(C, u64)>, keep: u64, limit: u64) -> Vec<(C, u64)> {
    let all: u64 = counts.iter().map(|(_, entries)| entries).sum();
    let surplus = all.saturating_sub(keep).min(limit);
    if surplus == 0 {
        return Vec::new();
    }
    counts.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
    // The first so many come down to the number of the next one, until that is enough. One that has as many as the level, or one more, may
    // keep all.
    let (mut above, mut of_these) = (0u64, 0u64);
    for (_, entries) in &counts {
        if of_these - above * entries >= surplus {
            break;
        }
        above += 1;
        of_these += entries;
    }
    let left = of_these - surplus;
    let (level, more) = (left / above, left % above);
    let mut removed = Vec::new();
    for (at, (caller, entries)) in (0..above).zip(counts) {
        let kept = level + u64::from(at >= above - more);
        let gone = entries.saturating_sub(kept);
        if gone > 0 {
            removed.push((caller, gone));
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_with_the_most_come_down_to_one_level() {
        let of = |counts: [u64; 3], keep, limit| {
            let [a, b, c] = counts;
            surplus_of(vec![("a", a), ("b", b), ("c", c)], keep, limit)
        };
        assert_eq!(of([5, 3, 2], 10, 99), [], "nothing is too many");
        assert_eq!(of([9, 3, 2], 10, 99), [("a", 4)], "the others keep theirs");
        assert_eq!(of([9, 3, 2], 10, 2), [("a", 2)], "a step is bounded");
        assert_eq!(of([2, 7, 9], 10, 99), [("c", 5), ("b", 3)]);
        assert_eq!(of([2, 7, 9], 11, 99), [("c", 5), ("b", 2)], "what does not divide is kept by the last");
        assert_eq!(of([4, 4, 4], 3, 99), [("a", 3), ("b", 3), ("c", 3)]);
        assert_eq!(of([4, 4, 4], 11, 99), [("a", 1)]);
        assert_eq!(of([4, 0, 1], 0, 99), [("a", 4), ("c", 1)]);
        assert_eq!(of([0, 0, 0], 0, 99), []);
    }

    #[test]
    fn as_much_is_removed_as_is_too_much_and_nobody_below_the_level_loses() {
        for keep in 0..40 {
            for limit in 0..40 {
                let counts = vec![('a', 11), ('b', 1), ('c', 7), ('d', 7), ('e', 0), ('f', 12)];
                let removed = surplus_of(counts.clone(), keep, limit);
                let all: u64 = removed.iter().map(|(_, entries)| entries).sum();
                assert_eq!(all, 38u64.saturating_sub(keep).min(limit), "keep {keep}, limit {limit}");
                let left = |caller: char, had: u64| {
                    had - removed.iter().find(|(of, _)| *of == caller).map_or(0, |(_, entries)| *entries)
                };
                let most = counts.iter().map(|(caller, had)| left(*caller, *had)).max().unwrap_or_default();
                assert!(removed.iter().all(|(_, entries)| *entries > 0));
                let lost = counts.iter().filter(|(caller, had)| left(*caller, *had) < *had);
                assert!(
                    lost.clone().all(|(caller, had)| left(*caller, *had) + 1 >= most),
                    "keep {keep}, limit {limit}"
                );
            }
        }
    }
}
