//! The value of a setting and its source, and the errors of settings.

use super::duration;
use crate::error::Error;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use toml::Value;

/// All faults of the settings, one per line. The process exits with code 2.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct SettingsError(pub Vec<String>);

impl From<SettingsError> for Error {
    fn from(e: SettingsError) -> Self {
        Error::Usage(e.to_string())
    }
}

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(String),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File(path) => write!(f, "file {}", path.display()),
            Source::Environment(name) => write!(f, "environment {name}"),
            Source::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Values and their sources by dotted key.
pub type Values = BTreeMap<String, (Value, Source)>;

/// Reads checked values by type; an error means that the schema and the struct disagree.
pub struct Reader<'a>(pub &'a Values);

impl Reader<'_> {
    fn get<T>(&self, key: &str, read: impl FnOnce(&Value) -> Option<T>) -> Result<T, SettingsError> {
        self.0
            .get(key)
            .and_then(|(value, _)| read(value))
            .ok_or_else(|| SettingsError(vec![format!("{key}: no such setting in config/default.toml")]))
    }
    pub fn text(&self, key: &str) -> Result<String, SettingsError> {
        self.get(key, |v| v.as_str().map(str::to_owned))
    }
    pub fn whole<T: TryFrom<i64>>(&self, key: &str) -> Result<T, SettingsError> {
        self.get(key, |v| v.as_integer().and_then(|n| T::try_from(n).ok()))
    }
    pub fn switch(&self, key: &str) -> Result<bool, SettingsError> {
        self.get(key, Value::as_bool)
    }
    pub fn time(&self, key: &str) -> Result<Duration, SettingsError> {
        self.get(key, |v| v.as_str().and_then(duration::parse))
    }
}
