//! The finished trials of a job. A stream reads only the trials that were added since its last reading.

use super::super::PageError;
use super::super::chart::Dot;
use super::super::text::algorithm;
use provost_domain::Algorithm;
use provost_domain::job::{JobRecord, TrialRecord};
use provost_store::{Store, TRIALS_READ};
use std::collections::BTreeMap;

/// The most trials of one algorithm that are read.
const MOST: u32 = 2_000;

/// A summary of one algorithm's trials.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    pub trials: u64,
    pub best: Option<f64>,
    /// The sum of the fitting times.
    pub seconds: f64,
    /// The number of the algorithm's series in the chart, from 1.
    pub series: usize,
    next: u32,
}

#[derive(Default)]
pub struct Trials {
    /// In the order in which they were read: algorithm after algorithm, by their position in the search.
    pub dots: Vec<Dot>,
    by_algorithm: BTreeMap<Algorithm, Summary>,
}

impl Trials {
    pub async fn read(&mut self, store: &dyn Store, record: &JobRecord) -> Result<(), PageError> {
        for one in super::searched(record) {
            loop {
                let from = self.by_algorithm.get(&one).map_or(0, |summary| summary.next);
                if from >= MOST {
                    break;
                }
                let piece = store.trials_from(&record.job.job_id, one, from, TRIALS_READ).await?;
                if piece.is_empty() {
                    break;
                }
                piece.iter().for_each(|trial| self.add(trial));
            }
        }
        Ok(())
    }

    fn add(&mut self, trial: &TrialRecord) {
        let series = self.by_algorithm.len() + 1;
        let summary =
            self.by_algorithm.entry(trial.algorithm).or_insert_with(|| Summary { series, ..Summary::default() });
        let number = |name: &str| trial.result.get(name).and_then(serde_json::Value::as_f64);
        let score = number("score").unwrap_or(f64::NAN);
        let is_early = trial.result.get("status").and_then(|status| status.as_str()) == Some("pruned");
        summary.trials += 1;
        summary.seconds += number("seconds").unwrap_or(0.0);
        summary.next = trial.index.saturating_add(1);
        if !is_early && score.is_finite() {
            summary.best = Some(summary.best.map_or(score, |best| best.max(score)));
        }
        let series = summary.series;
        let number = self.dots.len() as u64 + 1;
        self.dots.push(Dot { number, score, is_early, series, algorithm: algorithm(trial.algorithm) });
    }

    pub fn of(&self, algorithm: Algorithm) -> Summary {
        self.by_algorithm.get(&algorithm).copied().unwrap_or_default()
    }

    /// Number and score of the best complete trial.
    pub fn best(&self) -> Option<(u64, f64)> {
        let complete = self.dots.iter().filter(|dot| !dot.is_early && dot.score.is_finite());
        complete.fold(None, |best: Option<(u64, f64)>, dot| match best {
            Some((_, score)) if score >= dot.score => best,
            _ => Some((dot.number, dot.score)),
        })
    }
}
