//! The types of events that are taken in.

use super::{Refusal, RefusalCode, cut};
use crate::words::word_enum;

word_enum!(
    /// What events may say; on the wire each type ends in its major version, `.v1`.
    InboundType {
        Recorded = "admission.data.recorded",
        Batch = "admission.data.batch",
        Corrected = "admission.data.corrected",
        Retracted = "admission.data.retracted",
        Trigger = "training.trigger",
        Cancel = "training.cancel",
    }
);

impl InboundType {
    /// The key that it is published with.
    pub fn routing_key(self) -> &'static str {
        match self {
            InboundType::Trigger => "training.trigger.requested",
            InboundType::Cancel => "training.trigger.cancel",
            data => data.as_str(),
        }
    }

    /// Its `type`, with the one version that is known.
    pub fn versioned(self) -> String {
        format!("{self}.v1")
    }

    /// The type that this names.
    pub(super) fn named(kind: &str) -> Result<Self, Refusal> {
        let version = kind.rsplit_once(".v").filter(|(_, v)| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()));
        match version.map(|(name, version)| (Self::parse(name), version)) {
            Some((Some(known), "1")) => Ok(known),
            Some((Some(_), version)) => Err(Refusal::new(
                RefusalCode::UnsupportedVersion,
                format!("`type` is `{}`: major version {} is not known; 1 is", cut(kind), cut(version)),
            )),
            _ => {
                let names: Vec<String> = Self::ALL.iter().map(|known| known.versioned()).collect();
                let detail = format!("`type` is `{}`; allowed are {}", cut(kind), names.join(", "));
                Err(Refusal::new(RefusalCode::UnknownType, detail))
            }
        }
    }
}
