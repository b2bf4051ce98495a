//! Needs: facts that a person has to look at, and how each was dealt with. The component that notices the fact raises
//! the need. The need is open until a person acknowledges it or the fact no longer holds.

use crate::check::brief;
use crate::hash::hex;
use crate::words::word_enum;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// Maximum number of characters of `fact` and `subject`.
const FACT: usize = 300;
/// Maximum number of characters of `detail`.
const DETAIL: usize = 1_000;
/// Bytes of the hash in an id.
const ID_BYTES: usize = 8;

/// The subject of needs that are about the whole service.
pub const SERVICE: &str = "service";

word_enum!(
    /// What a need is about.
    NeedKind {
        JobFailed = "job_failed",
        ApprovalAwaited = "approval_awaited",
        NoServingModel = "no_serving_model",
        MessagesSetAside = "messages_set_aside",
        ComponentUnwell = "component_unwell",
        DriftAlarm = "drift_alarm",
    }
);

word_enum!(
    /// How far a need is dealt with.
    NeedState {
        Open = "open",
        Snoozed = "snoozed",
        Acknowledged = "acknowledged",
        Withdrawn = "withdrawn",
    }
);

/// When a person dealt with a need, and who it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NeedDealing {
    /// When.
    pub at: DateTime<Utc>,
    /// The key, or the address without keys.
    pub by: Option<String>,
    /// Why, or what was done.
    pub reason: Option<String>,
}

/// A fact that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Need {
    /// Names the fact: kind and subject give the same id each time.
    pub need_id: String,
    /// What it is about.
    pub kind: NeedKind,
    /// The id or the name of the job, the model, the component or the feature.
    pub subject: String,
    /// The fact, in one line.
    pub fact: String,
    /// What more is known, in one line; may be empty.
    pub detail: String,
    /// Since when the fact has been so. Whole microseconds.
    pub since: DateTime<Utc>,
    /// Until when the need is not shown.
    pub snoozed_until: Option<DateTime<Utc>>,
    /// Who said so last, and when.
    pub snoozed: Option<NeedDealing>,
    /// Who has dealt with it, and when.
    pub acknowledged: Option<NeedDealing>,
    /// When the fact was gone.
    pub withdrawn_at: Option<DateTime<Utc>>,
}

impl Need {
    /// A need that nobody has dealt with yet. Long texts are cut.
    pub fn new(kind: NeedKind, subject: &str, fact: &str, detail: &str, since: DateTime<Utc>) -> Self {
        Self {
            need_id: Self::id_of(kind, subject),
            kind,
            subject: brief(subject, FACT).into_owned(),
            fact: brief(fact, FACT).into_owned(),
            detail: brief(detail, DETAIL).into_owned(),
            since: since.trunc_subsecs(6),
            snoozed_until: None,
            snoozed: None,
            acknowledged: None,
            withdrawn_at: None,
        }
    }

    /// The id of the need of this kind on this subject: `need_` and 16 hexadecimal digits.
    pub fn id_of(kind: NeedKind, subject: &str) -> String {
        let mut hash = Sha256::new();
        for part in [kind.as_str(), "/", subject] {
            hash.update(part.as_bytes());
        }
        format!("need_{}", hex(&hash.finalize()[..ID_BYTES]))
    }

    /// The state of the need at this time.
    pub fn state(&self, now: DateTime<Utc>) -> NeedState {
        if self.acknowledged.is_some() {
            NeedState::Acknowledged
        } else if self.withdrawn_at.is_some() {
            NeedState::Withdrawn
        } else if self.snoozed_until.is_some_and(|until| now < until) {
            NeedState::Snoozed
        } else {
            NeedState::Open
        }
    }

    /// When a person acknowledged the need or the fact ended; None while neither has happened.
    pub fn dealt_at(&self) -> Option<DateTime<Utc>> {
        self.acknowledged.as_ref().map(|dealing| dealing.at).or(self.withdrawn_at)
    }

    /// The need after the same fact was noticed again. An open need keeps its `since` and gets the new texts. A need
    /// that was dealt with begins anew if the fact began after that. None: nothing changes.
    pub fn noticed_again(&self, again: &Need) -> Option<Need> {
        match self.dealt_at() {
            Some(dealt) if again.since > dealt => Some(again.clone()),
            Some(_) => None,
            None if (&self.fact, &self.detail) == (&again.fact, &again.detail) => None,
            None => Some(Need { fact: again.fact.clone(), detail: again.detail.clone(), ..self.clone() }),
        }
    }

    /// The need after the fact has ended. None: nothing changes.
    pub fn withdrawn(&self, at: DateTime<Utc>) -> Option<Need> {
        let withdrawn = || Need { withdrawn_at: Some(at.trunc_subsecs(6)), ..self.clone() };
        self.dealt_at().is_none().then(withdrawn)
    }

    /// The need after a person acknowledged it. None: it was dealt with before and does not change.
    pub fn acknowledged(&self, dealing: NeedDealing) -> Option<Need> {
        self.dealt_at().is_none().then(|| Need { acknowledged: Some(dealing), snoozed_until: None, ..self.clone() })
    }

    /// The need after a person asked not to see it before this time. None: it was dealt with before and does not
    /// change.
    pub fn snoozed(&self, until: DateTime<Utc>, dealing: NeedDealing) -> Option<Need> {
        let snoozed = || Need { snoozed_until: Some(until.trunc_subsecs(6)), snoozed: Some(dealing), ..self.clone() };
        self.dealt_at().is_none().then(snoozed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chrono::TimeDelta;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn need(since: i64, detail: &str) -> Need {
        Need::new(NeedKind::ComponentUnwell, "bridge", "the bus is degraded", detail, at(since))
    }

    fn dealing(seconds: i64) -> NeedDealing {
        NeedDealing { at: at(seconds), by: Some("key_1".to_owned()), reason: None }
    }

    #[test]
    fn kind_and_subject_name_a_need() {
        let id = Need::id_of(NeedKind::JobFailed, "job_1");
        assert_eq!((id.len(), &id[..5]), (21, "need_"));
        assert_eq!(id, Need::new(NeedKind::JobFailed, "job_1", "a", "b", at(9)).need_id);
        assert_ne!(id, Need::id_of(NeedKind::JobFailed, "job_2"));
        assert_ne!(id, Need::id_of(NeedKind::DriftAlarm, "job_1"));
        assert!(Need::new(NeedKind::JobFailed, "x", &"f".repeat(999), "", at(0)).fact.chars().count() <= FACT + 1);
    }

    #[test]
    fn a_need_is_open_until_it_is_dealt_with() {
        let open = need(0, "");
        assert_eq!(open.state(at(1)), NeedState::Open);
        let snoozed = open.snoozed(at(10), dealing(1)).unwrap();
        assert_eq!((snoozed.state(at(9)), snoozed.state(at(10))), (NeedState::Snoozed, NeedState::Open));
        let acknowledged = snoozed.acknowledged(dealing(5)).unwrap();
        assert_eq!((acknowledged.state(at(5)), acknowledged.dealt_at()), (NeedState::Acknowledged, Some(at(5))));
        assert_eq!(acknowledged.acknowledged(dealing(6)), None);
        assert_eq!(acknowledged.snoozed(at(20), dealing(6)), None);
        assert_eq!(acknowledged.withdrawn(at(7)), None);
        let withdrawn = open.withdrawn(at(3)).unwrap();
        assert_eq!((withdrawn.state(at(3)), withdrawn.acknowledged(dealing(4))), (NeedState::Withdrawn, None));
    }

    #[test]
    fn a_fact_that_comes_again_opens_its_need_again() {
        let open = need(0, "");
        assert_eq!(open.noticed_again(&need(5, "")), None, "it has been so all the time");
        let told = open.noticed_again(&need(5, "no answer")).unwrap();
        assert_eq!((told.since, told.detail.as_str()), (at(0), "no answer"));
        for dealt in [open.acknowledged(dealing(10)).unwrap(), open.withdrawn(at(10)).unwrap()] {
            assert_eq!(dealt.noticed_again(&need(10, "more")), None);
            assert_eq!(dealt.noticed_again(&need(11, "more")), Some(need(11, "more")));
        }
    }
}
