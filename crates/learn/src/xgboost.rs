//! XGBoost: the library itself trains (`hist`); flat trees that are read from the library's bytes predict.

mod bin_edges;
mod grow;
pub mod library;
mod matrix;
mod random;
mod split_search;
mod thread_tuning;

use crate::error::LearnError;
use crate::learner::{Fit, FitTask, Learner, defaults, fit_apart, grid, key, stops};
use crate::params::{CheckedParams, Params, Reader};
use crate::weights::class_weights;
use provost_domain::config::Grid;
use provost_domain::{Algorithm, Faults};
use provost_predict::control::Control;
use provost_predict::predictor::Predictor;
use provost_predict::xgboost::{self as model, XgboostModel};
use serde_json::json;
use std::ops::Bound;
use std::time::Instant;
use thread_tuning::ThreadTuning;
use xgboost::{Booster, DMatrix, XGBError, parameters::BoosterParameters};

/// The learner `xgboost`.
#[derive(Debug)]
pub struct Xgboost;

/// The checked parameters; all but the number of rounds go to the library under their own names.
struct Checked {
    params: CheckedParams,
    rounds: u64,
}

impl Xgboost {
    fn read(params: &Params, defaults: &Params) -> Result<Checked, Faults> {
        let share = (Bound::Excluded(0.0), Bound::Included(1.0));
        let mut r = Reader::new(params, defaults);
        let rounds = r.int("n_estimators", 1..=10_000);
        r.int("max_depth", 1..=24);
        r.float("learning_rate", share);
        r.float("subsample", share);
        r.float("colsample_bytree", share);
        r.float("gamma", 0.0..=1e9);
        r.float("min_child_weight", 0.0..=1e9);
        r.float("reg_alpha", 0.0..=1e9);
        r.float("reg_lambda", 0.0..=1e9);
        r.float("scale_pos_weight", (Bound::Excluded(0.0), Bound::Included(1e9)));
        Ok(Checked { params: r.finish()?, rounds })
    }
}

impl Learner for Xgboost {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Xgboost
    }

    fn defaults(&self) -> Params {
        defaults([
            ("n_estimators", json!(100)),
            ("max_depth", json!(6)),
            ("learning_rate", json!(0.3)),
            ("subsample", json!(1.0)),
            ("colsample_bytree", json!(1.0)),
            ("gamma", json!(0.0)),
            ("min_child_weight", json!(1.0)),
            ("reg_alpha", json!(0.0)),
            ("reg_lambda", json!(1.0)),
            ("scale_pos_weight", json!(1.0)),
        ])
    }

    fn grid(&self) -> Grid {
        grid([
            ("learning_rate", json!([0.01, 0.05, 0.1, 0.3])),
            ("max_depth", json!([3, 5, 7, 9])),
            ("n_estimators", json!([100, 200, 300])),
            ("subsample", json!([0.7, 0.8, 0.9, 1.0])),
            ("colsample_bytree", json!([0.7, 0.8, 0.9, 1.0])),
            ("gamma", json!([0.0, 0.1, 0.2])),
            ("min_child_weight", json!([1.0, 3.0, 5.0])),
        ])
    }

    fn length(&self) -> Option<&'static str> {
        Some("n_estimators")
    }

    fn check(&self, params: &Params) -> Result<CheckedParams, Faults> {
        Ok(Self::read(params, &self.defaults())?.params)
    }

    fn fit(&self, task: &FitTask<'_>, control: &Control) -> Result<Fit, LearnError> {
        let checked = Self::read(task.params, &self.defaults()).map_err(LearnError::Params)?;
        if task.columns.is_empty() {
            let prior = prior(task)?;
            control.progress(checked.rounds, checked.rounds);
            return Ok(Fit { predictor: Predictor::Constant(prior), importance: Some(Vec::new()), iterations: 0 });
        }
        let (model, gains) = boost(task, &checked, control)?;
        let iterations = model.rounds() as u64;
        let sum: f64 = gains.iter().sum();
        let importance = gains.iter().map(|g| if sum > 0.0 { g / sum } else { 0.0 }).collect();
        Ok(Fit { predictor: Predictor::Xgboost(model), importance: Some(importance), iterations })
    }

    fn family(&self, params: &Params, _width: usize) -> String {
        key(params, &["n_estimators"])
    }

    /// Fits the member with the most rounds; the other members are its first rounds.
    fn fit_family(
        &self,
        task: &FitTask<'_>,
        members: &[&CheckedParams],
        rows: &[u32],
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, LearnError> {
        if task.columns.is_empty() || (task.early_stopping_rounds > 0 && !task.validation.is_empty()) {
            return fit_apart(self, task, members, rows, control);
        }
        let read = |params: &&CheckedParams| Self::read(params, &self.defaults()).map_err(LearnError::Params);
        let checked: Vec<Checked> = members.iter().map(read).collect::<Result<_, _>>()?;
        let (ends, places) = stops(&checked.iter().map(|c| c.rounds).collect::<Vec<_>>());
        let Some(longest) = checked.into_iter().max_by_key(|c| c.rounds) else { return Ok(Vec::new()) };
        let by_end = match grow::trees(task, &longest, control)? {
            Some((margin, grown)) => {
                model::predict_at((&grown, margin), task.data.x(), task.columns, rows, &ends, control)?
            }
            None => boost(task, &longest, control)?.0.predict_at(task.data.x(), task.columns, rows, &ends, control)?,
        };
        Ok(places.into_iter().map(|place| by_end[place].clone()).collect())
    }
}

/// Share of class 1 among the training rows.
fn prior(task: &FitTask<'_>) -> Result<f64, LearnError> {
    class_weights(task.data.y(), task.train, false)?;
    let ones = task.train.iter().filter(|row| task.data.y()[**row as usize] == 1).count();
    Ok(ones as f64 / task.train.len() as f64)
}

/// Boosts all rounds, or with early stopping those up to the lowest log loss of the validation rows; returns the model
/// and the total gain of each column. The stop token cannot be checked inside the library: not during a round, nor
/// while the library makes the matrix or the model's bytes.
fn boost(task: &FitTask<'_>, checked: &Checked, control: &Control) -> Result<(XgboostModel, Vec<f64>), LearnError> {
    let (prior, rounds) = (prior(task)?, checked.rounds);
    let train = matrix::training(task, control)?;
    let stopping = task.early_stopping_rounds > 0 && !task.validation.is_empty();
    let validation = if stopping { Some(matrix::validation(task, control)?) } else { None };
    let cached: Vec<&DMatrix> = std::iter::once(&*train).chain(&validation).collect();
    let mut booster = Booster::new_with_cached_dmats(&BoosterParameters::default(), &cached).map_err(foreign)?;
    configure(&mut booster, task, &checked.params, prior)?;

    // No rayon call from here to the last update: the library's random generator belongs to the thread, and a stolen
    // task that fits another model on this thread would advance the generator.
    let mut best = (f64::INFINITY, 0u64);
    let mut done = 0;
    let mut threads = 1;
    let mut tuning = ThreadTuning::new(task.train.len(), rayon::current_num_threads());
    while done < rounds {
        control.check()?;
        if tuning.threads() != threads {
            threads = tuning.threads();
            booster.set_param("nthread", &threads.to_string()).map_err(foreign)?;
        }
        let started = Instant::now();
        booster.update(&train, done as i32).map_err(foreign)?;
        tuning.took(started.elapsed());
        done += 1;
        if let Some(validation) = &validation {
            let margins = booster.predict_margin(validation).map_err(foreign)?;
            let loss = log_loss(&margins, task.data.y(), task.validation)?;
            if loss < best.0 {
                best = (loss, done);
            } else if done - best.1 >= u64::from(task.early_stopping_rounds) {
                break;
            }
        }
        control.progress(done, rounds);
    }
    let kept = if stopping && best.1 > 0 { best.1 } else { done };
    control.check()?;
    let booster = if kept < done { booster.slice(0, kept as i32).map_err(foreign)? } else { booster };
    let bytes = booster.save_buffer(true).map_err(foreign)?;
    let (model, gains) = XgboostModel::read(bytes).map_err(LearnError::Xgboost)?;
    model.check(task.columns.len()).map_err(LearnError::Xgboost)?;
    if model.rounds() as u64 != kept {
        return Err(LearnError::Xgboost(format!("{} trees in the model after {kept} rounds", model.rounds())));
    }
    control.progress(rounds, rounds);
    Ok((model, gains))
}

/// The probability before the first tree, as the library takes it.
fn base_score(prior: f64) -> f32 {
    prior.clamp(1e-6, 1.0 - 1e-6) as f32
}

/// The library's seed, made from the task's.
fn seed(task: &FitTask<'_>) -> u64 {
    provost_domain::rng::mix(task.seed) & 0x7fff_ffff
}

/// The library's message without its C++ stack trace.
fn foreign(error: XGBError) -> LearnError {
    let text = error.to_string();
    let message = text.split("Stack trace").next().unwrap_or_default();
    LearnError::Xgboost(message.trim().to_owned())
}

/// The library accepts any key and ignores those that it does not know, so only these are set.
fn configure(booster: &mut Booster, task: &FitTask<'_>, params: &Params, prior: f64) -> Result<(), LearnError> {
    let own = [
        ("verbosity", "0".to_owned()),
        ("booster", "gbtree".to_owned()),
        ("objective", "binary:logistic".to_owned()),
        ("tree_method", "hist".to_owned()),
        // The library's Python package estimates this score from the labels; the wrapper's default is 0.5.
        ("base_score", format!("{:?}", base_score(prior))),
        ("nthread", "1".to_owned()),
        ("seed", seed(task).to_string()),
    ];
    for (key, value) in own {
        booster.set_param(key, &value).map_err(foreign)?;
    }
    for (key, value) in params.iter().filter(|(key, _)| key.as_str() != "n_estimators") {
        booster.set_param(key, &value.to_string()).map_err(foreign)?;
    }
    let names: Vec<&str> = task.columns.iter().map(|c| task.data.x().names()[*c].as_str()).collect();
    if let Some(name) = names.iter().find(|n| n.contains('\0')) {
        return Err(LearnError::Data(format!("column name {name:?} contains a zero byte")));
    }
    booster.set_feature_names(&names).map_err(foreign)
}

/// Mean log loss of `rows` at their margins.
fn log_loss(margins: &[f32], y: &[u8], rows: &[u32]) -> Result<f64, LearnError> {
    if margins.len() != rows.len() {
        return Err(LearnError::Xgboost(format!("{} predictions for {} rows", margins.len(), rows.len())));
    }
    let loss = |(margin, row): (&f32, &u32)| {
        let z = if y[*row as usize] == 1 { -f64::from(*margin) } else { f64::from(*margin) };
        z.max(0.0) + (-z.abs()).exp().ln_1p()
    };
    Ok(margins.iter().zip(rows).map(loss).sum::<f64>() / rows.len() as f64)
}

#[cfg(test)]
mod tests;
