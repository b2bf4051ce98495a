//! Checks training: the XGBoost library and the number of threads.

use super::{Finding, Verdict, ok, trouble};
use crate::settings::Settings;
use provost_domain::Algorithm;
use provost_learn::learners::learner;
use provost_learn::{Control, Dataset, FitTask, LearnError, Matrix};
use std::time::Instant;

/// Fits a model with the XGBoost library. The fit is so small that only threads that block each other make it slow.
pub fn of_xgboost(_: &Settings) -> Finding {
    let rows = 200u32;
    let column: Vec<f32> = (0..rows).map(|i| i as f32).collect();
    let labels = (0..rows).map(|i| u8::from(i >= rows / 2)).collect();
    let x = Matrix::new(vec!["x".to_owned()], vec![column]).map_err(LearnError::from);
    let data = x.and_then(|x| Dataset::new(x, labels));
    let all: Vec<u32> = (0..rows).collect();
    let began = Instant::now();
    let fitted = data.and_then(|data| {
        let Some(learner) = learner(Algorithm::Xgboost) else {
            return Err(LearnError::Xgboost("no such learner".to_owned()));
        };
        let params = learner.check(&learner.defaults()).map_err(LearnError::Params)?;
        let task = FitTask { seed: 1, ..FitTask::new(&data, &[0], &all, &params) };
        let fit = learner.fit(&task, &Control::default())?;
        Ok(fit.predictor.predict(data.x(), &[0], &[0, rows - 1]))
    });
    let ms = began.elapsed().as_millis();
    let rebuild = "run `make build` again: it puts libxgboost.so and its libgomp beside the binary";
    match fitted.as_deref() {
        Ok([low, high]) if low < &0.2 && high > &0.8 && ms < 2000 => {
            ok("xgboost", format!("a fit of {rows} rows took {ms} ms"))
        }
        Ok([low, high]) if low < &0.2 && high > &0.8 => trouble(
            "xgboost",
            Verdict::Warning,
            format!("a fit of {rows} rows took {ms} ms"),
            "is the machine overloaded?",
        ),
        Ok(p) => {
            trouble("xgboost", Verdict::Fault, format!("the fit predicts {p:?} where 0 and 1 are expected"), rebuild)
        }
        Err(e) => trouble("xgboost", Verdict::Fault, e.to_string(), rebuild),
    }
}

pub fn of_threads(settings: &Settings) -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let found = format!("{} for training, {cores} cores", settings.threads);
    if settings.threads > cores {
        trouble("threads", Verdict::Warning, found, "more threads (learn.threads) than cores make training slower")
    } else {
        ok("threads", found)
    }
}
