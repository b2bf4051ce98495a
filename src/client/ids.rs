//! Ids as users type them: an unambiguous prefix, `active` or `latest`; and ids in lists, shortened to such a prefix.

use super::read::{items, text};
use super::request::Client;
use crate::cli::prefix;
use crate::error::{Error, Result};
use provost_domain::{JobId, ModelId, visible};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Bound;

/// How many ids of one kind, the newest first, are searched for a prefix.
const LOOKED_AT: usize = 10_000;
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
///
/// # Errors
/// If `written` is empty, or a prefix of several ids, which the error names.
pub fn one_of<'a>(kind: Kind, written: &str, ids: impl Iterator<Item = &'a str>) -> Result<Option<&'a str>> {
    prefix::only(kind.plural(), written, ids)
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
