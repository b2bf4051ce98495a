//! Ids are parsed types: a string from outside becomes an id or a 404, never a path.

use crate::Algorithm;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a {1} id")]
pub struct BadId(pub String, pub &'static str);

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
    /// `entropy` comes from the caller's random source; only its low 80 bits are used.
    pub fn new(at: DateTime<Utc>, entropy: u128) -> Self {
        Self(format!("job_{}", sortable(at, entropy)))
    }
    pub fn parse(s: &str) -> Result<Self, BadId> {
        match s.strip_prefix("job_") {
            Some(rest) if is_sortable(rest) => Ok(Self(s.to_owned())),
            _ => Err(BadId(s.chars().take(80).collect(), "job")),
        }
    }
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
    pub fn new(algorithm: Algorithm, at: DateTime<Utc>, entropy: u128) -> Self {
        Self(format!("model_{algorithm}_{}", sortable(at, entropy)))
    }
    pub fn parse(s: &str) -> Result<Self, BadId> {
        let bad = || BadId(s.chars().take(80).collect(), "model");
        let (head, tail) = s.strip_prefix("model_").and_then(|r| r.rsplit_once('_')).ok_or_else(bad)?;
        if Algorithm::parse(head).is_some() && is_sortable(tail) { Ok(Self(s.to_owned())) } else { Err(bad()) }
    }
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
