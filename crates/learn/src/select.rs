//! Feature selection: which columns a model learns from, decided on training rows alone.

use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::learner::FitTask;
use crate::learners::learner;
use crate::metrics::auc;
use crate::params::Params;
use crate::shares::normalised;
use crate::split::{stratified_folds, without};
use linfa::prelude::*;
use linfa_elasticnet::ElasticNet;
use ndarray::{Array1, Array2};
use provost_domain::config::FeatureSelection;
use provost_domain::features::is_category;
use provost_domain::rng::SplitMix64;
use provost_domain::{Algorithm, Fault, Faults};
use provost_predict::control::Control;
use serde_json::{Value, json};

const SAMPLE_STREAM: u64 = 0x7361_6d70;
/// With more training rows than this, the choice of features hardly changes: a sample of so many is used.
const MAX_ROWS: usize = 20_000;
const INNER_FOLDS: u32 = 3;
/// Number of penalties on the lasso's path, evenly spaced in the logarithm from the one that keeps no feature down to a
/// thousandth of it.
const PATH: usize = 25;

/// How columns are selected.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// The method of selection.
    pub kind: FeatureSelection,
    /// The names of the features, for `manual` only.
    pub features: Option<&'a [String]>,
    /// The seed of every random choice.
    pub seed: u64,
}

impl Selection<'_> {
    /// Columns of `data` to learn from, ascending (`manual`: as named), never empty. `rows`: training rows.
    ///
    /// `auto`: the columns that vary among `rows` (missing counts as a value). `rfe`, `lasso` and `tree_based` choose
    /// among these columns. `rfe`: the least important column in a small boosted model is dropped, again and again; the
    /// number of columns with the best AUC on inner folds is kept. `lasso`: the columns with a weight at the largest
    /// penalty within one standard error of the lowest inner error, and all categories. `tree_based`: the columns with
    /// at least half the mean gain in a boosted model.
    ///
    /// # Errors
    ///
    /// `Params` for names that are not features, `Data` where nothing varies, `Stopped`.
    pub fn columns(&self, data: &Dataset, rows: &[u32], control: &Control) -> Result<Vec<usize>, LearnError> {
        if self.kind == FeatureSelection::Manual {
            return self.named(data);
        }
        let varying: Vec<usize> = (0..data.x().width()).filter(|c| varies(data, *c, rows)).collect();
        if varying.is_empty() {
            return Err(LearnError::Data(
                "no feature varies in the training part: there is nothing to learn from".into(),
            ));
        }
        let rows = &self.sample(data, rows);
        match self.kind {
            _ if varying.len() == 1 => Ok(varying),
            FeatureSelection::Auto | FeatureSelection::Manual => Ok(varying),
            FeatureSelection::Rfe => self.rfe(data, rows, varying, control),
            FeatureSelection::Lasso => {
                // A category's codes are not numbers: a linear model cannot judge them, so they are kept.
                let (categories, numbers): (Vec<usize>, Vec<usize>) =
                    varying.into_iter().partition(|c| is_category(&data.x().names()[*c]));
                let mut kept = if numbers.len() > 1 { self.lasso(data, rows, numbers, control)? } else { numbers };
                kept.extend(categories);
                kept.sort_unstable();
                Ok(kept)
            }
            FeatureSelection::TreeBased => {
                let gain = Boosted::fit(data, rows, &varying, self.seed, control)?.gain;
                let floor = 0.5 / varying.len() as f64;
                let kept: Vec<usize> =
                    varying.iter().zip(&gain).filter(|(_, g)| **g >= floor).map(|(c, _)| *c).collect();
                Ok(if kept.is_empty() { varying } else { kept })
            }
        }
    }

    fn named(&self, data: &Dataset) -> Result<Vec<usize>, LearnError> {
        let pointer = "/selected_features";
        let fault = |pointer: String, message: String| Fault { pointer, message };
        let names = data.x().names();
        let mut faults = Vec::new();
        let mut columns = Vec::new();
        for (at, name) in self.features.unwrap_or_default().iter().enumerate() {
            match names.iter().position(|n| n == name) {
                Some(column) if columns.contains(&column) => {
                    faults.push(fault(format!("{pointer}/{at}"), format!("\"{name}\" is named twice")));
                }
                Some(column) => columns.push(column),
                None => faults.push(fault(
                    format!("{pointer}/{at}"),
                    format!("\"{name}\" is not a feature; the features are {}", names.join(", ")),
                )),
            }
        }
        if columns.is_empty() && faults.is_empty() {
            faults.push(fault(pointer.to_owned(), "manual selection needs the names of features".to_owned()));
        }
        if faults.is_empty() { Ok(columns) } else { Err(LearnError::Params(Faults(faults))) }
    }

    /// At most `MAX_ROWS` of `rows`, ascending; both classes keep their share.
    fn sample(&self, data: &Dataset, rows: &[u32]) -> Vec<u32> {
        if rows.len() <= MAX_ROWS || self.kind == FeatureSelection::Auto {
            return rows.to_vec();
        }
        let mut kept = Vec::with_capacity(MAX_ROWS + 2);
        for class in 0..2u8 {
            let mut of_class: Vec<u32> = rows.iter().copied().filter(|r| data.y()[*r as usize] == class).collect();
            let share = (of_class.len() * MAX_ROWS).div_ceil(rows.len());
            SplitMix64::keyed(self.seed, &[SAMPLE_STREAM, u64::from(class)]).shuffle(&mut of_class);
            kept.extend(of_class.into_iter().take(share));
        }
        kept.sort_unstable();
        kept
    }

    /// Recursive feature elimination (Guyon et al. 2002), with the number of features chosen inside the training rows.
    fn rfe(
        &self,
        data: &Dataset,
        rows: &[u32],
        varying: Vec<usize>,
        control: &Control,
    ) -> Result<Vec<usize>, LearnError> {
        let mut mean = vec![0.0; sizes(varying.len()).len()];
        for held in stratified_folds(data.y(), rows, INNER_FOLDS, self.seed, control)? {
            let train = without(rows, &held);
            let y: Vec<u8> = held.iter().map(|r| data.y()[*r as usize]).collect();
            let score = |model: &Boosted, columns: &[usize]| {
                auc(&y, &model.predictor.predict(data.x(), columns, &held)) / f64::from(INNER_FOLDS)
            };
            let mut at = 0;
            self.eliminate(data, &train, varying.clone(), 1, control, |model, columns| {
                mean[at] += score(model, columns);
                at += 1;
            })?;
        }
        // Of equal scores, the one with fewer features.
        let best = (0..mean.len()).rev().max_by(|a, b| mean[*a].total_cmp(&mean[*b]).then(a.cmp(b))).unwrap_or(0);
        let target = sizes(varying.len())[best];
        self.eliminate(data, rows, varying, target, control, |_, _| ())
    }

    /// Drops the least important columns, size by size, until `target` are left. Calls `watch` with the model of each
    /// larger size, and with a target of 1 also with that of the last size.
    fn eliminate(
        &self,
        data: &Dataset,
        rows: &[u32],
        mut columns: Vec<usize>,
        target: usize,
        control: &Control,
        mut watch: impl FnMut(&Boosted, &[usize]),
    ) -> Result<Vec<usize>, LearnError> {
        for size in sizes(columns.len()) {
            // From the second size on, the model before has ranked the columns.
            columns.truncate(size);
            columns.sort_unstable();
            if size == target && target > 1 {
                break;
            }
            let model = Boosted::fit(data, rows, &columns, self.seed, control)?;
            watch(&model, &columns);
            let mut ranked: Vec<(usize, f64)> = columns.iter().copied().zip(model.gain).collect();
            ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            columns = ranked.into_iter().map(|(c, _)| c).collect();
        }
        Ok(columns)
    }

    fn lasso(
        &self,
        data: &Dataset,
        rows: &[u32],
        varying: Vec<usize>,
        control: &Control,
    ) -> Result<Vec<usize>, LearnError> {
        let whole = Standardised::of(data, rows, &varying);
        let largest = whole.largest_penalty(data, rows);
        if largest <= 0.0 {
            return Ok(varying);
        }
        let path: Vec<f64> = (0..PATH).map(|i| largest * 10f64.powf(-3.0 * i as f64 / (PATH - 1) as f64)).collect();
        let mut errors = vec![Vec::new(); PATH];
        for held in stratified_folds(data.y(), rows, INNER_FOLDS, self.seed, control)? {
            let train = without(rows, &held);
            let scaler = Standardised::of(data, &train, &varying);
            for (penalty, errors) in path.iter().zip(&mut errors) {
                control.check()?;
                errors.push(scaler.error(data, &train, &held, *penalty)?);
            }
        }
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let best = (0..PATH).min_by(|a, b| mean(&errors[*a]).total_cmp(&mean(&errors[*b]))).unwrap_or(0);
        let ceiling = mean(&errors[best]) + crate::search::choice::standard_error(&errors[best]);
        let first = (0..PATH).find(|i| mean(&errors[*i]) <= ceiling).unwrap_or(best);
        // At the largest penalty no feature is kept: the path is followed down until one is.
        for penalty in &path[first..] {
            control.check()?;
            let (weights, _) = whole.fit(data, rows, *penalty)?;
            let kept: Vec<usize> =
                varying.iter().zip(&weights).filter(|(_, w)| w.abs() > 1e-10).map(|(c, _)| *c).collect();
            if !kept.is_empty() {
                return Ok(kept);
            }
        }
        Ok(varying)
    }
}

fn varies(data: &Dataset, column: usize, rows: &[u32]) -> bool {
    let values = data.x().column(column);
    let same = |a: f32, b: f32| a == b || (a.is_nan() && b.is_nan());
    rows.iter().any(|r| !same(values[*r as usize], values[rows[0] as usize]))
}

/// Numbers of features that elimination goes through: a fifth is dropped while there are more than 20, then one by one,
/// down to 1.
fn sizes(from: usize) -> Vec<usize> {
    let mut sizes = vec![from];
    let mut n = from;
    while n > 1 {
        n -= if n > 20 { n / 5 } else { 1 };
        sizes.push(n);
    }
    sizes
}

/// A small boosted model: cheap, and independent of the scale of the features.
struct Boosted {
    predictor: provost_predict::predictor::Predictor,
    gain: Vec<f64>,
}

impl Boosted {
    fn fit(data: &Dataset, rows: &[u32], columns: &[usize], seed: u64, control: &Control) -> Result<Self, LearnError> {
        let boosting = learner(Algorithm::GradientBoosting)
            .ok_or_else(|| LearnError::Data("selection needs the learner gradient_boosting".to_owned()))?;
        let wanted: [(&str, Value); 2] = [("n_estimators", json!(40)), ("max_depth", json!(3))];
        let wanted: Params = wanted.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let params = boosting.check(&wanted).map_err(LearnError::Params)?;
        let task = FitTask { seed, ..FitTask::new(data, columns, rows, &params) };
        let silent = Control { token: control.token.clone(), on_progress: None };
        let fit = boosting.fit(&task, &silent)?;
        let gain = normalised(fit.importance.unwrap_or_else(|| vec![1.0; columns.len()]));
        Ok(Self { predictor: fit.predictor, gain })
    }
}

/// Columns with the training rows' mean and standard deviation; a missing value is replaced by the mean.
struct Standardised<'c> {
    columns: &'c [usize],
    moments: Vec<(f64, f64)>,
}

impl<'c> Standardised<'c> {
    fn of(data: &Dataset, rows: &[u32], columns: &'c [usize]) -> Self {
        let moments = columns.iter().map(|c| {
            let present = || rows.iter().map(|r| f64::from(data.x().value(*r as usize, *c))).filter(|v| !v.is_nan());
            let n = present().count().max(1) as f64;
            let mean = present().sum::<f64>() / n;
            let variance = present().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
        });
        Self { columns, moments: moments.collect() }
    }

    fn matrix(&self, data: &Dataset, rows: &[u32]) -> Array2<f64> {
        Array2::from_shape_fn((rows.len(), self.columns.len()), |(i, j)| {
            let v = f64::from(data.x().value(rows[i] as usize, self.columns[j]));
            let (mean, deviation) = self.moments[j];
            if v.is_nan() { 0.0 } else { (v - mean) / deviation }
        })
    }

    fn target(data: &Dataset, rows: &[u32]) -> Array1<f64> {
        rows.iter().map(|r| f64::from(data.y()[*r as usize])).collect()
    }

    /// The smallest penalty at which every weight is 0.
    fn largest_penalty(&self, data: &Dataset, rows: &[u32]) -> f64 {
        let (x, y) = (self.matrix(data, rows), Self::target(data, rows));
        let centred = &y - y.sum() / rows.len() as f64;
        x.t().dot(&centred).iter().fold(0.0, |m: f64, v| m.max(v.abs())) / rows.len() as f64
    }

    /// Weights and intercept of linfa's lasso on the labels.
    fn fit(&self, data: &Dataset, rows: &[u32], penalty: f64) -> Result<(Vec<f64>, f64), LearnError> {
        let set = linfa::Dataset::new(self.matrix(data, rows), Self::target(data, rows));
        let model = ElasticNet::params()
            .penalty(penalty)
            .l1_ratio(1.0)
            .fit(&set)
            .map_err(|e| LearnError::Data(format!("lasso selection: {e}")))?;
        Ok((model.hyperplane().to_vec(), model.intercept()))
    }

    /// Mean squared error on `held` of a fit on `rows`.
    fn error(&self, data: &Dataset, rows: &[u32], held: &[u32], penalty: f64) -> Result<f64, LearnError> {
        let (weights, intercept) = self.fit(data, rows, penalty)?;
        let p = self.matrix(data, held).dot(&Array1::from(weights)) + intercept;
        Ok((p - Self::target(data, held)).mapv(|e| e * e).sum() / held.len() as f64)
    }
}
