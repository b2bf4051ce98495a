//! Sessions of browsers that signed in with an API key. Only the SHA-256 of a session's token is stored.

use crate::hash::hex;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const DIGITS: usize = 64;

/// The token that a browser keeps: 64 hexadecimal digits (256 bits) that do not depend on the key. `Debug` does not
/// print them.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(String);

impl SessionToken {
    /// A new token. `secret` must come from a cryptographically secure random source.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(hex(&secret))
    }

    /// Reads a token; None if the text does not have the form of a token.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (text.len() == DIGITS && digits).then(|| Self(text.to_owned()))
    }

    /// The name of the token's session: SHA-256 of the text, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    /// The text itself, for the browser.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

/// A session as it is stored. Times are whole microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// SHA-256 of the session's token, in hexadecimal digits; identifies the session.
    pub sha256: String,
    /// The key that the browser signed in with. The session has the key's role, and ends when the key does.
    pub key_id: String,
    /// When the session began.
    pub created_at: DateTime<Utc>,
    /// Approximate time of the session's last request.
    pub seen_at: DateTime<Utc>,
    /// When the session ends if no further request comes.
    pub expires_at: DateTime<Utc>,
}

impl Session {
    /// A session that begins now.
    pub fn new(token: &SessionToken, key_id: &str, now: DateTime<Utc>, idle: TimeDelta, lifetime: TimeDelta) -> Self {
        let now = now.trunc_subsecs(6);
        let begun =
            Self { sha256: token.sha256(), key_id: key_id.to_owned(), created_at: now, seen_at: now, expires_at: now };
        begun.seen(now, idle, lifetime)
    }

    /// The session after a request at the time `at`: it ends `idle` after its last request, and at the latest
    /// `lifetime` after its beginning.
    pub fn seen(mut self, at: DateTime<Utc>, idle: TimeDelta, lifetime: TimeDelta) -> Self {
        self.seen_at = self.seen_at.max(at.trunc_subsecs(6));
        let after = |time: DateTime<Utc>, delta| time.checked_add_signed(delta).unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.expires_at = after(self.seen_at, idle).min(after(self.created_at, lifetime)).trunc_subsecs(6);
        self
    }

    /// Whether the session has not expired.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        now < self.expires_at
    }
}

/// Maximum number of sessions that are kept at a time. One more session ends the one without a request for longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionBounds {
    /// Sessions of one key.
    pub of_key: u32,
    /// Sessions of all keys.
    pub of_all: u32,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_token_is_read_back_and_shown_by_no_debug() {
        let token = SessionToken::new([0xab; 32]);
        assert_eq!(SessionToken::parse(token.reveal()), Some(token.clone()));
        assert!(!format!("{token:?}").contains("ab"));
        assert_ne!(token.sha256(), token.reveal());
        for bad in ["", "x", &token.reveal()[1..], &token.reveal().to_uppercase(), &format!("{}0", token.reveal())] {
            assert_eq!(SessionToken::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_session_ends_when_it_is_idle_and_at_the_end_of_its_life() {
        let (idle, lifetime) = (TimeDelta::seconds(10), TimeDelta::seconds(25));
        let session = Session::new(&SessionToken::new([1; 32]), "key_1", at(0), idle, lifetime);
        assert!(session.is_valid(at(9)) && !session.is_valid(at(10)));
        let session = session.seen(at(9), idle, lifetime);
        assert!(session.is_valid(at(18)) && !session.is_valid(at(19)));
        let session = session.seen(at(18), idle, lifetime).seen(at(1), idle, lifetime);
        assert_eq!((session.seen_at, session.expires_at), (at(18), at(25)), "a late word changes nothing");
        assert!(session.seen(DateTime::<Utc>::MAX_UTC, TimeDelta::MAX, TimeDelta::MAX).is_valid(at(1 << 40)));
    }
}
