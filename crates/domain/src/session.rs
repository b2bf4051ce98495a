//! Sessions of browsers that signed in with an API key. Of a session's token only the SHA-256 is kept.

use crate::hash::hex;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const DIGITS: usize = 64;

/// What a browser keeps: 64 hexadecimal digits (256 bits) that say nothing of the key. Printed by no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(String);

impl SessionToken {
    /// `secret` comes from a random source that cannot be predicted.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(hex(&secret))
    }

    /// None for a text that no token can have.
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
    /// Of its token, in hexadecimal digits; names the session.
    pub sha256: String,
    /// The key that was signed in with. The session ends with it and has its role.
    pub key_id: String,
    /// When the session began.
    pub created_at: DateTime<Utc>,
    /// About when its last request came.
    pub seen_at: DateTime<Utc>,
    /// When it ends if no further request comes.
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

    /// As it is after a request: it ends `idle` after the last one, and `lifetime` after its beginning.
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

/// How many sessions are kept at a time. One more ends the one that was silent for longest.
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
