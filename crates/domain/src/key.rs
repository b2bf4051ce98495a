//! API keys: who may call the HTTP interface, and which routes. Only the SHA-256 of a key's text is stored.

use crate::hash::hex;
use crate::limits;
use crate::secret::Secret;
use crate::words::word_enum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

word_enum!(
    /// What a key may do. A client asks for predictions and nothing else; a viewer reads; an operator trains, evaluates,
    /// activates and cancels, too; an admin also replaces the schedule and reads the audit log.
    Role { Client = "client", Viewer = "viewer", Operator = "operator", Admin = "admin" }
);

/// Beginning of every key's text, by which a key that was left in a file or a log is recognised.
const PREFIX: &str = "pvk_";
const ID_DIGITS: usize = 16;
const SECRET_DIGITS: usize = 64;

/// The text of a key: `pvk_`, 16 hexadecimal digits that identify the key, `_`, and 64 hexadecimal digits that are its
/// secret (256 bits). The text is shown once, to the owner of the key. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(Secret);

impl KeyText {
    /// A new key. `id` and `secret` must come from a cryptographically secure random source.
    pub fn new(id: [u8; 8], secret: [u8; 32]) -> Self {
        Self(Secret::new(format!("{PREFIX}{}_{}", hex(&id), hex(&secret))))
    }

    /// Reads the text of a key; None if the text does not have the form of a key.
    pub fn parse(text: &str) -> Option<Self> {
        let digits =
            |part: &str, n| part.len() == n && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        (digits(id, ID_DIGITS) && digits(secret, SECRET_DIGITS)).then(|| Self(Secret::new(text)))
    }

    /// The id of the key: `key_` and its 16 digits. It is not secret.
    pub fn id(&self) -> String {
        format!("key_{}", &self.reveal()[PREFIX.len()..PREFIX.len() + ID_DIGITS])
    }

    /// SHA-256 of the text. A slow hash would add nothing: 256 random bits cannot be guessed at any speed.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.reveal().as_bytes()).into()
    }

    /// The text itself, to be shown once.
    pub fn reveal(&self) -> &str {
        self.0.expose()
    }
}

impl std::fmt::Debug for KeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyText({})", self.id())
    }
}

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// `key_` and 16 hexadecimal digits.
    pub id: String,
    /// What its owner calls the key.
    pub name: Option<String>,
    /// What the key may do.
    pub role: Role,
    /// SHA-256 of the key's text, in hexadecimal digits.
    pub sha256: String,
    /// When the key was created.
    pub created_at: DateTime<Utc>,
    /// When the key expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the revocation takes effect; may be in the future.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl ApiKey {
    /// The record of a key; its text is not kept.
    pub fn new(
        text: &KeyText,
        name: Option<String>,
        role: Role,
        created_at: DateTime<Utc>,
        expires_at: Option<DateTime<Utc>>,
    ) -> Self {
        Self { id: text.id(), name, role, sha256: hex(&text.digest()), created_at, expires_at, revoked_at: None }
    }

    /// When the key stops to be valid: when it expires or is revoked, whichever comes first.
    pub fn ends_at(&self) -> Option<DateTime<Utc>> {
        self.expires_at.into_iter().chain(self.revoked_at).min()
    }

    /// Whether the key is valid at this time.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.ends_at().is_none_or(|end| now < end)
    }

    /// The key in logs and records: its id, and its name if it has one.
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("{} ({name})", self.id),
            None => self.id.clone(),
        }
    }
}

/// Why a name is not allowed for a key; None if it is allowed.
pub fn name_fault(name: &str) -> Option<&'static str> {
    let fits = (1..=limits::KEY_NAME).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(char::is_control);
    (!fits).then_some("1 to 80 characters without control characters are allowed, and no blanks around them")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chrono::TimeDelta;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_text_is_read_back_and_shown_by_no_debug() {
        let text = KeyText::new([0xab; 8], [0xcd; 32]);
        assert_eq!(text.reveal().len(), 4 + 16 + 1 + 64);
        assert_eq!(KeyText::parse(text.reveal()), Some(text.clone()));
        assert_eq!(text.id(), "key_abababababababab");
        let key = ApiKey::new(&text, Some("ci".to_owned()), Role::Viewer, at(0), None);
        assert!(!format!("{text:?} {key:?}").contains("cdcdcd"));
        assert_eq!(key.label(), "key_abababababababab (ci)");
        for bad in
            ["", "pvk_", &text.reveal()[1..], &text.reveal().to_uppercase(), &format!("{}0", text.reveal()), "pvk_é_é"]
        {
            assert_eq!(KeyText::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_key_ends_at_the_first_of_expiry_and_revocation() {
        let text = KeyText::new([1; 8], [2; 32]);
        let mut key = ApiKey::new(&text, None, Role::Admin, at(0), Some(at(100)));
        assert!(key.is_valid(at(99)) && !key.is_valid(at(100)));
        key.revoked_at = Some(at(50));
        assert!(key.is_valid(at(49)) && !key.is_valid(at(50)));
        key.revoked_at = Some(at(200));
        assert!(!key.is_valid(at(100)));
    }

    #[test]
    fn roles_are_ordered() {
        assert!(Role::Client < Role::Viewer && Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        assert_eq!(Role::parse("admin"), Some(Role::Admin));
    }

    #[test]
    fn names_are_short_and_visible() {
        assert_eq!(name_fault("nightly import"), None);
        for bad in ["", " a", "a\n", &"x".repeat(81)] {
            assert!(name_fault(bad).is_some(), "{bad:?}");
        }
    }
}
