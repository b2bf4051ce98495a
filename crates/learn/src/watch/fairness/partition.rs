//! Groups of rows by an attribute, and by a pair of attributes.

use provost_domain::fairness::PAIR;
use std::collections::BTreeMap;

/// An attribute of the rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuditColumn {
    /// The attribute's name.
    pub name: String,
    /// The groups' names.
    pub words: Vec<String>,
    /// The group of each row, an index into `words`; None where the row does not have the attribute.
    pub groups: Vec<Option<u32>>,
}

/// Rows by group.
pub struct Partition {
    pub name: String,
    pub words: Vec<String>,
    pub groups: Vec<Option<u32>>,
}

/// Each column, and each pair of columns that some row has both of.
pub fn all(columns: &[AuditColumn]) -> Vec<Partition> {
    let single =
        columns.iter().map(|c| Partition { name: c.name.clone(), words: c.words.clone(), groups: c.groups.clone() });
    let pairs = columns.iter().enumerate().flat_map(|(i, a)| columns[i + 1..].iter().map(move |b| pair(a, b)));
    single.chain(pairs.filter(|pair| !pair.words.is_empty())).collect()
}

fn pair(a: &AuditColumn, b: &AuditColumn) -> Partition {
    let both = |(a, b): (&Option<u32>, &Option<u32>)| Some(((*a)?, (*b)?));
    let found: Vec<Option<(u32, u32)>> = a.groups.iter().zip(&b.groups).map(both).collect();
    let mut numbers: BTreeMap<(u32, u32), u32> = found.iter().flatten().map(|pair| (*pair, 0)).collect();
    for (number, place) in (0..).zip(numbers.values_mut()) {
        *place = number;
    }
    let word = |of: &AuditColumn, group: u32| of.words.get(group as usize).cloned().unwrap_or_default();
    Partition {
        name: format!("{}{PAIR}{}", a.name, b.name),
        words: numbers.keys().map(|(x, y)| format!("{}{PAIR}{}", word(a, *x), word(b, *y))).collect(),
        groups: found.iter().map(|pair| pair.and_then(|pair| numbers.get(&pair).copied())).collect(),
    }
}
