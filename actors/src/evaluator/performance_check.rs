//! The performance check of the active model: its predictions for rows recorded after its training.

use super::Evaluator;
use crate::blocking::blocking;
use crate::error::EvaluateError;
use crate::loader::{Fresh, Loader, Open};
use crate::options::EvaluatorResources;
use crate::scoring::{labels, load_model};
use crate::snapshot::LoadedSnapshot;
use crate::supervise::Slot;
use actix::{Context, Handler, Message, ResponseActFuture, WrapFuture};
use chrono::NaiveDate;
use provost_domain::TrainingConfig;
use provost_domain::model::{ModelRecord, TemporalFigures};
use provost_learn::LearnError;
use provost_learn::drift::{PerformanceDrop, performance_drop};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Tests a model's performance on new rows of matured cohorts against its figures on its last year. None: it has no
/// such figures. `config` selects the rows.
pub struct CheckPerformance {
    pub model: ModelRecord,
    pub config: TrainingConfig,
}
impl Message for CheckPerformance {
    type Result = Result<Option<PerformanceDrop>, EvaluateError>;
}

impl Handler<CheckPerformance> for Evaluator {
    type Result = ResponseActFuture<Self, Result<Option<PerformanceDrop>, EvaluateError>>;
    fn handle(&mut self, message: CheckPerformance, _: &mut Context<Self>) -> Self::Result {
        let (resources, loader) = (self.resources.clone(), self.loader.clone());
        Box::pin(async move { check(&resources, &loader, message).await }.into_actor(self))
    }
}

async fn check(
    resources: &Arc<EvaluatorResources>,
    loader: &Slot<Loader>,
    CheckPerformance { model: record, config }: CheckPerformance,
) -> Result<Option<PerformanceDrop>, EvaluateError> {
    let Some(reference) = record.temporal else { return Ok(None) };
    let fresh = loader.send(Fresh(config)).await??;
    let known = loader.send(Open(record.snapshot.clone())).await??;
    let today = resources.clock.now().date_naive();
    let failpoints = resources.failpoints.clone();
    let (fresh, rows) = blocking(move || {
        failpoints.hit("performance_check");
        let rows = new_rows(&fresh, &known, &reference, today);
        Ok::<_, EvaluateError>((fresh, rows))
    })
    .await?;
    // Without new rows there is nothing to predict, so the model is not read.
    if rows.is_empty() {
        return Ok(Some(performance_drop(&reference, &[], &[])));
    }
    let model = load_model::<EvaluateError>(&resources.artifacts, &record.version).await?;
    blocking(move || {
        let p = model.predict_proba(&fresh.rows_for(&model), &rows).map_err(LearnError::from)?;
        Ok(Some(performance_drop(&reference, &labels(&fresh, &rows), &p)))
    })
    .await
}

/// Rows of the model's last year or later that its snapshot does not have and whose cohort's outcomes are settled by
/// `today`, in the order in which they settled.
fn new_rows(fresh: &LoadedSnapshot, known: &LoadedSnapshot, reference: &TemporalFigures, today: NaiveDate) -> Vec<u32> {
    let seen: BTreeSet<u128> = known.snapshot.row_ids.iter().copied().collect();
    let settled = |row: usize| {
        let day = fresh.snapshot.settled_on.get(row).copied().flatten();
        day.filter(|day| *day <= today && fresh.snapshot.years[row] >= reference.year)
    };
    let mut rows: Vec<(NaiveDate, u128, u32)> = (0..fresh.dataset.rows())
        .filter(|row| !seen.contains(&fresh.snapshot.row_ids[*row]))
        .filter_map(|row| Some((settled(row)?, fresh.snapshot.row_ids[row], row as u32)))
        .collect();
    rows.sort_unstable();
    rows.into_iter().map(|(_, _, row)| row).collect()
}
