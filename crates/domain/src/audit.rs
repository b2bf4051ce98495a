//! The audit log: who did what, as a hash chain. Each entry holds the SHA-256 of the entry before it, so that a
//! changed, missing or inserted entry is detected. Whoever can rewrite the whole store can also rewrite the whole
//! chain: to detect that, the head of the chain (number and hash) must be recorded elsewhere.

use crate::gate::GateDecision;
use crate::hash::hex;
use crate::key::ApiKey;
use crate::words::word_enum;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use utoipa::ToSchema;

word_enum!(
    /// What kind of thing was done. `http_request`: a request that changes something was let in, and has had no effect yet;
    /// `http_answer`: how it ended. `model_activated`: by the gate. `event_mismatch`: an event of a known source and id came
    /// with other content.
    Act {
        HttpRequest = "http_request",
        HttpAnswer = "http_answer",
        KeyCreated = "key_created",
        KeyRevoked = "key_revoked",
        ModelActivated = "model_activated",
        EventMismatch = "event_mismatch",
    }
);

/// The hash before the first entry.
pub const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Something that was done, before it has its place in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Deed {
    /// In whole milliseconds, since not every store keeps more.
    pub at: DateTime<Utc>,
    /// A key, `anonymous@address`, `gate`, `command line`, or `bus`.
    pub who: String,
    /// What was done.
    pub act: Act,
    /// Method and path, or the id of the key, model or event.
    pub subject: String,
    /// The status of an answer; what came of anything else, where there is something to say.
    pub outcome: Option<String>,
    /// Ids and whatever else belongs to it.
    #[serde(default)]
    pub details: BTreeMap<String, String>,
}

impl Deed {
    /// A deed without outcome and details.
    pub fn new(at: DateTime<Utc>, who: impl Into<String>, act: Act, subject: impl Into<String>) -> Self {
        let (who, subject) = (who.into(), subject.into());
        Self { at: at.trunc_subsecs(3), who, act, subject, outcome: None, details: BTreeMap::new() }
    }

    /// The same deed with its outcome.
    pub fn with_outcome(self, outcome: impl Into<String>) -> Self {
        Self { outcome: Some(outcome.into()), ..self }
    }

    /// The same deed with one more detail.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// A key was created.
    pub fn key_created(key: &ApiKey, who: &str) -> Self {
        let deed = Self::new(key.created_at, who, Act::KeyCreated, key.label()).with("role", key.role.as_str());
        match key.expires_at {
            Some(at) => deed.with("expires_at", at.to_rfc3339()),
            None => deed,
        }
    }

    /// The key `id` was revoked at the time `at`. The revocation takes effect at the time `from`, which may be later.
    pub fn key_revoked(id: &str, from: DateTime<Utc>, who: &str, at: DateTime<Utc>) -> Self {
        Self::new(at, who, Act::KeyRevoked, id).with("from", from.to_rfc3339())
    }

    /// The gate activated a model. `decision` must have the outcome `activated`.
    pub fn activated_by_gate(decision: &GateDecision) -> Self {
        let deed = Self::new(decision.decided_at, "gate", Act::ModelActivated, decision.challenger_id.to_string());
        let deed = deed.with("job", decision.job_id.to_string()).with("reason", decision.reason.clone());
        match &decision.champion_id {
            Some(champion) => deed.with("in_place_of", champion.to_string()),
            None => deed,
        }
    }

    /// An event repeated a known source and id with other content, and will be parked. `payload_hash` is the hash of
    /// the new content.
    pub fn event_mismatch(source: &str, id: &str, payload_hash: &str, at: DateTime<Utc>) -> Self {
        Self::new(at, "bus", Act::EventMismatch, format!("{source} {id}"))
            .with_outcome("parked")
            .with("payload_hash", payload_hash)
    }
}

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last entry; 0 if the log is empty.
    pub number: u64,
    /// Hash of the last entry; [`ORIGIN`] if the log is empty.
    pub hash: String,
}

impl Head {
    /// The head of the empty log.
    pub fn origin() -> Self {
        Self { number: 0, hash: ORIGIN.to_owned() }
    }
}

/// A deed in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// From 1, without gaps.
    pub number: u64,
    /// What was done, by whom, when and to what.
    #[serde(flatten)]
    pub deed: Deed,
    /// The hash of the entry before.
    pub previous: String,
    /// SHA-256 over all of the above, in hexadecimal digits.
    pub hash: String,
}

impl AuditEntry {
    /// The entry of this deed that follows the entry of `head`.
    pub fn after(head: &Head, deed: Deed) -> Self {
        let (number, previous) = (head.number + 1, head.hash.clone());
        let hash = digest(number, &previous, &deed);
        Self { number, deed, previous, hash }
    }

    /// The head of the chain after this entry was appended.
    pub fn head(&self) -> Head {
        Head { number: self.number, hash: self.hash.clone() }
    }

    /// Checks that this entry directly follows the entry of `head` and was not changed.
    ///
    /// # Errors
    /// [`Broken`] if an entry is missing before this one, or if one of its hashes is wrong.
    pub fn check(&self, head: &Head) -> Result<(), Broken> {
        let broken = |why: String| Err(Broken { number: head.number + 1, why });
        if self.number != head.number + 1 {
            return broken(format!("it is missing; the next one there is {}", self.number));
        }
        if self.previous != head.hash {
            return broken("it does not hold the hash of the entry before it".to_owned());
        }
        if self.hash != digest(self.number, &self.previous, &self.deed) {
            return broken("its content does not match its hash".to_owned());
        }
        Ok(())
    }
}

/// An entry that is missing or was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} of the audit log is broken: {why}")]
pub struct Broken {
    /// Number of the entry.
    pub number: u64,
    /// What is wrong with the entry.
    pub why: String,
}

/// SHA-256 of all parts, each after its length, so that two different entries never hash the same bytes.
fn digest(number: u64, previous: &str, deed: &Deed) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(b"provost audit 1");
    part(&number.to_le_bytes());
    part(previous.as_bytes());
    part(&deed.at.timestamp_millis().to_le_bytes());
    for text in [&deed.who, deed.act.as_str(), &deed.subject] {
        part(text.as_bytes());
    }
    match &deed.outcome {
        Some(outcome) => part(format!("1{outcome}").as_bytes()),
        None => part(b"0"),
    }
    for (name, value) in &deed.details {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn deed(subject: &str) -> Deed {
        Deed::new(DateTime::UNIX_EPOCH, "someone", Act::HttpRequest, subject).with("a", "1")
    }

    fn chain(subjects: &[&str]) -> Vec<AuditEntry> {
        let mut head = Head::origin();
        subjects
            .iter()
            .map(|s| {
                let entry = AuditEntry::after(&head, deed(s));
                head = entry.head();
                entry
            })
            .collect()
    }

    fn first_broken(entries: &[AuditEntry]) -> Option<u64> {
        let mut head = Head::origin();
        for entry in entries {
            if let Err(broken) = entry.check(&head) {
                return Some(broken.number);
            }
            head = entry.head();
        }
        None
    }

    #[test]
    fn whatever_is_changed_in_an_entry_shows_there() {
        let good = chain(&["a", "b", "c"]);
        assert_eq!(first_broken(&good), None);
        let changes: [fn(&mut AuditEntry); 8] = [
            |e| e.deed.who.push('x'),
            |e| e.deed.subject.clear(),
            |e| e.deed.act = Act::KeyRevoked,
            |e| e.deed.outcome = Some(String::new()),
            |e| e.deed.at += chrono::TimeDelta::milliseconds(1),
            |e| *e.deed.details.get_mut("a").unwrap() = "2".to_owned(),
            |e| e.previous = ORIGIN.to_owned(),
            |e| e.hash = ORIGIN.to_owned(),
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let mut bad = good.clone();
            change(&mut bad[1]);
            assert_eq!(first_broken(&bad), Some(2), "change {n}");
        }
    }

    #[test]
    fn an_entry_that_was_left_out_or_written_anew_shows() {
        let good = chain(&["a", "b", "c"]);
        assert_eq!(first_broken(&[good[0].clone(), good[2].clone()]), Some(2));
        // One written anew has a right hash of its own, but the next one does not hold it.
        let mut bad = good.clone();
        bad[1] = AuditEntry::after(&good[0].head(), deed("forged"));
        assert_eq!(first_broken(&bad), Some(3));
    }

    #[test]
    fn parts_do_not_run_together() {
        let one = deed("x").with("b", "2").with("c", "");
        let other = deed("x").with("b", "").with("c", "2");
        assert_ne!(digest(1, ORIGIN, &one), digest(1, ORIGIN, &other));
    }

    #[test]
    fn times_are_kept_in_milliseconds() {
        let at = DateTime::UNIX_EPOCH + chrono::TimeDelta::nanoseconds(1_999_999);
        assert_eq!(Deed::new(at, "", Act::HttpAnswer, "").at.timestamp_subsec_nanos(), 1_000_000);
    }
}
