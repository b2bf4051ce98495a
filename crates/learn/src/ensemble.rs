//! The ensemble: a weighted mean of trained models, weights chosen on their out-of-fold predictions.

use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::evidence;
use crate::importance::ranked;
use crate::metrics::{best_threshold, log_loss};
use crate::params::Params;
use crate::split::Parts;
use crate::temporal::Temporal;
use crate::train::{TrainSpec, Trained, Unit, base_learner, fold_scores, held_out};
use provost_domain::Algorithm;
use provost_domain::config::Tuning;
use provost_predict::calibration::Calibration;
use provost_predict::control::Control;
use provost_predict::model::Model;
use provost_predict::predictor::Predictor;
use provost_predict::predictor::member::Member;
use serde_json::{Value, json};
use std::time::Instant;

/// Most members, counted with repetition; a weight is a multiple of one over their number.
const ROUNDS: usize = 50;
/// The selection ends where a round would lower the log loss by less than this.
const MIN_GAIN: f64 = 1e-6;
/// Learners whose fits vary most from one sample of rows to another: such a member of the ensemble is the mean of its
/// fold models and its final model. A forest is such a mean already, and a logistic regression gains nothing from it.
const BAGGED: [Algorithm; 3] = [Algorithm::GradientBoosting, Algorithm::Xgboost, Algorithm::NeuralNetwork];

/// Greedy ensemble selection with replacement (Caruana et al. 2004): starts from the best member, and adds in each
/// round the member that lowers the out-of-fold log loss of the mean most, until none does; the log loss is therefore
/// never above that of the best member. All members must have been trained on the same `parts` and folds. Chosen
/// members of high variance are bagged (Breiman 1996) over the folds of the cross-validation, which are fitted again
/// for that. The probabilities are calibrated by each member's own calibration; the threshold is chosen on the combined
/// out-of-fold predictions. The temporal reference is the weighted mean of those of the chosen members; without one for
/// each of them there is none.
///
/// # Errors
///
/// `Data` without members, or with members that were trained on other rows or features; `Stopped`; the errors of
/// fitting the folds again.
pub fn combine(
    data: &Dataset,
    parts: &Parts,
    spec: &TrainSpec,
    members: &[&Trained],
    control: &Control,
) -> Result<Trained, LearnError> {
    let started = Instant::now();
    let names = data.x().names();
    for member in members {
        let of = member.model.algorithm;
        if member.model.feature_names != names {
            return Err(LearnError::Data(format!("ensemble: {of} was trained on other features")));
        }
        if member.oof.len() != parts.train.len() {
            return Err(LearnError::Data(format!(
                "ensemble: {of} has {} out-of-fold predictions for {} training rows",
                member.oof.len(),
                parts.train.len()
            )));
        }
    }
    let y: Vec<u8> = parts.train.iter().map(|r| data.y()[*r as usize]).collect();
    let predictions: Vec<&[f64]> = members.iter().map(|m| &m.oof[..]).collect();
    let counts = select(&y, &predictions, control)?;
    let total: usize = counts.iter().sum();
    if total == 0 {
        return Err(LearnError::Data("ensemble: no members to combine".to_owned()));
    }
    let chosen: Vec<(f64, &Trained)> = counts
        .iter()
        .zip(members)
        .filter(|(count, _)| **count > 0)
        .map(|(count, member)| (*count as f64 / total as f64, *member))
        .collect();
    let oof = mean(&chosen.iter().map(|(weight, m)| (*weight, &m.oof[..])).collect::<Vec<_>>());
    let (threshold, _) = best_threshold(spec.metric, &y, &oof);
    let held = held_out(data, parts, spec, control)?;
    let cv_scores = fold_scores(spec.metric, &parts.train, &y, &oof, held.iter().map(|h| &h[..]), threshold);
    let at = |name: &str| names.iter().position(|n| n == name);
    let shares = chosen.iter().flat_map(|(weight, member)| {
        member.importance.iter().filter_map(move |(name, share)| Some((at(name)?, weight * share)))
    });
    let importance = ranked(names, shares.collect::<Vec<_>>());
    let mut fitted = Vec::new();
    for (weight, member) in &chosen {
        fitted.extend(bag(data, parts, spec, *weight, member, control)?);
    }
    let used = fitted.iter().flat_map(|m| m.columns.iter().copied());
    let columns: Vec<u32> = used.collect::<std::collections::BTreeSet<u32>>().into_iter().collect();
    for member in &mut fitted {
        let own = member.columns.iter().filter_map(|c| columns.binary_search(c).ok());
        member.columns = own.map(|at| at as u32).collect();
    }
    Ok(Trained {
        temporal: temporal(data, &chosen),
        params: described(&chosen),
        model: Model {
            algorithm: Algorithm::Ensemble,
            feature_names: names.to_vec(),
            predictor: Predictor::Ensemble(fitted),
            columns,
            calibration: Calibration::None,
            threshold,
            category_rule: data.category_rule(),
            evidence: Some(evidence::of(data, &parts.train, &oof, spec.seed, control)?),
        },
        cv_scores,
        oof,
        importance,
        iterations: chosen.iter().map(|(_, m)| m.iterations).sum(),
        trials: total as u32,
        warnings: Vec::new(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// How often each member is in the mean. `y`: labels 0 or 1, `predictions`: each member's out-of-fold probabilities of
/// the same rows. Ties go to the earlier member.
fn select(y: &[u8], predictions: &[&[f64]], control: &Control) -> Result<Vec<usize>, LearnError> {
    let mut counts = vec![0usize; predictions.len()];
    let mut sum = vec![0.0; y.len()];
    let mut best = f64::INFINITY;
    for round in 0..ROUNDS {
        control.check()?;
        let with = |member: &&[f64]| -> f64 {
            let p: Vec<f64> = sum.iter().zip(*member).map(|(s, p)| (s + p) / (round + 1) as f64).collect();
            log_loss(y, &p)
        };
        let losses: Vec<f64> = predictions.iter().map(with).collect();
        let Some(add) = (0..losses.len()).min_by(|a, b| losses[*a].total_cmp(&losses[*b]).then(a.cmp(b))) else {
            break;
        };
        if losses[add] > best - MIN_GAIN {
            break;
        }
        best = losses[add];
        counts[add] += 1;
        sum.iter_mut().zip(predictions[add]).for_each(|(s, p)| *s += p);
    }
    Ok(counts)
}

fn mean(members: &[(f64, &[f64])]) -> Vec<f64> {
    let rows = members.first().map_or(0, |(_, p)| p.len());
    (0..rows).map(|i| members.iter().map(|(weight, p)| weight * p[i]).sum::<f64>().clamp(0.0, 1.0)).collect()
}

fn temporal(data: &Dataset, chosen: &[(f64, &Trained)]) -> Option<Temporal> {
    let members: Vec<&Temporal> = chosen.iter().map(|(_, m)| m.temporal.as_ref()).collect::<Option<_>>()?;
    let first = *members.first()?;
    if members.iter().any(|m| m.rows != first.rows) {
        return None;
    }
    let weighted: Vec<(f64, &[f64])> =
        chosen.iter().zip(&members).map(|((weight, _), m)| (*weight, &m.p[..])).collect();
    let y: Option<Vec<u8>> = first.rows.iter().map(|r| data.y().get(*r as usize).copied()).collect();
    Temporal::new(first.figures.year, first.rows.clone(), &y?, mean(&weighted))
}

/// The models of one member, which share its weight equally; their columns are numbered as in the data.
fn bag(
    data: &Dataset,
    parts: &Parts,
    spec: &TrainSpec,
    weight: f64,
    member: &Trained,
    control: &Control,
) -> Result<Vec<Member>, LearnError> {
    let model = &member.model;
    let mut models = vec![(model.predictor.clone(), model.columns.clone())];
    if BAGGED.contains(&model.algorithm) {
        let spec = TrainSpec { algorithm: model.algorithm, tuning: Tuning::None, ..spec.clone() };
        let unit = Unit::new(base_learner(model.algorithm)?, data, parts, &spec, control)?;
        let params = base_learner(model.algorithm)?.check(&member.params).map_err(LearnError::Params)?;
        let fits = unit.fold_fits(&params, member.iterations, control)?;
        models.extend(fits.into_iter().map(|(fit, c)| (fit.predictor, c.into_iter().map(|c| c as u32).collect())));
    }
    let weight = weight / models.len() as f64;
    let of = |(predictor, columns): (Predictor, Vec<u32>)| Member {
        weight,
        columns,
        predictor: Box::new(predictor),
        calibration: model.calibration.clone(),
    };
    Ok(models.into_iter().map(of).collect())
}

fn described(chosen: &[(f64, &Trained)]) -> Params {
    let members: Vec<Value> = chosen
        .iter()
        .map(|(weight, m)| json!({ "algorithm": m.model.algorithm, "weight": weight, "params": m.params }))
        .collect();
    Params::from_iter([("members".to_owned(), Value::Array(members))])
}
