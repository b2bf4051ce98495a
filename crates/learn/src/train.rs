//! The training of one algorithm: candidates, cross-validation, choice, calibration, final fit.

mod reference;

use crate::calibration;
use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::evidence;
use crate::importance::{permutation, ranked};
use crate::learner::{Fit, FitTask, Learner};
use crate::learners::learner;
use crate::metrics::{best_threshold, metric};
use crate::params::CheckedParams;
use crate::search::choice::choose;
use crate::search::rule::Rule;
use crate::search::tuning::sampler;
use crate::search::workers::{self, Meter};
use crate::search::{Fold, Sampler, Space, Study, StudyEnd};
use crate::select::Selection;
use crate::split::{Parts, grouped_folds, stratified_folds, without};
use provost_domain::config::{FeatureSelection, Grid, Pruning, Tuning};
use provost_domain::model::ImportanceKind;
use provost_domain::rng::SplitMix64;
use provost_domain::{Algorithm, TargetMetric};
use provost_predict::control::{Control, StopReason};
use provost_predict::model::Model;
use std::sync::Arc;
use std::time::Instant;

pub use crate::search::{FoldResult, Journal, NoJournal, TrialResult, TrialStatus};
pub use crate::trained::Trained;

const IMPORTANCE_STREAM: u64 = 0x696d_706f;
/// Shuffles of each column, for the permutation importance of learners without one of their own.
const IMPORTANCE_REPEATS: u32 = 3;

/// What to train: the parts of a job's configuration that concern one algorithm.
#[derive(Debug, Clone)]
pub struct TrainSpec {
    /// The algorithm to train.
    pub algorithm: Algorithm,
    /// How candidates are chosen.
    pub tuning: Tuning,
    /// Most candidates, where the tuning draws them.
    pub iterations: u32,
    /// Number of folds of the cross-validation.
    pub folds: u32,
    /// The metric that candidates are compared by.
    pub metric: TargetMetric,
    /// The seed of every random choice.
    pub seed: u64,
    /// The method of feature selection.
    pub feature_selection: FeatureSelection,
    /// The names of the features, for manual selection.
    pub selected_features: Option<Vec<String>>,
    /// Standardise columns (linear and neural learners only).
    pub scale: bool,
    /// Rounds or epochs without improvement that end the final fit; 0 turns early stopping off.
    pub early_stopping_rounds: u32,
    /// Whether candidates that will not win are dropped early.
    pub pruning: Pruning,
    /// Replaces the learner's own grid.
    pub grid: Option<Grid>,
}

/// Searches, chooses and fits one algorithm on `parts.train`. The validation part is used for early stopping of the
/// final fit only, the test part not at all. Where `parts.latest` cuts the training part in time, the chosen parameters
/// are fitted once more, on the earlier years, for the temporal reference; the model is the same without it.
///
/// Trials that `journal` has are not fitted again; the model is the same, byte for byte, as without an interruption and
/// at any number of threads. Where the time limit is reached during the search, the best finished trial is kept and a
/// warning says so.
///
/// # Errors
///
/// `Stopped` where the time limit is reached without any finished trial, and for the other reasons to stop; `Params`
/// and `SearchSpace` for an invalid configuration; `Data` where nothing can be fitted; `Journal`.
pub fn train(
    data: &Dataset,
    parts: &Parts,
    spec: &TrainSpec,
    journal: &dyn Journal,
    control: &Control,
) -> Result<Trained, LearnError> {
    let learner = base_learner(spec.algorithm)?;
    let trained = Unit::new(learner, data, parts, spec, control).and_then(|unit| unit.train(journal, control));
    let complete = || journal.finished().iter().any(|t| t.status == TrialStatus::Complete);
    match trained {
        // The time limit was reached before the search had read the trials that an earlier process recorded.
        Err(LearnError::Stopped(StopReason::TimeLimit)) if complete() => {
            let after = past_time_limit(control);
            Unit::new(learner, data, parts, spec, &after)?.finish(journal, "the time limit ended the search", &after)
        }
        trained => trained,
    }
}

/// Fits the best complete trial of the journal without searching on.
///
/// # Errors
///
/// `Data` where the journal has no complete trial; else as `train`.
pub fn finish(
    data: &Dataset,
    parts: &Parts,
    spec: &TrainSpec,
    journal: &dyn Journal,
    control: &Control,
) -> Result<Trained, LearnError> {
    let learner = base_learner(spec.algorithm)?;
    Unit::new(learner, data, parts, spec, control)?.finish(journal, "the search was ended", control)
}

/// The same control without the time limit.
fn past_time_limit(control: &Control) -> Control {
    Control { token: control.token.past_time_limit(), on_progress: control.on_progress.clone() }
}

pub(crate) fn base_learner(algorithm: Algorithm) -> Result<&'static dyn Learner, LearnError> {
    learner(algorithm)
        .ok_or_else(|| LearnError::Data(format!("{algorithm} is not trained on rows: combine its members")))
}

/// The held-out rows of each fold of the training part: the same for all algorithms of one job.
pub(crate) fn held_out(
    data: &Dataset,
    parts: &Parts,
    spec: &TrainSpec,
    control: &Control,
) -> Result<Vec<Vec<u32>>, LearnError> {
    match &parts.groups {
        Some(groups) => grouped_folds(data.y(), &parts.train, groups, spec.folds, spec.seed, control),
        None => stratified_folds(data.y(), &parts.train, spec.folds, spec.seed, control),
    }
}

pub(crate) struct Unit<'a> {
    learner: &'a dyn Learner,
    data: &'a Dataset,
    parts: &'a Parts,
    spec: &'a TrainSpec,
    space: Space<'a>,
    /// Most candidates that the search tries.
    most: usize,
    held: Vec<Vec<u32>>,
    started: Instant,
}

impl<'a> Unit<'a> {
    /// Checks everything that can be checked before any fit.
    ///
    /// # Errors
    ///
    /// As `train`.
    pub(crate) fn new(
        learner: &'a dyn Learner,
        data: &'a Dataset,
        parts: &'a Parts,
        spec: &'a TrainSpec,
        control: &Control,
    ) -> Result<Self, LearnError> {
        let space = Space::new(learner, spec.tuning, spec.grid.as_ref(), control)?;
        let most = space.most(spec.iterations);
        let beyond = |rows: &[u32]| rows.iter().any(|r| *r as usize >= data.rows());
        if beyond(&parts.train) || beyond(&parts.validation) {
            return Err(LearnError::Data(format!("a part names rows beyond the {} of the data", data.rows())));
        }
        let held = held_out(data, parts, spec, control)?;
        Ok(Self { learner, data, parts, spec, space, most, held, started: Instant::now() })
    }

    fn sampler(&self, control: &Control) -> Result<Box<dyn Sampler + '_>, LearnError> {
        sampler(&self.space, self.spec.iterations, self.spec.seed, control)
    }

    pub(crate) fn train(&self, journal: &dyn Journal, control: &Control) -> Result<Trained, LearnError> {
        let k = self.held.len() as u64;
        let meter = Meter::new(control, self.most as u64 * k + self.last_fits());
        let folds = self.folds(control)?;
        let study = self.study(&folds);
        let end = study.run(&mut *self.sampler(control)?, journal, &meter, control)?;
        let after = past_time_limit(control);
        let mut warnings = Vec::new();
        if end.cut {
            let complete = end.trials.iter().filter(|t| t.status == TrialStatus::Complete).count();
            if complete == 0 {
                return Err(LearnError::Stopped(StopReason::TimeLimit));
            }
            warnings.push(format!(
                "{}: the time limit ended the search after {} of {} candidates; the best of {complete} complete ones was kept",
                self.spec.algorithm,
                end.trials.len(),
                self.most
            ));
        }
        self.conclude(&study, end, warnings, &meter, &after)
    }

    /// Fits the best complete trial of the journal; `ended` says in the model's warning why the search did not go on.
    pub(crate) fn finish(&self, journal: &dyn Journal, ended: &str, control: &Control) -> Result<Trained, LearnError> {
        let meter = Meter::new(control, self.held.len() as u64 + self.last_fits());
        let folds = self.folds(control)?;
        let study = self.study(&folds);
        let trials = study.replay(&mut *self.sampler(control)?, journal, control)?;
        if !trials.iter().any(|t| t.status == TrialStatus::Complete) {
            return Err(LearnError::Data(format!(
                "{}: no trial has finished, so there is none to keep",
                self.spec.algorithm
            )));
        }
        let warning = format!(
            "{}: {ended} after {} of {} candidates; the best of these was kept",
            self.spec.algorithm,
            trials.len(),
            self.most
        );
        self.conclude(&study, StudyEnd { trials, ..StudyEnd::default() }, vec![warning], &meter, control)
    }

    fn selection(&self) -> Selection<'_> {
        let features = self.spec.selected_features.as_deref();
        Selection { kind: self.spec.feature_selection, features, seed: self.spec.seed }
    }

    fn folds(&self, control: &Control) -> Result<Vec<Fold>, LearnError> {
        workers::run(self.held.len(), |i| {
            control.check()?;
            let train = without(&self.parts.train, &self.held[i]);
            let columns = self.selection().columns(self.data, &train, control)?;
            Ok(Fold { train, held: self.held[i].clone(), columns })
        })
    }

    fn study<'s>(&'s self, folds: &'s [Fold]) -> Study<'s> {
        Study {
            learner: self.learner,
            data: self.data,
            folds,
            rule: Rule::Service(self.spec.metric),
            pruning: if self.most > 1 { self.spec.pruning } else { Pruning::None },
            scale: self.spec.scale,
            seed: self.spec.seed,
            sharing: true,
        }
    }

    /// Chooses, fits on the whole training part, calibrates on out-of-fold predictions and sets the threshold there.
    fn conclude(
        &self,
        study: &Study<'_>,
        mut end: StudyEnd,
        mut warnings: Vec<String>,
        meter: &Arc<Meter>,
        control: &Control,
    ) -> Result<Trained, LearnError> {
        let Some((winner, warning)) = choose(study.rule, &end.trials) else {
            return Err(LearnError::Data("no trial is complete".to_owned()));
        };
        warnings.extend(warning.map(|w| format!("{}: {w}", self.spec.algorithm)));
        let params = &self.learner.check(&winner.params).map_err(LearnError::Params)?;
        let index = winner.index;
        let (inner, unit) = meter.unit(control);
        let (fit, columns) = self.fit(&self.parts.train, &self.parts.validation, params, &inner)?;
        let importance = self.importance(&fit, &columns, control)?;
        unit.done();
        // Predicted by fits as long as the model's own: a calibration for longer fits would not match the model.
        let by_fold = match (self.cut(params, fit.iterations), end.predictions.remove(&index)) {
            (Some(shorter), _) => study.predictions(&shorter, meter, control)?,
            (None, Some(kept)) => kept,
            (None, None) => study.predictions(params, meter, control)?,
        };
        let raw = aligned(&self.parts.train, study.folds.iter().map(|f| &f.held[..]), &by_fold);
        let y: Vec<u8> = self.parts.train.iter().map(|r| self.data.y()[*r as usize]).collect();
        let calibration = calibration::fit(&raw, &y, control)?;
        let oof: Vec<f64> = raw.iter().map(|p| calibration.apply(*p)).collect();
        let (threshold, _) = best_threshold(self.spec.metric, &y, &oof);
        let held = study.folds.iter().map(|f| &f.held[..]);
        let cv_scores = fold_scores(self.spec.metric, &self.parts.train, &y, &oof, held, threshold);
        let model = Model {
            algorithm: self.spec.algorithm,
            feature_names: self.data.x().names().to_vec(),
            columns: columns.iter().map(|c| *c as u32).collect(),
            predictor: fit.predictor,
            calibration,
            threshold,
            category_rule: self.data.category_rule(),
            evidence: Some(evidence::of(self.data, &self.parts.train, &oof, self.spec.seed, control)?),
        };
        let seconds = self.started.elapsed().as_secs_f64();
        let temporal = match self.temporal(params, &raw, &y, meter, control) {
            Err(LearnError::Stopped(reason)) => return Err(LearnError::Stopped(reason)),
            // The model is usable without the temporal reference.
            Err(e) => {
                warnings.push(format!("{}: no figures on its last year: {e}", self.spec.algorithm));
                None
            }
            Ok(temporal) => temporal,
        };
        Ok(Trained {
            model,
            params: params.clone().into_map(),
            cv_scores,
            oof,
            importance,
            iterations: fit.iterations,
            trials: end.trials.len() as u32,
            warnings,
            seconds,
            temporal,
        })
    }

    /// Most fits after the search: the model's, the temporal reference's, and one per fold where the first may stop
    /// early.
    fn last_fits(&self) -> u64 {
        let stops = self.spec.early_stopping_rounds > 0 && !self.parts.validation.is_empty();
        let of_folds = if stops && self.learner.length().is_some() { self.held.len() as u64 } else { 0 };
        1 + u64::from(self.parts.latest.is_some()) + of_folds
    }

    /// The parameters with `iterations` as the length of a fit; None where a fit is no longer than that, or has no such
    /// parameter.
    fn cut(&self, params: &CheckedParams, iterations: u64) -> Option<CheckedParams> {
        let name = self.learner.length()?;
        let given = params.get(name)?.as_u64()?;
        // The number is at least 1 and below one that the learner has accepted.
        (1..given).contains(&iterations).then(|| params.clone().with_accepted(name, iterations.into()))
    }

    fn fit(
        &self,
        train: &[u32],
        validation: &[u32],
        params: &CheckedParams,
        control: &Control,
    ) -> Result<(Fit, Vec<usize>), LearnError> {
        let columns = self.selection().columns(self.data, train, control)?;
        let stopping = self.spec.early_stopping_rounds > 0;
        let task = FitTask {
            validation: if stopping { validation } else { &[] },
            seed: self.spec.seed,
            early_stopping_rounds: self.spec.early_stopping_rounds,
            scale: self.spec.scale,
            ..FitTask::new(self.data, &columns, train, params)
        };
        Ok((self.learner.fit(&task, control)?, columns))
    }

    /// A fit without each fold's held-out rows, of as many iterations as the model's own, and the columns of each.
    pub(crate) fn fold_fits(
        &self,
        params: &CheckedParams,
        iterations: u64,
        control: &Control,
    ) -> Result<Vec<(Fit, Vec<usize>)>, LearnError> {
        let shorter = self.cut(params, iterations);
        let params = shorter.as_ref().unwrap_or(params);
        workers::run(self.held.len(), |i| self.fit(&without(&self.parts.train, &self.held[i]), &[], params, control))
    }

    /// The learner's own importance, else permutation importance on training rows.
    fn importance(&self, fit: &Fit, columns: &[usize], control: &Control) -> Result<Vec<(String, f64)>, LearnError> {
        let shares = match &fit.importance {
            Some(own) => own.clone(),
            None => {
                let mut rows = self.parts.train.clone();
                SplitMix64::keyed(self.spec.seed, &[IMPORTANCE_STREAM]).shuffle(&mut rows);
                rows.truncate(ImportanceKind::Permutation.rows(rows.len() as u64) as usize);
                let seed = self.spec.seed;
                permutation(&fit.predictor, self.data, columns, &rows, seed, IMPORTANCE_REPEATS, control)?
            }
        };
        Ok(ranked(self.data.x().names(), columns.iter().copied().zip(shares)))
    }
}

/// Predictions of each fold's held-out rows, in the order of `train` (ascending, as are the held-out rows).
fn aligned<'f>(train: &[u32], held: impl Iterator<Item = &'f [u32]>, by_fold: &[Arc<[f64]>]) -> Vec<f64> {
    let mut all: Vec<(u32, f64)> =
        held.zip(by_fold).flat_map(|(rows, p)| rows.iter().copied().zip(p.iter().copied())).collect();
    all.sort_unstable_by_key(|(row, _)| *row);
    debug_assert!(all.iter().map(|(row, _)| row).eq(train));
    all.into_iter().map(|(_, p)| p).collect()
}

/// The metric on each fold, from predictions aligned with `train` (ascending).
pub(crate) fn fold_scores<'f>(
    target: TargetMetric,
    train: &[u32],
    y: &[u8],
    oof: &[f64],
    held: impl Iterator<Item = &'f [u32]>,
    threshold: f64,
) -> Vec<f64> {
    held.map(|rows| {
        let at = rows.iter().filter_map(|r| train.binary_search(r).ok());
        let (y, p): (Vec<u8>, Vec<f64>) = at.map(|i| (y[i], oof[i])).unzip();
        metric(target, &y, &p, threshold)
    })
    .collect()
}

#[cfg(test)]
mod tests;
