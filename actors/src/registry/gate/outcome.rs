//! What the gate decides about a new model. Pure.

use provost_domain::gate::{ActivationWish, GateDecision, GateOutcome};

/// The outcome of a comparison. `compared`: there was evidence; `passed`: the new model is good enough.
pub fn outcome(wish: ActivationWish, compared: bool, passed: bool) -> GateOutcome {
    match wish {
        ActivationWish::None | ActivationWish::Approval => GateOutcome::AwaitsApproval,
        ActivationWish::IfBetter | ActivationWish::IfNotWorse if !compared => GateOutcome::NotComparable,
        ActivationWish::IfBetter | ActivationWish::IfNotWorse if passed => GateOutcome::Activated,
        ActivationWish::IfBetter | ActivationWish::IfNotWorse => GateOutcome::Kept,
    }
}

/// How many decisions used part of the quarter's alpha: those that could have activated a model on evidence.
pub fn looks(decisions: &[GateDecision]) -> u32 {
    let spent =
        |d: &&GateDecision| d.evidence.is_some() && matches!(d.outcome, GateOutcome::Activated | GateOutcome::Kept);
    decisions.iter().filter(spent).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wish_and_evidence_activate_a_model() {
        use ActivationWish::*;
        for wish in [None, Approval, IfBetter, IfNotWorse] {
            for (compared, passed) in [(false, false), (false, true), (true, false), (true, true)] {
                let expected = match (wish, compared, passed) {
                    (None | Approval, _, _) => GateOutcome::AwaitsApproval,
                    (_, false, _) => GateOutcome::NotComparable,
                    (_, true, true) => GateOutcome::Activated,
                    (_, true, false) => GateOutcome::Kept,
                };
                assert_eq!(outcome(wish, compared, passed), expected, "{wish:?}, {compared}, {passed}");
            }
        }
    }
}
