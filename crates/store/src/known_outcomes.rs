//! What recorded points and events say of the outcomes of earlier predictions.

use crate::roles::inbox::{InboxEffect, InboxEntry, InboxOutcome};
use crate::roles::points::PointOutcome;
use provost_domain::AdmissionDataPoint;

/// The outcome of an application, by the id of its data point; None while it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownOutcome {
    pub data_point_id: String,
    pub accepted: Option<bool>,
}

impl KnownOutcome {
    fn of(point: &AdmissionDataPoint) -> Self {
        let accepted = point.decision.label().map(|label| label == 1);
        Self { data_point_id: point.data_point_id.clone(), accepted }
    }
}

/// The known outcomes of points that are about to be recorded.
pub fn of_points(points: &[AdmissionDataPoint]) -> Vec<KnownOutcome> {
    points.iter().map(KnownOutcome::of).collect()
}

/// Those whose point is the stored one now. A point that was stored before counts too: the process may have died after it was
/// recorded and before its outcome reached the log.
pub fn stored(known: Vec<KnownOutcome>, outcomes: &[PointOutcome]) -> Vec<KnownOutcome> {
    let is_stored = |outcome: &PointOutcome| match outcome {
        PointOutcome::Inserted | PointOutcome::Superseded | PointOutcome::Unchanged => true,
        PointOutcome::Stale | PointOutcome::Conflict => false,
    };
    known.into_iter().zip(outcomes).filter(|(_, outcome)| is_stored(outcome)).map(|(known, _)| known).collect()
}

/// The known outcomes of the points of each event; empty for events without points.
pub fn of_events(events: &[(InboxEntry, InboxEffect)]) -> Vec<Vec<KnownOutcome>> {
    let of = |effect: &InboxEffect| match effect {
        InboxEffect::Points(points) => of_points(points),
        InboxEffect::None | InboxEffect::Retraction(_) | InboxEffect::Trigger(_) => Vec::new(),
    };
    events.iter().map(|(_, effect)| of(effect)).collect()
}

/// Those of new events whose point is the stored one now.
pub fn stored_by_events(known: Vec<Vec<KnownOutcome>>, outcomes: &[InboxOutcome]) -> Vec<KnownOutcome> {
    let of = |(known, outcome): (Vec<KnownOutcome>, &InboxOutcome)| match outcome {
        InboxOutcome::New(points) => stored(known, points),
        InboxOutcome::Duplicate | InboxOutcome::Mismatch => Vec::new(),
    };
    known.into_iter().zip(outcomes).flat_map(of).collect()
}

/// Ids of the points that these events retract.
pub fn retracted(events: &[(InboxEntry, InboxEffect)]) -> Vec<String> {
    let of = |effect: &InboxEffect| match effect {
        InboxEffect::Retraction(retraction) => Some(retraction.data_point_id.clone()),
        InboxEffect::None | InboxEffect::Points(_) | InboxEffect::Trigger(_) => None,
    };
    events.iter().filter_map(|(_, effect)| of(effect)).collect()
}
