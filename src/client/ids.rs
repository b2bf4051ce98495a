//! Ids as users type them: an unambiguous prefix, `active` or `latest`; and ids in lists, shortened to such a prefix.

use super::read::{items, text};
use super::request::Client;
use crate::error::{Error, Result};
use provost_domain::{JobId, ModelId, visible};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Bound;

/// How many ids of one kind, the newest first, are searched for a prefix.
const LOOKED_AT: usize = 10_000;
/// How many matches an error names.
const NAMED: usize = 5;
/// The fewest digits of a shortened id.
const DIGITS: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Job,
    Model,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Job => "job",
            Kind::Model => "model",
        }
    }
    fn plural(self) -> &'static str {
        match self {
            Kind::Job => "jobs",
            Kind::Model => "models",
        }
    }
    fn key(self) -> &'static str {
        match self {
            Kind::Job => "job_id",
            Kind::Model => "model_id",
        }
    }
    fn is_whole(self, text: &str) -> bool {
        match self {
            Kind::Job => JobId::parse(text).is_ok(),
            Kind::Model => ModelId::parse(text).is_ok(),
        }
    }
}

/// Finds the id for what a user typed: a whole id, `active`, `latest`, or the prefix of exactly one id. A text that is the
/// prefix of no id is returned unchanged, and the service then answers that there is none.
///
/// # Errors
/// If the text cannot be an id, if several ids have the prefix (the error names them), or if there is no active or latest
/// one.
pub fn resolve(client: &Client, kind: Kind, written: &str) -> Result<String> {
    if kind.is_whole(written) {
        return Ok(written.to_owned());
    }
    // The text becomes part of a path, so only characters of ids are allowed.
    if written.is_empty() || !written.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err(Error::Usage(format!("`{}` is no id of a {}", visible::line(written), kind.word())));
    }
    let word = match (kind, written) {
        (Kind::Model, "active") => Some(("/models?active_only=true&", "no model is active")),
        (Kind::Model, "latest") => Some(("/models?", "there is no model")),
        (Kind::Job, "latest") => Some(("/jobs?", "there is no job")),
        _ => None,
    };
    if let Some((path, none)) = word {
        let newest = client.list(path, 1)?;
        let id = newest.first().map(|found| text(found, kind.key()).into_owned());
        return id.ok_or_else(|| Error::failed(none));
    }
    let all = client.list(&format!("/{}?", kind.plural()), LOOKED_AT)?;
    let ids: Vec<String> = all.iter().map(|found| text(found, kind.key()).into_owned()).collect();
    one_of(kind, written, ids.iter().map(String::as_str)).map(|id| id.unwrap_or(written).to_owned())
}

/// The only one of `ids` that `written` matches; None if no id matches.
pub fn one_of<'a>(kind: Kind, written: &str, ids: impl Iterator<Item = &'a str>) -> Result<Option<&'a str>> {
    // An id may occur in several records.
    let meant: BTreeSet<&str> = ids.filter(|id| is_meant(id, written)).collect();
    if let Some(same) = meant.get(written) {
        return Ok(Some(*same));
    }
    if meant.len() <= 1 {
        return Ok(meant.into_iter().next());
    }
    let mut named: Vec<String> = meant.iter().take(NAMED).map(|id| format!("\n    {id}")).collect();
    if meant.len() > NAMED {
        named.push(format!("\n    and {} more", meant.len() - NAMED));
    }
    let (written, many) = (visible::line(written), meant.len());
    let matches = format!("`{written}` is the beginning of {many} {}:{}", kind.plural(), named.concat());
    Err(Error::usage_with(matches, "give more of the id"))
}

/// Whether an id begins with `written`, with or without the prefix for its kind, or its digits do.
fn is_meant(id: &str, written: &str) -> bool {
    let after_kind = id.split_once('_').map_or("", |(_, rest)| rest);
    let digits = id.rsplit_once('_').map_or("", |(_, digits)| digits);
    [id, after_kind, digits].iter().any(|part| part.starts_with(written))
}

/// Shortens the ids of a list, if `is_short`, to prefixes that are unambiguous within the list.
pub struct Shortener {
    ids: BTreeSet<String>,
    is_short: bool,
}

impl Shortener {
    /// A shortener for the ids that the elements of `list` have under any of `keys`.
    pub fn of(list: &[Value], keys: &[&str], is_short: bool) -> Self {
        let found = list.iter().flat_map(|item| keys.iter().filter_map(|key| item.get(*key)?.as_str()));
        let inner =
            list.iter().flat_map(|item| keys.iter().flat_map(|key| items(&item[*key])).filter_map(Value::as_str));
        Self { ids: found.chain(inner).map(str::to_owned).collect(), is_short }
    }

    pub fn shown<'a>(&self, id: &'a str) -> &'a str {
        let Some((head, _)) = id.rsplit_once('_').filter(|_| self.is_short && id.is_ascii()) else { return id };
        let shared = |other: &str| id.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        // In sorted order an id shares its longest prefix with a neighbour.
        let before = self
            .ids
            .range::<str, _>((Bound::Unbounded, Bound::Excluded(id)))
            .next_back()
            .map_or(0, |other| shared(other));
        let after = self.ids.range::<str, _>((Bound::Excluded(id), Bound::Unbounded)).next();
        let after = after.map_or(0, |other| shared(other));
        let length = (before.max(after) + 1).max(head.len() + 1 + DIGITS);
        id.get(..length).unwrap_or(id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    const IDS: [&str; 4] = [
        "model_xgboost_0190163d8694739b8b2c2a0b7a3f1e55",
        "model_xgboost_0190163d8694739b8b2c2a0b7a3f1e56",
        "model_random_forest_0191aaaa8694739b8b2c2a0b7a3f1e55",
        "model_random_forest_20240101_120000",
    ];

    #[test]
    fn a_prefix_means_the_only_id_that_begins_so() {
        let meant = |written: &str| one_of(Kind::Model, written, IDS.into_iter());
        for written in ["model_random_forest_0191", "random_forest_01", "0191", IDS[2]] {
            assert_eq!(meant(written).unwrap(), Some(IDS[2]), "{written}");
        }
        assert_eq!(meant("model_random_forest_2024").unwrap(), Some(IDS[3]));
        assert_eq!(meant("0192").unwrap(), None);
        // An id that is also the prefix of another id matches only itself.
        let ids = ["job_1", "job_12"].into_iter();
        assert_eq!(one_of(Kind::Job, "job_1", ids).unwrap(), Some("job_1"));
        // The same id twice is one match.
        assert_eq!(one_of(Kind::Job, "job", ["job_1", "job_1"].into_iter()).unwrap(), Some("job_1"));
    }

    #[test]
    fn an_ambiguous_prefix_names_five_matches_at_most() {
        let error = one_of(Kind::Model, "xgboost", IDS.into_iter()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let said = error.to_string();
        assert!(said.contains("2 models") && said.contains(IDS[0]) && said.contains(IDS[1]), "{said}");
        let many: Vec<String> = (0..9).map(|n| format!("job_0{n}")).collect();
        let said = one_of(Kind::Job, "job_0", many.iter().map(String::as_str)).unwrap_err().to_string();
        assert!(said.contains("9 jobs") && said.contains("and 4 more") && said.matches("job_0").count() == 6, "{said}");
    }

    #[test]
    fn a_shortened_id_means_only_itself() {
        let list: Vec<Value> = IDS.iter().map(|id| json!({ "model_id": id })).collect();
        let shortener = Shortener::of(&list, &["model_id"], true);
        assert_eq!(shortener.shown(IDS[2]), "model_random_forest_0191aaaa");
        assert_eq!(shortener.shown(IDS[0]), IDS[0]);
        for id in IDS {
            assert_eq!(one_of(Kind::Model, shortener.shown(id), IDS.into_iter()).unwrap(), Some(id));
        }
        assert_eq!(Shortener::of(&list, &["model_id"], false).shown(IDS[2]), IDS[2]);
        assert_eq!(shortener.shown("odd"), "odd");
    }
}
