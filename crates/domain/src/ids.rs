//! Ids are parsed types: a text from outside becomes an id or is answered with 404, and is never used as a path.

use crate::algorithm::Algorithm;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A text that is not an id, and the kind of id that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a {1} id")]
pub struct BadId(pub String, pub &'static str);

/// An ellipsis and the last four characters of an id, which distinguish ids that were made at about the same time:
/// `…cdef`.
pub fn short(id: &str) -> String {
    let end: String = id.chars().rev().take(4).collect();
    format!("…{}", end.chars().rev().collect::<String>())
}

/// 32 hexadecimal digits, time-sortable (UUID version 7): milliseconds first, then 74 random bits.
fn sortable(at: DateTime<Utc>, entropy: u128) -> String {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    let random: [u8; 10] = entropy.to_be_bytes()[6..].try_into().unwrap_or([0; 10]);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().simple().to_string()
}

fn is_sortable(s: &str) -> bool {
    s.len() == 32 && s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) && Uuid::try_parse(s).is_ok()
}

/// `job_` and 32 hexadecimal digits; ids sort by creation time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct JobId(String);

impl JobId {
    /// A new id. `entropy` comes from the caller's random source; only its low 80 bits are used.
    pub fn new(at: DateTime<Utc>, entropy: u128) -> Self {
        Self(format!("job_{}", sortable(at, entropy)))
    }
    /// Reads an id.
    ///
    /// # Errors
    /// [`BadId`] if the text does not have the form of an id.
    pub fn parse(s: &str) -> Result<Self, BadId> {
        match s.strip_prefix("job_") {
            Some(rest) if is_sortable(rest) => Ok(Self(s.to_owned())),
            _ => Err(BadId(s.chars().take(80).collect(), "job")),
        }
    }
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `model_{algorithm}_` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct ModelId(String);

impl ModelId {
    /// A new id: algorithm, time and `entropy` make it unique.
    pub fn new(algorithm: Algorithm, at: DateTime<Utc>, entropy: u128) -> Self {
        Self(format!("model_{algorithm}_{}", sortable(at, entropy)))
    }
    /// Reads an id.
    ///
    /// # Errors
    /// [`BadId`] if the text does not have the form of an id.
    pub fn parse(s: &str) -> Result<Self, BadId> {
        let bad = || BadId(s.chars().take(80).collect(), "model");
        let (head, tail) = s.strip_prefix("model_").and_then(|r| r.rsplit_once('_')).ok_or_else(bad)?;
        if Algorithm::parse(head).is_some() && is_sortable(tail) { Ok(Self(s.to_owned())) } else { Err(bad()) }
    }
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! string_id {
    ($t:ty) => {
        impl TryFrom<String> for $t {
            type Error = BadId;
            fn try_from(s: String) -> Result<Self, BadId> {
                Self::parse(&s)
            }
        }
        impl From<$t> for String {
            fn from(id: $t) -> String {
                id.0
            }
        }
        impl std::fmt::Display for $t {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
string_id!(JobId);
string_id!(ModelId);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    #[test]
    fn ids_are_read_back() {
        let job = JobId::new(at(1_700_000_000_000), 7);
        assert_eq!(JobId::parse(job.as_str()).unwrap(), job);
        for algorithm in Algorithm::ALL {
            let model = ModelId::new(algorithm, at(1_700_000_000_000), u128::MAX);
            assert!(model.as_str().starts_with(&format!("model_{algorithm}_")));
            assert_eq!(ModelId::parse(model.as_str()).unwrap(), model);
            let json = serde_json::to_string(&model).unwrap();
            assert_eq!(serde_json::from_str::<ModelId>(&json).unwrap(), model);
        }
        serde_json::from_str::<JobId>("\"job_1\"").unwrap_err();
    }

    #[test]
    fn nothing_else_is_an_id() {
        let digits = "0190163d8694739b8b2c2a0b7a3f1e55";
        for bad in [
            "",
            "job_",
            "job_../../etc/passwd",
            "../job_0190163d8694739b8b2c2a0b7a3f1e55",
            "job_0190163d8694739b8b2c2a0b7a3f1e55/",
            "job_0190163d8694739b8b2c2a0b7a3f1e5",
            "job_0190163D8694739B8B2C2A0B7A3F1E55",
            "job_0190163d8694739b8b2c2a0b7a3f1e5\0",
            "job_0190163d-8694-739b-8b2c-2a0b7a3f1e55",
            "job_..%2f0163d8694739b8b2c2a0b7a3f1e55",
            "JOB_0190163d8694739b8b2c2a0b7a3f1e55",
        ] {
            JobId::parse(bad).unwrap_err();
        }
        for head in ["", "model_", "model_svm_", "model_../_", "model_xgboost", "model__", "job_xgboost_"] {
            ModelId::parse(&format!("{head}{digits}")).unwrap_err();
        }
        ModelId::parse("model_xgboost_../../../../etc/passwd").unwrap_err();
        assert!(JobId::parse(&"x".repeat(1_000_000)).unwrap_err().0.len() <= 80);
    }

    proptest! {
        #[test]
        fn ids_sort_by_time(a in 0i64..4_000_000_000_000, b in 0i64..4_000_000_000_000, x in any::<u128>(), y in any::<u128>()) {
            prop_assume!(a < b);
            prop_assert!(JobId::new(at(a), x) < JobId::new(at(b), y));
        }

        #[test]
        fn equal_times_do_not_collide(t in 0i64..4_000_000_000_000, x in 0u128..1 << 62, y in 0u128..1 << 62) {
            prop_assume!(x != y);
            prop_assert_ne!(JobId::new(at(t), x), JobId::new(at(t), y));
        }

        #[test]
        fn what_parses_is_plain(s in "\\PC{0,60}") {
            if let Ok(id) = JobId::parse(&s) {
                prop_assert!(id.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
            }
        }
    }
}
