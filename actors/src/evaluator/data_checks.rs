//! Checks of training data: leaks, near duplicates, contradicted labels. Results are not kept.

use super::Evaluator;
use crate::blocking::blocking;
use crate::error::EvaluateError;
use crate::loader::{Fresh, Loader, PointIds};
use crate::pool::Place;
use crate::snapshot::LoadedSnapshot;
use crate::supervise::Slot;
use actix::{Context, Handler, Message, ResponseActFuture, WrapFuture};
use provost_domain::data_checks::{ContradictedLabel, DataChecks, FeatureAuc, LabelChecks, LeakFinding, NearDuplicate};
use provost_domain::features::is_of_applicant;
use provost_domain::limits::{CHECK_FINDINGS, CHECK_ROWS};
use provost_domain::{Algorithm, TrainingConfig};
use provost_learn::watch::duplicates::{Pair, near_duplicates};
use provost_learn::watch::labels::{Contradicted, contradicted};
use provost_learn::watch::leaks::{Checked, leaks, some_rows};
use provost_learn::{Control, LearnError, Params};
use std::collections::BTreeMap;

/// The models whose out-of-fold probabilities the labels are compared with.
const MEMBERS: [Algorithm; 3] = [Algorithm::GradientBoosting, Algorithm::LogisticRegression, Algorithm::RandomForest];

/// Checks the data that a configuration selects.
pub struct CheckData {
    pub config: TrainingConfig,
    /// Held until the checks have ended.
    pub place: Place,
}
impl Message for CheckData {
    type Result = Result<DataChecks, EvaluateError>;
}

/// The findings, with row numbers instead of ids.
struct Found {
    checks: DataChecks,
    pairs: Vec<Pair>,
    labels: Vec<Contradicted>,
    /// The rows that the entries of `labels` refer to.
    modelled: Vec<u32>,
}

async fn check(loader: Slot<Loader>, CheckData { config, place }: CheckData) -> Result<DataChecks, EvaluateError> {
    let data = loader.send(Fresh(config.clone())).await??;
    let rows = data.clone();
    let (found, place) = blocking(move || Ok::<_, EvaluateError>((find(&rows)?, place))).await?;
    let snapshot_id = |row: u32| data.snapshot.row_ids[row as usize];
    let of_pairs = found.pairs.iter().flat_map(|pair| [pair.a, pair.b]);
    let of_labels = found.labels.iter().map(|label| found.modelled[label.row]);
    let wanted: Vec<u128> = of_pairs.chain(of_labels).map(snapshot_id).collect();
    let ids =
        if wanted.is_empty() { BTreeMap::new() } else { loader.send(PointIds { config, rows: wanted }).await?? };
    drop(place);
    Ok(named(found, &data, &ids))
}

/// All checks of some rows.
fn find(data: &LoadedSnapshot) -> Result<Found, LearnError> {
    let (x, snapshot, control) = (data.dataset.x(), &data.snapshot, Control::default());
    let of_applicant = |at: &usize| is_of_applicant(&x.names()[*at]);
    let columns: Vec<usize> = (0..x.width()).filter(of_applicant).collect();
    let mut pairs = near_duplicates(x, &columns, &snapshot.applicants);
    let mut checks = DataChecks {
        rows: data.dataset.rows() as u64,
        program_fields: snapshot.warnings.iter().filter(|warning| warning.contains("`program.")).cloned().collect(),
        near_duplicate_pairs: pairs.len() as u64,
        ..DataChecks::default()
    };
    pairs.truncate(CHECK_FINDINGS);
    let rows = some_rows(&snapshot.applicants, CHECK_ROWS);
    if rows.len() < data.dataset.rows() {
        let (some, all) = (rows.len(), data.dataset.rows());
        checks
            .warnings
            .push(format!("features and labels were checked on {some} of {all} rows, of applicants drawn at random"));
    }
    let mut found = Found { checks, pairs, labels: Vec::new(), modelled: rows.clone() };
    match Checked::new(&data.dataset, rows, &snapshot.applicants, &control) {
        Err(LearnError::Data(why)) => {
            let warning = format!("neither features nor labels were checked: {why}");
            found.checks.warnings.push(warning);
        }
        Err(error) => return Err(error),
        Ok(checked) => models(data, &checked, &mut found, &control)?,
    }
    Ok(found)
}

fn models(
    data: &LoadedSnapshot,
    checked: &Checked<'_>,
    found: &mut Found,
    control: &Control,
) -> Result<(), LearnError> {
    let x = data.dataset.x();
    let name = |column: usize| x.names()[column].clone();
    let checks = &mut found.checks;
    checks.modelled_rows = checked.rows().len() as u64;
    let leaked = leaks(checked, control)?;
    checks.auc_roc = Some(leaked.auc);
    checks.features = (leaked.alone.iter().enumerate())
        .map(|(column, auc)| FeatureAuc { feature: name(column), auc_roc: *auc })
        .collect();
    checks.features.sort_by(|a, b| b.auc_roc.total_cmp(&a.auc_roc).then_with(|| a.feature.cmp(&b.feature)));
    let finding = |leak: &provost_learn::watch::leaks::Leak| LeakFinding {
        features: leak.columns.iter().map(|column| name(*column)).collect(),
        auc_roc: leak.auc,
        others_auc_roc: leak.others,
        gain: leak.gain,
        reason: leak.reason.clone(),
    };
    checks.leaks = leaked.found.iter().map(finding).collect();
    let all: Vec<usize> = (0..x.width()).collect();
    let of_member = |algorithm| checked.out_of_fold(algorithm, &Params::new(), &all, control);
    let members = MEMBERS.into_iter().map(of_member).collect::<Result<Vec<_>, _>>()?;
    let Some((joint, mut labels)) = contradicted(&checked.labels(), &members) else { return Ok(()) };
    checks.labels = LabelChecks {
        confident_joint: joint.counts,
        estimated_errors: joint.estimated_errors(),
        contradicted: labels.len() as u64,
        rows: Vec::new(),
    };
    labels.truncate(CHECK_FINDINGS);
    found.labels = labels;
    Ok(())
}

/// The report, with the points' ids.
fn named(found: Found, data: &LoadedSnapshot, ids: &BTreeMap<u128, String>) -> DataChecks {
    let Found { mut checks, pairs, labels, modelled } = found;
    let accepted = |row: u32| data.dataset.y()[row as usize] == 1;
    // A point that was retracted meanwhile has no id any more.
    let id = |row: u32| ids.get(&data.snapshot.row_ids[row as usize]).cloned();
    let duplicate = |pair: Pair| {
        Some(NearDuplicate {
            data_point_id: id(pair.a)?,
            other_data_point_id: id(pair.b)?,
            equal_features: pair.equal,
            differs_in: pair.differs_in.map(|column| data.dataset.x().names()[column].clone()),
            expected_by_chance: pair.by_chance,
            same_outcome: accepted(pair.a) == accepted(pair.b),
        })
    };
    checks.near_duplicates = pairs.into_iter().filter_map(duplicate).collect();
    let label = |label: Contradicted| {
        let row = modelled[label.row];
        Some(ContradictedLabel { data_point_id: id(row)?, accepted: accepted(row), probability: label.p })
    };
    checks.labels.rows = labels.into_iter().filter_map(label).collect();
    checks
}

impl Handler<CheckData> for Evaluator {
    type Result = ResponseActFuture<Self, Result<DataChecks, EvaluateError>>;
    fn handle(&mut self, message: CheckData, _: &mut Context<Self>) -> Self::Result {
        Box::pin(check(self.loader.clone(), message).into_actor(self))
    }
}
