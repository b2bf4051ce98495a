//! Sessions that cannot be read: both backends leave them out alike.

use crate::error::{Result, StoreError};
use chrono::{DateTime, Utc};
use std::sync::atomic::{AtomicBool, Ordering};

/// Logs, once per process, that a session cannot be read. It is left out of the list, so it opens nothing and hides no other.
pub fn leave_out(error: &StoreError) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        tracing::warn!(%error, "a damaged session is left out, and so are others of its kind");
    }
}

/// A time of a session from its microseconds since 1970.
pub fn time(micros: i64, sha256: &str) -> Result<DateTime<Utc>> {
    let corrupt = || StoreError::Corrupt {
        what: format!("session {sha256}"),
        why: format!("{micros} is no time in microseconds"),
    };
    DateTime::from_timestamp_micros(micros).ok_or_else(corrupt)
}
