//! Prefixes of ids, as people type them.

use crate::error::{Error, Result};
use provost_domain::visible;
use std::collections::BTreeSet;

/// How many matches an error names.
const NAMED: usize = 5;

/// The only one of `ids` that `written` matches; None if no id matches. `plural` names what the ids belong to, for
/// errors.
///
/// # Errors
/// If `written` is empty, or a prefix of several ids, which the error names.
pub fn only<'a>(plural: &str, written: &str, ids: impl Iterator<Item = &'a str>) -> Result<Option<&'a str>> {
    if written.is_empty() {
        return Err(Error::Usage(format!("an empty text is no id of {plural}")));
    }
    // An id may occur in several records.
    let meant: BTreeSet<&str> = ids.filter(|id| is_meant(id, written)).collect();
    if let Some(same) = meant.get(written) {
        return Ok(Some(*same));
    }
    if meant.len() <= 1 {
        return Ok(meant.into_iter().next());
    }
    let mut named: Vec<String> = meant.iter().take(NAMED).map(|id| format!("\n    {}", visible::line(id))).collect();
    if meant.len() > NAMED {
        named.push(format!("\n    and {} more", meant.len() - NAMED));
    }
    let (written, many) = (visible::line(written), meant.len());
    let matches = format!("`{written}` is the beginning of {many} {plural}:{}", named.concat());
    Err(Error::usage_with(matches, "give more of the id"))
}

/// Whether an id, the id without the prefix for its kind, or its digits begin with `written`.
fn is_meant(id: &str, written: &str) -> bool {
    let after_kind = id.split_once('_').map_or("", |(_, rest)| rest);
    let digits = id.rsplit_once('_').map_or("", |(_, digits)| digits);
    [id, after_kind, digits].iter().any(|part| part.starts_with(written))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const IDS: [&str; 4] = [
        "model_xgboost_0190163d8694739b8b2c2a0b7a3f1e55",
        "model_xgboost_0190163d8694739b8b2c2a0b7a3f1e56",
        "model_random_forest_0191aaaa8694739b8b2c2a0b7a3f1e55",
        "model_random_forest_20240101_120000",
    ];

    #[test]
    fn a_prefix_means_the_only_id_that_begins_so() {
        let meant = |written: &str| only("models", written, IDS.into_iter());
        for written in ["model_random_forest_0191", "random_forest_01", "0191", IDS[2]] {
            assert_eq!(meant(written).unwrap(), Some(IDS[2]), "{written}");
        }
        assert_eq!(meant("model_random_forest_2024").unwrap(), Some(IDS[3]));
        assert_eq!(meant("0192").unwrap(), None);
        // An id that is also the prefix of another id matches only itself.
        let ids = ["job_1", "job_12"].into_iter();
        assert_eq!(only("jobs", "job_1", ids).unwrap(), Some("job_1"));
        // The same id twice is one match.
        assert_eq!(only("jobs", "job", ["job_1", "job_1"].into_iter()).unwrap(), Some("job_1"));
        // Ids of messages have no prefix for a kind.
        let messages = ["5f0c-77", "a1_b2"];
        assert_eq!(only("messages", "5f", messages.into_iter()).unwrap(), Some(messages[0]));
    }

    #[test]
    fn an_empty_text_is_no_prefix() {
        for ids in [&["key_1"][..], &[]] {
            assert_eq!(only("keys", "", ids.iter().copied()).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn an_ambiguous_prefix_names_five_matches_at_most() {
        let error = only("models", "xgboost", IDS.into_iter()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let said = error.to_string();
        assert!(said.contains("2 models") && said.contains(IDS[0]) && said.contains(IDS[1]), "{said}");
        let many: Vec<String> = (0..9).map(|n| format!("job_0{n}")).collect();
        let said = only("jobs", "job_0", many.iter().map(String::as_str)).unwrap_err().to_string();
        assert!(said.contains("9 jobs") && said.contains("and 4 more") && said.matches("job_0").count() == 6, "{said}");
        let forged = ["a\u{1b}[2J", "ab"];
        assert!(!only("messages", "a", forged.into_iter()).unwrap_err().to_string().contains('\u{1b}'));
    }
}
