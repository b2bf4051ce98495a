//! Encodes categories for learners that only take numbers: as rates of acceptance, and by comparing each applicant with
//! those whom the same university accepted and rejected. Each fit uses its own training rows only, so that a fold knows
//! nothing of the rows that are held out.

mod encoder;
mod standards;

use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::learner::{Fit, FitTask, Learner};
use crate::params::{CheckedParams, Params};
use crate::shared::Shared;
use provost_domain::config::Grid;
use provost_domain::features::is_category;
use provost_domain::{Algorithm, Faults};
use provost_predict::control::Control;
use provost_predict::encoder::{Encoder, PER_CATEGORY};
use provost_predict::matrix::Matrix;
use provost_predict::predictor::Predictor;
use provost_predict::predictor::encoded::EncodedModel;

/// A learner that also takes categories; without categories in the task it is the inner learner.
pub struct Encoding<L>(pub L);

/// A task's rows, encoded: first the training rows, then the others.
pub(crate) struct Encoded {
    encoder: Encoder,
    data: Dataset,
    columns: Vec<usize>,
    train: Vec<u32>,
    /// The other rows: their numbers in the task's data, and their numbers here.
    others: Vec<u32>,
    at: Vec<u32>,
    shared: Shared,
}

impl Encoded {
    /// With `keep`, the category columns themselves are kept, too.
    fn new(task: &FitTask<'_>, others: &[u32], keep: bool, control: &Control) -> Result<Self, LearnError> {
        let x = task.data.x();
        let names: Vec<&str> = task.columns.iter().map(|c| x.names()[*c].as_str()).collect();
        let (encoder, mut columns) =
            encoder::fit(task.data, task.columns, &names, task.train, task.seed, keep, control)?;
        control.check()?;
        for (column, more) in columns.iter_mut().zip(encoder.encode(x, task.columns, others)) {
            column.extend(more);
        }
        let y = task.train.iter().chain(others).map(|row| task.data.y()[*row as usize]).collect();
        let data = Dataset::new(Matrix::new(encoder.names().to_vec(), columns)?, y)?;
        let n = task.train.len() as u32;
        Ok(Self {
            columns: (0..encoder.outputs()).collect(),
            encoder,
            data,
            train: (0..n).collect(),
            others: others.to_vec(),
            at: (n..n + others.len() as u32).collect(),
            shared: Shared::default(),
        })
    }

    fn task<'t>(&'t self, task: &FitTask<'t>, validation: &'t [u32], shared: bool) -> FitTask<'t> {
        FitTask {
            data: &self.data,
            columns: &self.columns,
            train: &self.train,
            validation,
            shared: shared.then_some(&self.shared),
            ..*task
        }
    }
}

fn has_categories(data: &Dataset, columns: &[usize]) -> bool {
    columns.iter().any(|c| is_category(&data.x().names()[*c]))
}

impl<L: Learner> Learner for Encoding<L> {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }
    fn defaults(&self) -> Params {
        self.0.defaults()
    }
    fn grid(&self) -> Grid {
        self.0.grid()
    }
    fn check(&self, params: &Params) -> Result<CheckedParams, Faults> {
        self.0.check(params)
    }
    fn idle(&self) -> &'static [&'static str] {
        self.0.idle()
    }
    fn length(&self) -> Option<&'static str> {
        self.0.length()
    }
    fn parts_categories(&self) -> bool {
        self.0.parts_categories()
    }
    fn family(&self, params: &Params, width: usize) -> String {
        self.0.family(params, width)
    }
    fn width(&self, data: &Dataset, columns: &[usize]) -> usize {
        let names: Vec<&str> = columns.iter().map(|c| data.x().names()[*c].as_str()).collect();
        let categories = names.iter().filter(|name| is_category(name)).count();
        let kept = if self.0.parts_categories() { categories } else { 0 };
        columns.len() - categories + kept + categories * PER_CATEGORY + standards::width(&names)
    }

    fn fit(&self, task: &FitTask<'_>, control: &Control) -> Result<Fit, LearnError> {
        if !has_categories(task.data, task.columns) || task.train.is_empty() {
            return self.0.fit(task, control);
        }
        let keep = self.0.parts_categories();
        let encoded = Encoded::new(task, task.validation, keep, control)?;
        let fit = self.0.fit(&encoded.task(task, &encoded.at, false), control)?;
        let importance = fit.importance.map(|shares| encoded.encoder.of_sources(&shares));
        let predictor = EncodedModel::new(encoded.encoder, Box::new(fit.predictor));
        Ok(Fit { predictor: Predictor::Encoded(predictor), importance, iterations: fit.iterations })
    }

    fn fit_family(
        &self,
        task: &FitTask<'_>,
        members: &[&CheckedParams],
        rows: &[u32],
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, LearnError> {
        if !has_categories(task.data, task.columns) || task.train.is_empty() {
            return self.0.fit_family(task, members, rows, control);
        }
        let keep = self.0.parts_categories();
        // Validation rows are encoded in the same way as rows to predict.
        let others: Vec<u32> = task.validation.iter().chain(rows).copied().collect();
        let grow = |encoded: &Encoded, shared: bool| {
            let (validation, held) = encoded.at.split_at(task.validation.len());
            self.0.fit_family(&encoded.task(task, validation, shared), members, held, control)
        };
        let Some(shared) = task.shared else { return grow(&Encoded::new(task, &others, keep, control)?, false) };
        let cell = shared.cell::<Encoded>();
        let known = match cell.get() {
            Some(known) => known,
            None => {
                let made = Encoded::new(task, &others, keep, control)?;
                cell.get_or_init(|| made)
            }
        };
        if known.others == others {
            grow(known, true)
        } else {
            grow(&Encoded::new(task, &others, keep, control)?, false)
        }
    }
}

#[cfg(test)]
mod tests;
