//! How a model compares with the serving one: the gate's decision, or a comparison that may take a while.

use super::super::difference::{auc_difference, mark_of, pair_of};
use super::super::text::{Mark, said, signed};
use super::super::{PageError, State};
use provost_domain::model::ModelRecord;
use provost_domain::{ModelId, TargetMetric};
use std::time::Duration;

pub struct Verdict {
    pub mark: Mark,
    pub text: String,
    /// Whether the comparison is still running.
    pub is_awaited: bool,
}

impl Verdict {
    fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, text: text.into(), is_awaited: false }
    }

    /// The verdict while the comparison is running.
    pub fn awaited() -> Self {
        Self { is_awaited: true, ..Self::new(Mark::OPEN, "It is being compared with the serving model.") }
    }

    /// The verdict after the comparison has failed.
    pub fn failed() -> Self {
        Self::new(Mark::OPEN, "It could not be compared with the serving model now.")
    }
}

/// The gate's decision, or a comparison with the serving model, which is waited for at most `patience`.
pub async fn verdict(
    state: &State,
    record: &ModelRecord,
    patience: Duration,
) -> Result<(Verdict, Option<ModelId>), PageError> {
    let store = state.handle.store();
    let id = &record.version.model_id;
    let active = store.active_model().await?;
    if record.version.is_active {
        return Ok((Verdict::new(Mark::SERVING, "This model serves."), None));
    }
    let decided = store.decision(&record.job_id).await?.filter(|decision| decision.challenger_id == *id);
    let verdict = match decided {
        Some(decision) => {
            let interval = decision.evidence.as_ref().and_then(|e| e.delong.as_ref()).map(|d| {
                format!(" AUC {}, {} to {}.", signed(d.difference), signed(d.interval_95[0]), signed(d.interval_95[1]))
            });
            let reason = said(&decision.reason);
            Verdict::new(Mark::of_decision(decision.outcome), reason + &interval.unwrap_or_default())
        }
        None => match &active {
            Some(active) => against(state, active, id, patience).await,
            None => Verdict::new(Mark::OPEN, "No model serves. This one could."),
        },
    };
    Ok((verdict, active))
}

/// Compares with the serving model on the rows that both models hold out.
async fn against(state: &State, active: &ModelId, id: &ModelId, patience: Duration) -> Verdict {
    let compared = state.handle.compare(vec![active.clone(), id.clone()], vec![TargetMetric::AucRoc], false);
    let compared = match tokio::time::timeout(patience, compared).await {
        Ok(Ok(compared)) => compared,
        Ok(Err(_)) => return Verdict::failed(),
        Err(_) => return Verdict::awaited(),
    };
    let pair = pair_of(&compared, active, id);
    let difference = pair.and_then(|(pair, is_a)| auc_difference(pair, is_a));
    match difference {
        Some((d, [low, high])) => {
            let mark = mark_of(difference);
            let text = match mark {
                Mark::BETTER => "Better than the serving model",
                Mark::WORSE => "Worse than the serving model",
                _ => "Cannot be told apart from the serving model",
            };
            Verdict::new(mark, format!("{text}: AUC {}, {} to {}.", signed(d), signed(low), signed(high)))
        }
        None => {
            let why = pair.and_then(|(pair, _)| pair.not_comparable.as_deref()).map(said).unwrap_or_default();
            Verdict::new(Mark::OPEN, format!("It cannot be compared with the serving model. {why}"))
        }
    }
}
