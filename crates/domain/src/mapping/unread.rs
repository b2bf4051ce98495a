//! Columns and members of objects that belong to no field.

/// A column that no field is read from, or such a member by its dotted path.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unread {
    /// The column as the file names it.
    pub column: String,
    /// The field whose name is most similar, if any is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::visible::line(&self.column))?;
        match &self.nearest {
            Some(field) => write!(f, " (did you mean `{field}`?)"),
            None => Ok(()),
        }
    }
}

/// Maximum number of columns that one text names.
const SHOWN: usize = 20;

/// The names of the first columns, and the number of the others; `more` is added to that number.
pub fn listed(unread: &[Unread], more: u64) -> String {
    let mut names: Vec<String> = unread.iter().take(SHOWN).map(Unread::to_string).collect();
    let more = more + unread.len().saturating_sub(SHOWN) as u64;
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_named_and_the_others_counted() {
        let unread = |n: usize| -> Vec<Unread> {
            (0..n).map(|i| Unread { column: format!("c{i}"), nearest: (i == 1).then(|| "gpa".to_owned()) }).collect()
        };
        assert_eq!(listed(&unread(2), 0), "c0, c1 (did you mean `gpa`?)");
        assert_eq!(listed(&unread(1), 7), "c0, and 7 more");
        let long = listed(&unread(25), 7);
        assert!(long.ends_with("c19, and 12 more") && !long.contains("c20"), "{long}");
        let forged = [Unread { column: "a\n  done".to_owned(), nearest: None }];
        assert_eq!(listed(&forged, 0), r"a\n  done");
    }
}
