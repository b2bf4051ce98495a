//! The search of the scikit-learn peer: F1 at 0.5 on every fold; the highest mean wins, the first on a tie.

use super::{FitError, FitOptions, GridDraw, Objects};
use provost_domain::config::Tuning;
use provost_domain::limits::GRID_CANDIDATES;
use provost_learn::search::choice::choose;
use provost_learn::search::draws::{drawn, drawn_points};
use provost_learn::search::rule::Rule;
use provost_learn::search::workers::Meter;
use provost_learn::search::{Fold, Listed, NoJournal, Space, Study, TrialResult, TrialStatus};
use provost_learn::split::without;
use provost_learn::{CheckedParams, Control, Dataset, LearnError, Learner, Params};
use serde_json::{Map, Value, json};

use super::report::rounded;

/// The candidates of a search.
pub struct Search {
    /// As drawn or given, and as checked and completed.
    drawn: Vec<Params>,
    checked: Vec<CheckedParams>,
    /// `--candidates` was given: the scores of every candidate are written.
    listed: bool,
}

impl Search {
    pub fn plan(learner: &dyn Learner, options: &FitOptions, given: &Objects) -> Result<Self, FitError> {
        let algorithm = learner.algorithm();
        let failed = |source| FitError::Learn { algorithm, source };
        let listed = !given.is_empty();
        if let Some(list) = given.get(algorithm) {
            let fault = || FitError::Usage(format!("--candidates: {algorithm}: not a list of parameter objects"));
            let list = list.as_array().ok_or_else(fault)?;
            let drawn: Vec<Params> =
                list.iter().map(|v| v.as_object().cloned().ok_or_else(fault)).collect::<Result<_, _>>()?;
            if drawn.len() > GRID_CANDIDATES {
                return Err(FitError::Usage(format!(
                    "--candidates: {algorithm}: {} candidates; at most {GRID_CANDIDATES} are allowed",
                    drawn.len()
                )));
            }
            if !drawn.is_empty() {
                let check = |(at, params): (usize, &Params)| {
                    let path = format!("--candidates: {algorithm}[{at}]");
                    learner.check(params).map_err(|faults| FitError::Params { path, faults })
                };
                let checked = drawn.iter().enumerate().map(check).collect::<Result<_, _>>()?;
                return Ok(Self { drawn, checked, listed });
            }
        }
        let control = Control::default();
        let space = Space::new(learner, Tuning::RandomSearch, None, &control).map_err(failed)?;
        let checked = match options.grid {
            GridDraw::Full => drawn_points(&space, options.iterations, options.seed, &control),
            GridDraw::Distinct => drawn(&space, options.iterations, options.seed, &control),
        };
        let checked = checked.map_err(failed)?;
        let grid = learner.grid();
        let of_grid = |params: &CheckedParams| -> Params {
            params.iter().filter(|(name, _)| grid.contains_key(*name)).map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        Ok(Self { drawn: checked.iter().map(of_grid).collect(), checked, listed })
    }

    /// Returns the best parameters, and `cv_f1`, `best` and `candidates` for the output.
    pub fn run(
        &self,
        learner: &dyn Learner,
        data: &Dataset,
        train: &[u32],
        held: &[Vec<u32>],
        options: &FitOptions,
    ) -> Result<(CheckedParams, Map<String, Value>), LearnError> {
        let columns: Vec<usize> = (0..data.x().width()).collect();
        let folds: Vec<Fold> = held
            .iter()
            .map(|held| Fold { train: without(train, held), held: held.clone(), columns: columns.clone() })
            .collect();
        let study = Study {
            learner,
            data,
            folds: &folds,
            rule: Rule::PeerF1,
            pruning: options.pruning,
            scale: true,
            seed: options.seed,
            sharing: true,
        };
        let control = Control::default();
        let meter = Meter::new(&control, (self.checked.len() * folds.len()) as u64);
        let end = study.run(&mut Listed::new(self.checked.clone()), &NoJournal, &meter, &control)?;
        let Some((winner, _)) = choose(study.rule, &end.trials) else {
            return Err(LearnError::Data("no candidate was scored on every fold".to_owned()));
        };
        let best = winner.index as usize;
        let mut extra = Map::new();
        extra.insert("cv_f1".to_owned(), rounded(winner.score, 5));
        extra.insert("best".to_owned(), Value::Object(self.drawn[best].clone()));
        if self.listed {
            let lines = end.trials.iter().map(|t| self.line(t)).collect();
            extra.insert("candidates".to_owned(), Value::Array(lines));
        }
        Ok((self.checked[best].clone(), extra))
    }

    fn line(&self, trial: &TrialResult) -> Value {
        let auc = trial.folds.iter().map(|f| f.auc).sum::<f64>() / trial.folds.len().max(1) as f64;
        let params = &self.drawn[trial.index as usize];
        let mut line = json!({ "params": params, "f1": rounded(trial.score, 5), "auc": rounded(auc, 5) });
        if trial.status == TrialStatus::Pruned {
            line["pruned_after_folds"] = json!(trial.folds.len());
        }
        line
    }
}
