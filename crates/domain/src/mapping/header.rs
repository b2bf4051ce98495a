//! The columns of a file, and how the names in a mapping find them.

use super::Column;
use crate::check::brief;
use crate::fields::did_you_mean;
use crate::names::folded;

/// Header names are compared without surrounding blanks.
pub fn tidy(name: &str) -> &str {
    name.trim_start_matches('\u{feff}').trim()
}

/// The columns of a file.
pub struct Header<'h> {
    pub names: Vec<&'h str>,
    /// Whether the names are the file's own.
    pub named: bool,
}

impl Header<'_> {
    pub fn all(&self) -> String {
        if self.named {
            format!("it has {}", brief(&self.names.join(", "), 200))
        } else {
            format!("it has no header and {} columns, from 0", self.names.len())
        }
    }

    pub fn find(&self, column: &Column) -> Result<usize, String> {
        let width = self.names.len();
        match column {
            Column::Number(n) if *n < width => Ok(*n),
            Column::Number(n) => Err(format!("the file has no column {n}; it has {width}, from 0")),
            Column::Name(name) if self.named => {
                let exact = self.places(|h| h == tidy(name));
                let loose = || self.places(|h| folded(h) == folded(name));
                let found = if exact.is_empty() { loose() } else { exact };
                match (found.as_slice(), name.trim().parse::<usize>()) {
                    ([one], _) => Ok(*one),
                    ([], Ok(number)) => Err(format!(
                        "the file has no column of the name `{name}`; {number} without quotes is the column of that number, and \
                         `header = false` says that the first row is data"
                    )),
                    ([first, second, ..], _) => Err(format!(
                        "the file has column `{name}` twice, as numbers {first} and {second} (from 0); the number says which"
                    )),
                    ([], Err(_)) => {
                        let hint = did_you_mean(name, self.names.iter().copied());
                        let has = if hint.is_empty() { format!("; {}", self.all()) } else { String::new() };
                        Err(format!("the file has no column `{name}`{hint}{has}"))
                    }
                }
            }
            Column::Name(name) => match name.trim().parse::<usize>() {
                Ok(number) => self.find(&Column::Number(number)),
                Err(_) => {
                    Err(format!("`{name}` is a name, and the file has no header; a column's number from 0 is allowed"))
                }
            },
        }
    }

    fn places(&self, is: impl Fn(&str) -> bool) -> Vec<usize> {
        (0..self.names.len()).filter(|i| is(self.names[*i])).collect()
    }
}
