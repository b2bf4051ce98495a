//! Joins the groups of rows, which snapshots do not have, to a model's predictions.

use crate::error::LoadError;
use crate::loader::{AuditGroups, FoundGroups, Loader};
use crate::supervise::Slot;
use provost_domain::ModelId;
use provost_domain::TrainingConfig;
use provost_domain::fairness::FairnessReport;
use provost_learn::watch::fairness::{AuditColumn, AuditRows, audit};
use std::sync::Arc;

const SEED: u64 = 0x6661_6972;

/// The groups of rows in the order of `ids`, with facts about their source. If the source cannot be read any more, the
/// rows have no groups, and a note says so.
pub(crate) async fn groups(
    loader: &Slot<Loader>,
    config: TrainingConfig,
    ids: Vec<u128>,
    names: Vec<String>,
) -> Result<(Vec<AuditColumn>, Vec<String>), LoadError> {
    let rows = ids.len();
    let asked = AuditGroups { config, rows: Arc::new(ids), names: names.clone() };
    match loader.send(asked).await? {
        Ok(FoundGroups { columns, found }) => {
            let gone = rows as u64 - found;
            let warning =
                (gone > 0).then(|| format!("{gone} of the {rows} held-out rows are not in the data any more"));
            Ok((columns, warning.into_iter().collect()))
        }
        Err(LoadError::Data(why)) => {
            let none = |name| AuditColumn { name, words: Vec::new(), groups: vec![None; rows] };
            Ok((names.into_iter().map(none).collect(), vec![format!("the groups cannot be read: {why}")]))
        }
        Err(error) => Err(error),
    }
}

/// The audit of rows with their groups.
pub(crate) fn report(
    model_id: ModelId,
    rows: &AuditRows<'_>,
    columns: &[AuditColumn],
    warnings: Vec<String>,
) -> FairnessReport {
    FairnessReport {
        model_id,
        rows: rows.y.len() as u64,
        threshold: rows.threshold,
        attributes: audit(rows, columns, SEED),
        warnings,
    }
}
