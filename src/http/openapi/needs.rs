//! Examples of what needs a person.

use super::super::example_ids::{job_id, minute};
use super::super::needs::{AcknowledgeRequest, SnoozeRequest};
use chrono::TimeDelta;
use provost_domain::ids::short;
use provost_domain::need::{Need, NeedDealing, NeedKind};
use serde_json::{Value, json};

pub fn need() -> Need {
    let (id, why) = (job_id(), "the fit ran for longer than training.hard_limit (3 h)");
    let fact = format!("Training job {} failed", short(id.as_str()));
    Need::new(NeedKind::JobFailed, id.as_str(), &fact, why, minute(40))
}

fn reason() -> String {
    "started again with half as many iterations".to_owned()
}

fn dealing(reason: Option<String>) -> NeedDealing {
    NeedDealing { at: minute(45), by: Some("key_0123456789abcdef (admissions)".to_owned()), reason }
}

/// The example of an operation's request body.
pub fn request(operation: &str) -> Option<Value> {
    Some(match operation {
        "acknowledge_need" => json!(AcknowledgeRequest { reason: Some(reason()) }),
        "snooze_need" => json!(SnoozeRequest { hours: 24, reason: None }),
        _ => return None,
    })
}

/// The example of an operation's JSON answer.
pub fn answer(operation: &str) -> Option<Value> {
    Some(match operation {
        "list_needs" => json!([need()]),
        "acknowledge_need" => json!(need().acknowledged(dealing(Some(reason())))),
        "snooze_need" => json!(need().snoozed(minute(45) + TimeDelta::hours(24), dealing(None))),
        _ => return None,
    })
}
