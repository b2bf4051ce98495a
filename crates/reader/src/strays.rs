//! Members of JSON objects that no field is read from, collected row by row: without a mapping all of them, with one those
//! that the head of the file does not have.

use provost_domain::mapping::{Unread, unread_member};
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// How many names are kept.
const LISTED: usize = 100;
/// How many more names are counted, by their hashes.
const COUNTED: usize = 100_000;

/// Distinct names in the order of their first row: the first hundred, and the number of further ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strays {
    listed: Vec<String>,
    beside: HashSet<u64>,
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl Strays {
    pub(crate) fn add(&mut self, name: &str) {
        if self.listed.iter().any(|known| known == name) {
            return;
        }
        if self.listed.len() < LISTED {
            self.listed.push(name.to_owned());
        } else if self.beside.len() < COUNTED {
            self.beside.insert(hash(name));
        }
    }

    /// Adds the names of later rows.
    pub fn extend(&mut self, following: Self) {
        for name in &following.listed {
            self.add(name);
        }
        let known: HashSet<u64> = self.listed.iter().map(|name| hash(name)).collect();
        for beside in following.beside {
            if self.beside.len() < COUNTED && !known.contains(&beside) {
                self.beside.insert(beside);
            }
        }
    }

    /// Appends the names to the columns that the head of the file showed; returns how many further names there are.
    pub fn append_to(self, unread: &mut Vec<Unread>) -> u64 {
        unread.extend(self.listed.iter().map(|name| unread_member(name)));
        self.beside.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_in_order_and_counted_however_the_rows_are_cut() {
        let names: Vec<String> = (0..300).map(|i| format!("m{}", i * 7 % 250)).collect();
        let mut whole = Strays::default();
        names.iter().for_each(|name| whole.add(name));
        for size in [1, 7, 120, 299] {
            let mut cut = Strays::default();
            for chunk in names.chunks(size) {
                let mut part = Strays::default();
                chunk.iter().for_each(|name| part.add(name));
                cut.extend(part);
            }
            assert_eq!(cut, whole, "{size}");
        }
        let mut unread = Vec::new();
        assert_eq!(whole.append_to(&mut unread), 150);
        assert_eq!((unread.len(), unread[1].column.as_str()), (100, "m7"));
    }

    #[test]
    fn the_names_of_a_hostile_file_are_bounded() {
        let mut strays = Strays::default();
        (0..COUNTED + 1000).for_each(|i| strays.add(&i.to_string()));
        let mut other = Strays::default();
        (0..500).for_each(|i| other.add(&format!("x{i}")));
        strays.extend(other);
        assert_eq!((strays.listed.len(), strays.beside.len()), (LISTED, COUNTED));
    }
}
