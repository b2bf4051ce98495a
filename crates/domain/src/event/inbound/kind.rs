//! The types of inbound events.

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
    /// The routing key that events of this type are published with.
    pub fn routing_key(self) -> &'static str {
        match self {
            InboundType::Trigger => "training.trigger.requested",
            InboundType::Cancel => "training.trigger.cancel",
            data => data.as_str(),
        }
    }

    /// The CloudEvents `type`, with the only known version: `training.trigger.v1`.
    pub fn versioned(self) -> String {
        format!("{self}.v1")
    }

    /// Parses a CloudEvents `type` with its version.
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
