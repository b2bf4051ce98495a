//! Stable content hashes (SHA-256, truncated): equal on every machine and in every version.

use chrono::{Datelike, NaiveDate};
use sha2::{Digest, Sha256};

/// Two lower-case hexadecimal digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a string does not fail
        text
    })
}

/// First 128 bits of SHA-256.
pub(crate) fn of_bytes(bytes: &[u8]) -> u128 {
    leading(&Sha256::digest(bytes))
}

fn leading(digest: &[u8]) -> u128 {
    digest.iter().take(16).fold(0, |n, b| (n << 8) | u128::from(*b))
}

/// Hashes a sequence of values. Each has a tag, and texts have their length, so that different sequences never hash the
/// same bytes.
pub(crate) struct Content {
    buffer: Vec<u8>,
}

impl Content {
    pub fn new() -> Self {
        Self { buffer: Vec::with_capacity(512) }
    }
    pub fn text(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            None => self.buffer.push(0),
            Some(t) => {
                self.buffer.push(1);
                self.buffer.extend_from_slice(&(t.len() as u64).to_le_bytes());
                self.buffer.extend_from_slice(t.as_bytes());
            }
        }
        self
    }
    pub fn number(&mut self, number: Option<f64>) -> &mut Self {
        match number {
            None => self.buffer.push(0),
            Some(x) => {
                self.buffer.push(2);
                // Adding 0 makes −0 equal to 0.
                self.buffer.extend_from_slice(&(x + 0.0).to_bits().to_le_bytes());
            }
        }
        self
    }
    pub fn day(&mut self, day: Option<NaiveDate>) -> &mut Self {
        self.number(day.map(|d| f64::from(d.num_days_from_ce())))
    }
    pub fn u128(&self) -> u128 {
        of_bytes(&self.buffer)
    }
    pub fn u64(&self) -> u64 {
        (self.u128() >> 64) as u64
    }
}
