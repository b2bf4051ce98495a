//! The gate decides whether a job's best model becomes active automatically.
//!
//! Challenger and champion are scored on the challenger's test part without the rows that the champion was trained or
//! tuned on. Test parts are nested and stable, so nearly all rows remain, including rows that arrived after the
//! champion's training.

mod fairness;
mod outcome;

use super::{ModelService, RegistryError};
use crate::blocking::blocking;
use crate::scoring::{Opened, labels, open};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use outcome::{looks, outcome};
use provost_domain::event::outbound::{RejectedAnnouncement, Topic};
use provost_domain::gate::{ActivationWish, GateDecision, GateEvidence, GateOutcome};
use provost_domain::{JobId, ModelId, TargetMetric};
use provost_learn::LearnError;
use provost_learn::gate::{Verdict, above_chance, alpha_of_look, improvement, verdict, verdict_without_champion};
use provost_learn::stats::{delong, mcnemar};
use provost_store::StoreError;
use std::collections::BTreeSet;

/// With fewer common rows the models are not comparable.
const MIN_ROWS: usize = 100;
const SEED: u64 = 0x6761_7465;
/// How often a decision is repeated because another activation came in between.
const RACES: u32 = 4;
/// How many decisions of a quarter are counted; the alpha left for later ones is negligible anyway.
const LOOKS: u32 = 1000;

/// Decides on the best model of a job. A repeated request gets the first decision.
pub struct Decide {
    pub job_id: JobId,
    pub challenger: ModelId,
    pub wish: ActivationWish,
}
impl actix::Message for Decide {
    type Result = Result<GateDecision, RegistryError>;
}

/// The evidence on the rows that neither model has seen, or why there is none.
struct Found {
    evidence: Option<GateEvidence>,
    verdict: Verdict,
    /// Both models' predictions for the rows.
    scored: Option<fairness::Scored>,
}

impl ModelService {
    pub(super) async fn decide(&self, m: Decide) -> Result<GateDecision, RegistryError> {
        for _ in 0..RACES {
            if let Some(known) = self.resources.activation.decision(&m.job_id).await? {
                return Ok(known);
            }
            let mut decision = match self.weigh(&m).await {
                // A damaged champion would fail for every challenger, so this is an outcome of the gate, not a fault of
                // the job.
                Err(e) if !e.may_pass() => self.undecided(&m, &e).await?,
                weighed => weighed?,
            };
            // The active model is the one at this moment, not at the beginning of the comparison.
            decision.decided_at = self.resources.clock.now();
            let outbox = self.tell(&decision).await?;
            match self.resources.activation.decide(decision, outbox).await {
                // Another model was activated meanwhile, so the new model is compared with that one.
                Err(StoreError::Conflict { .. }) => {}
                decided => {
                    let decided = decided?;
                    if decided.outcome == GateOutcome::Activated {
                        self.activated().await;
                    }
                    return Ok(decided);
                }
            }
        }
        Err(StoreError::Unavailable("the active model changes too often to decide on another".to_owned()).into())
    }

    /// Models that cannot be compared activate nothing.
    async fn undecided(&self, m: &Decide, why: &RegistryError) -> Result<GateDecision, RegistryError> {
        let champion_id = self.resources.models.active_model().await?;
        let verdict = Verdict::not_comparable(why.to_string(), champion_id.is_some());
        Ok(GateDecision {
            job_id: m.job_id.clone(),
            challenger_id: m.challenger.clone(),
            champion_id,
            decided_at: self.resources.clock.now(),
            outcome: GateOutcome::NotComparable,
            reason: verdict.reason(GateOutcome::NotComparable),
            improvement_threshold: self.resources.schedule.schedule().await?.unwrap_or_default().improvement_threshold,
            evidence: None,
        })
    }

    async fn weigh(&self, m: &Decide) -> Result<GateDecision, RegistryError> {
        let now = self.resources.clock.now();
        let threshold = self.resources.schedule.schedule().await?.unwrap_or_default().improvement_threshold;
        let champion_id = self.resources.models.active_model().await?;
        let challenger = open::<RegistryError>(
            (&self.resources.artifacts, &*self.resources.installation),
            &self.loader,
            self.record(&m.challenger).await?,
        )
        .await?;
        let champion = match &champion_id {
            Some(id) => Some(
                open::<RegistryError>(
                    (&self.resources.artifacts, &*self.resources.installation),
                    &self.loader,
                    self.record(id).await?,
                )
                .await?,
            ),
            None => None,
        };
        let look = 1 + looks(&self.resources.activation.newest_decisions(Some(quarter(now)), LOOKS).await?);
        let not_worse_suffices = m.wish == ActivationWish::IfNotWorse;
        let config = challenger.record.version.training_config.clone();
        let mut found = blocking(move || {
            find(&challenger, champion.as_ref(), look, threshold, not_worse_suffices).map_err(RegistryError::from)
        })
        .await?;
        if let Some(scored) = found.scored.take().filter(|_| self.resources.fairness.gate)
            && let Some(because) = self.less_fair(m.challenger.clone(), config, scored).await?
        {
            found.verdict = Verdict::failed(because);
        }
        let outcome = outcome(m.wish, found.evidence.is_some(), found.verdict.passed);
        if outcome == GateOutcome::Activated {
            self.prepare(&self.record(&m.challenger).await?.version).await?;
        }
        Ok(GateDecision {
            job_id: m.job_id.clone(),
            challenger_id: m.challenger.clone(),
            champion_id,
            decided_at: now,
            outcome,
            reason: found.verdict.reason(outcome),
            improvement_threshold: threshold,
            evidence: found.evidence,
        })
    }

    /// The announcements of a decision.
    async fn tell(&self, decision: &GateDecision) -> Result<Vec<provost_store::OutboxMessage>, RegistryError> {
        match decision.outcome {
            GateOutcome::Activated => {
                let record = self.record(&decision.challenger_id).await?;
                let reason = Some(decision.reason.clone());
                Ok(self.activation_notes(&record.version, Some("gate".to_owned()), reason, decision.decided_at).await?)
            }
            GateOutcome::Kept | GateOutcome::NotComparable => {
                let event = RejectedAnnouncement {
                    model_id: decision.challenger_id.clone(),
                    job_id: decision.job_id.clone(),
                    champion_id: decision.champion_id.clone(),
                    reason: decision.reason.clone(),
                };
                let id = format!("{}:{}", Topic::ModelRejected, decision.job_id);
                Ok(vec![super::announcement_of(id, Topic::ModelRejected, &event, decision.decided_at)])
            }
            GateOutcome::AwaitsApproval => Ok(Vec::new()),
        }
    }
}

/// The start of the quarter that contains a time.
fn quarter(at: DateTime<Utc>) -> DateTime<Utc> {
    let month = at.month0() / 3 * 3 + 1;
    NaiveDate::from_ymd_opt(at.year(), month, 1)
        .and_then(|day| day.and_hms_opt(0, 0, 0))
        .map_or(at, |midnight| midnight.and_utc())
}

fn find(
    challenger: &Opened,
    champion: Option<&Opened>,
    look: u32,
    threshold: f64,
    not_worse_suffices: bool,
) -> Result<Found, LearnError> {
    let rows = held_out(challenger, champion);
    let y = labels(&challenger.data, &rows);
    let positives = y.iter().filter(|l| **l == 1).count();
    let metric = challenger.record.version.training_config.target_metric;
    let not_comparable = if rows.len() < MIN_ROWS {
        Some(format!("{} rows are held out from both models; at least {MIN_ROWS} are needed", rows.len()))
    } else if positives == 0 || positives == y.len() {
        Some(format!("the {} rows that are held out from both models are of one class", y.len()))
    } else {
        None
    };
    if let Some(because) = not_comparable {
        let verdict = Verdict::not_comparable(because, champion.is_some());
        return Ok(Found { evidence: None, verdict, scored: None });
    }
    let clusters: Vec<u64> = rows.iter().map(|r| challenger.data.snapshot.clusters[*r as usize]).collect();
    let alpha = alpha_of_look(look);
    let own = challenger.model.predict_proba(challenger.data.dataset.x(), &rows)?;
    let at = challenger.model.threshold;
    let score = |m: TargetMetric, p: &[f64], at: f64| provost_learn::metrics::metric(m, &y, p, at);
    let evidence = |metric, challenger_score, champion_score, found: &provost_learn::gate::Improvement| GateEvidence {
        metric,
        rows: y.len() as u64,
        clusters: found.clusters as u64,
        challenger_score,
        champion_score,
        improvement: found.difference,
        lower_bound: found.lower_bound,
        alpha: found.alpha,
        look,
        delong: None,
        mcnemar: None,
    };
    let Some(champion) = champion else {
        let found = above_chance(&y, &own, &clusters, alpha, SEED);
        let auc = TargetMetric::AucRoc;
        let evidence = evidence(auc, score(auc, &own, at), None, &found);
        return Ok(Found { evidence: Some(evidence), verdict: verdict_without_champion(&found), scored: None });
    };
    let theirs = champion.model.predict_proba(&challenger.data.rows_for(&champion.model), &rows)?;
    let their_at = champion.model.threshold;
    let found = improvement(metric, &y, (&own, at), (&theirs, their_at), &clusters, alpha, SEED);
    let evidence = GateEvidence {
        delong: Some(delong(&y, &own, &theirs)),
        mcnemar: Some(mcnemar(&y, &own, at, &theirs, their_at)),
        ..evidence(metric, score(metric, &own, at), Some(score(metric, &theirs, their_at)), &found)
    };
    let verdict = verdict(metric, &found, threshold, not_worse_suffices);
    let scored = fairness::Scored::new(challenger, &rows, y, (own, at), (theirs, their_at));
    Ok(Found { evidence: Some(evidence), verdict, scored: Some(scored) })
}

/// Rows of the challenger's snapshot that neither model was trained, tuned or calibrated on.
fn held_out(challenger: &Opened, champion: Option<&Opened>) -> Vec<u32> {
    let Some(champion) = champion else { return challenger.test.to_vec() };
    let theirs = &champion.data.snapshot.row_ids;
    let kept_out: BTreeSet<u32> = champion.test.iter().copied().collect();
    let seen: BTreeSet<u128> =
        (0..theirs.len() as u32).filter(|r| !kept_out.contains(r)).map(|r| theirs[r as usize]).collect();
    let unseen = |r: &u32| !seen.contains(&challenger.data.snapshot.row_ids[*r as usize]);
    challenger.test.iter().copied().filter(unseen).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn quarters_begin_with_their_first_month() {
        for (at, start) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("2026-03-31T23:59:59Z", "2026-01-01T00:00:00Z"),
            ("2026-11-24T10:00:00Z", "2026-10-01T00:00:00Z"),
        ] {
            assert_eq!(quarter(at.parse().unwrap()), start.parse::<DateTime<Utc>>().unwrap());
        }
    }
}
