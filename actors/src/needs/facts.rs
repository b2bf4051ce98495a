//! Decides what needs a person: pure functions of the data of one look.

use chrono::{DateTime, Utc};
use provost_domain::TrainingJob;
use provost_domain::gate::{GateDecision, GateOutcome};
use provost_domain::ids::short;
use provost_domain::model::Activation;
use provost_domain::need::{Need, NeedKind, SERVICE};
use provost_domain::status::{ComponentStatus, Health, component_title};
use std::collections::BTreeMap;

/// The result of one look: the needs found, and the ids known to be no needs.
#[derive(Debug, Default, PartialEq)]
pub struct Facts {
    pub here: Vec<Need>,
    pub gone: Vec<String>,
}

impl Facts {
    pub fn extend(&mut self, more: Facts) {
        self.here.extend(more.here);
        self.gone.extend(more.gone);
    }
}

pub fn is_unwell(health: Health) -> bool {
    matches!(health, Health::Degraded | Health::Down)
}

pub fn component_id(name: &str) -> String {
    Need::id_of(NeedKind::ComponentUnwell, name)
}

pub fn component(name: &str, found: &ComponentStatus, since: DateTime<Utc>) -> Need {
    let how = if found.health == Health::Down { "down" } else { "degraded" };
    let fact = format!("{} is {how}", component_title(name));
    Need::new(NeedKind::ComponentUnwell, name, &fact, found.last_error.as_deref().unwrap_or_default(), since)
}

/// How many messages the bridge has parked since it was started.
pub fn set_aside(components: &BTreeMap<String, ComponentStatus>) -> u64 {
    components.get("bridge").and_then(|bridge| bridge.state.pointer("/events/parked")?.as_u64()).unwrap_or(0)
}

pub fn messages_set_aside(count: u64, since: DateTime<Utc>) -> Need {
    let fact = format!("{count} message{} set aside since the start", if count == 1 { "" } else { "s" });
    let detail = "What could not be taken in waits, each with its reason.";
    Need::new(NeedKind::MessagesSetAside, SERVICE, &fact, detail, since)
}

pub fn job_failed(job: &TrainingJob, ended: DateTime<Utc>) -> Need {
    let id = job.job_id.as_str();
    let why = job.error_message.as_deref().and_then(|text| text.lines().next()).unwrap_or_default();
    Need::new(NeedKind::JobFailed, id, &format!("Training job {} failed", short(id)), why, ended)
}

/// A candidate awaits approval until some model is activated after the gate's decision.
pub fn approvals(decisions: &[GateDecision], activations: &[Activation]) -> Facts {
    let mut facts = Facts::default();
    for decision in decisions.iter().filter(|decision| decision.outcome == GateOutcome::AwaitsApproval) {
        let job = decision.job_id.as_str();
        if activations.iter().any(|activation| activation.activated_at >= decision.decided_at) {
            facts.gone.push(Need::id_of(NeedKind::ApprovalAwaited, job));
            continue;
        }
        facts.here.push(approval(decision));
    }
    facts
}

/// The need of a candidate that awaits approval.
pub fn approval(decision: &GateDecision) -> Need {
    let fact = format!("Candidate {} awaits approval", short(decision.challenger_id.as_str()));
    Need::new(NeedKind::ApprovalAwaited, decision.job_id.as_str(), &fact, &decision.reason, decision.decided_at)
}

/// No model serves, though some could. While one is awaited, of a job that may activate its model by itself, nobody needs to choose.
pub fn no_serving_model(models: u64, newest: DateTime<Utc>, is_awaited: bool) -> Facts {
    if is_awaited {
        return Facts::default();
    }
    let detail = format!("{models} model{} could", if models == 1 { "" } else { "s" });
    Facts {
        here: vec![Need::new(NeedKind::NoServingModel, SERVICE, "No model serves", &detail, newest)],
        gone: Vec::new(),
    }
}

/// Whether a model serves, or there is none that could.
pub fn a_model_serves() -> Facts {
    Facts { here: Vec::new(), gone: vec![Need::id_of(NeedKind::NoServingModel, SERVICE)] }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chrono::TimeDelta;
    use provost_domain::{Algorithm, JobId, ModelId};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn decision(number: u128, outcome: GateOutcome) -> GateDecision {
        GateDecision {
            job_id: JobId::new(at(0), number),
            challenger_id: ModelId::new(Algorithm::Xgboost, at(0), number),
            champion_id: None,
            decided_at: at(number as i64),
            outcome,
            reason: "it is better".to_owned(),
            improvement_threshold: 0.02,
            evidence: None,
        }
    }

    #[test]
    fn a_candidate_awaits_approval_until_a_later_activation() {
        let decisions = [
            decision(1, GateOutcome::AwaitsApproval),
            decision(2, GateOutcome::Kept),
            decision(5, GateOutcome::AwaitsApproval),
        ];
        let activation = Activation {
            rev: 1,
            model_id: ModelId::new(Algorithm::Xgboost, at(0), 9),
            previous_model_id: None,
            activated_at: at(3),
            activated_by: None,
            reason: None,
        };
        let facts = approvals(&decisions, &[activation]);
        assert_eq!(facts.gone, [Need::id_of(NeedKind::ApprovalAwaited, decisions[0].job_id.as_str())]);
        let subjects: Vec<&str> = facts.here.iter().map(|need| need.subject.as_str()).collect();
        assert_eq!(subjects, [decisions[2].job_id.as_str()]);
        assert_eq!(facts.here[0].since, at(5));
    }

    #[test]
    fn counts_are_written_for_people() {
        assert_eq!(messages_set_aside(1, at(0)).fact, "1 message set aside since the start");
        assert_eq!(messages_set_aside(3, at(0)).fact, "3 messages set aside since the start");
        assert_eq!(no_serving_model(2, at(0), false).here[0].detail, "2 models could");
        assert_eq!(no_serving_model(2, at(0), true), Facts::default(), "a job may activate its model by itself");
    }
}
