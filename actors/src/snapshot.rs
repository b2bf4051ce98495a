//! A snapshot in memory and as an artifact: immutable rows for training, named by the hash of their content.

use crate::error::LoadError;
use provost_domain::features::CATEGORY_RULE;
use provost_domain::{Snapshot, TrainingConfig};
use provost_learn::artifact::{self, Format};
use provost_learn::split::{Parts, SplitRows, split};
use provost_learn::{Dataset, LearnError, Matrix, Model};
use provost_store::Artifacts;
use std::borrow::Cow;

/// Version 1: snapshots without categories, and those whose categories became codes by rule 1. Version 2: rule 2; the
/// codes that differ under rule 1 follow the snapshot.
const FORMAT: Format = Format { magic: *b"PROVOSTS", version: 2 };
/// A snapshot and its dataset.
#[derive(Debug)]
pub struct LoadedSnapshot {
    /// SHA-256 of the artifact.
    pub sha: String,
    /// The snapshot; its columns and labels have moved into `dataset`.
    pub snapshot: Snapshot,
    pub dataset: Dataset,
}

impl LoadedSnapshot {
    #[doc(hidden)]
    pub fn new(sha: String, mut snapshot: Snapshot) -> Result<Self, LearnError> {
        let columns = std::mem::take(&mut snapshot.columns);
        let labels = std::mem::take(&mut snapshot.labels);
        let dataset = Dataset::new(Matrix::new(snapshot.feature_names.clone(), columns)?, labels)?;
        let dataset = dataset.coded_by(snapshot.category_rule);
        let rows = dataset.rows();
        let s = &snapshot;
        if [s.row_ids.len(), s.applicants.len(), s.clusters.len(), s.years.len()].iter().any(|n| *n != rows) {
            return Err(LearnError::Artifact(format!("snapshot {sha}: its columns differ in length")));
        }
        Ok(Self { sha, snapshot, dataset })
    }

    /// The rows as a model reads them; the model's categories may follow an older rule.
    pub fn rows_for(&self, model: &Model) -> Cow<'_, Matrix> {
        let older = &self.snapshot.older_codes;
        if model.category_rule == self.snapshot.category_rule || older.is_empty() {
            return Cow::Borrowed(self.dataset.x());
        }
        let cells = older.iter().map(|o| (o.row as usize, o.column as usize, o.code));
        Cow::Owned(self.dataset.x().with_cells(cells))
    }

    /// Training, validation and test part as the configuration splits them; `salt` is the installation's.
    pub fn parts(&self, config: &TrainingConfig, salt: u64) -> Result<Parts, LearnError> {
        let rows = SplitRows {
            labels: self.dataset.y(),
            applicants: &self.snapshot.applicants,
            row_ids: &self.snapshot.row_ids,
            years: &self.snapshot.years,
        };
        split(&rows, config.split, config.test_size, config.validation_size, salt, config.random_state)
    }
}

/// The artifact's bytes. Public for the fuzz targets.
#[doc(hidden)]
pub fn encode(snapshot: &Snapshot) -> Vec<u8> {
    #[allow(clippy::expect_used)]
    // postcard fails only on a short buffer or a sequence of unknown length; neither is here
    let mut payload = postcard::to_allocvec(snapshot).expect("a snapshot serialises");
    if !snapshot.has_categories() || snapshot.category_rule != CATEGORY_RULE {
        return artifact::seal(Format { version: 1, ..FORMAT }, &payload);
    }
    #[allow(clippy::expect_used)] // as above
    payload.extend(postcard::to_allocvec(&snapshot.older_codes).expect("codes serialise"));
    artifact::seal(FORMAT, &payload)
}

/// Decodes the rows from an artifact's bytes; `LoadedSnapshot` checks the columns. Public for the fuzz targets.
#[doc(hidden)]
pub fn decode(bytes: &[u8]) -> Result<Snapshot, LearnError> {
    let (version, payload) = artifact::open(FORMAT, bytes)?;
    let fault = |e: postcard::Error| LearnError::Artifact(format!("the snapshot does not decode: {e}"));
    let (mut snapshot, rest): (Snapshot, &[u8]) = postcard::take_from_bytes(payload).map_err(fault)?;
    // A job begun by an older version continues with the rule of its rows.
    if version > 1 {
        snapshot.older_codes = postcard::from_bytes(rest).map_err(fault)?;
    } else if snapshot.has_categories() {
        snapshot.category_rule = 1;
    }
    Ok(snapshot)
}

/// Opens an artifact. Blocks.
pub(crate) fn read_snapshot(artifacts: &Artifacts, sha: String) -> Result<LoadedSnapshot, LoadError> {
    let bytes = artifacts.get(&sha)?;
    let snapshot = decode(&bytes).map_err(|e| LoadError::Data(format!("snapshot {sha}: {e}")))?;
    LoadedSnapshot::new(sha, snapshot).map_err(|e| LoadError::Data(e.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_domain::AdmissionDataPoint;
    use provost_domain::features::FeatureTables;
    use provost_domain::snapshot::SnapshotBuilder;
    use provost_learn::{Calibration, Predictor};
    use serde_json::json;

    fn snapshot(names: &[&str]) -> Snapshot {
        let (tables, mut rows) = (FeatureTables::default(), SnapshotBuilder::new());
        for (i, name) in names.iter().enumerate() {
            let point = AdmissionDataPoint::from_value(json!({"data_point_id": i.to_string(), "profile": {},
                "program": {"university_name": name}, "decision": "accepted"}))
            .unwrap();
            rows.add(&point, &tables.row(&point), Some(tables.extended(&point)));
        }
        rows.finish()
    }

    #[test]
    fn a_model_of_before_reads_the_codes_of_its_rule() {
        // The composed form, the decomposed form, and the older rule's form of the decomposed one.
        let names = ["C\u{f3}rdoba", "Co\u{301}rdoba", "Co rdoba", "Ohio"];
        let bytes = encode(&snapshot(&names));
        assert_eq!(bytes[8], 2);
        let read = decode(&bytes).unwrap();
        assert_eq!(encode(&read), bytes);
        let loaded = LoadedSnapshot::new(String::new(), read).unwrap();
        let model = |category_rule| Model {
            algorithm: provost_domain::Algorithm::RandomForest,
            feature_names: loaded.dataset.x().names().to_vec(),
            columns: Vec::new(),
            predictor: Predictor::Constant(0.5),
            calibration: Calibration::None,
            threshold: 0.5,
            category_rule,
            evidence: None,
        };
        let at = loaded.dataset.x().names().iter().position(|n| n == "university").unwrap();
        let codes = |rule| {
            let rows = loaded.rows_for(&model(rule)).into_owned();
            let order = &loaded.snapshot.row_ids;
            let of = |id: usize| {
                let id = u128::from_be_bytes(sha2::Sha256::digest(id.to_string().as_bytes())[..16].try_into().unwrap());
                rows.column(at)[order.iter().position(|r| *r == id).unwrap()]
            };
            [of(0), of(1), of(2), of(3)]
        };
        use sha2::Digest;
        let ([a, b, c, d], older) = (codes(CATEGORY_RULE), codes(1));
        assert!(a == b && b != c && c != d);
        assert_eq!(older, [a, c, c, d]);
    }

    /// A job that an older version has begun is resumed from its snapshot.
    #[test]
    fn what_is_trained_on_a_snapshot_of_before_has_the_rule_of_its_rows() {
        let today = snapshot(&["C\u{f3}rdoba", "Ohio"]);
        let before = artifact::seal(Format { version: 1, ..FORMAT }, &postcard::to_allocvec(&today).unwrap());
        let rule = |bytes: &[u8]| {
            let read = decode(bytes).unwrap();
            assert_eq!(encode(&read), bytes, "it stays what it is");
            LoadedSnapshot::new(String::new(), read).unwrap().dataset.category_rule()
        };
        assert_eq!((rule(&before), rule(&encode(&today))), (1, CATEGORY_RULE));
        // Without categories the versions do not differ.
        let mut base = today;
        base.feature_names.truncate(12);
        base.columns.truncate(12);
        let bytes = encode(&base);
        assert_eq!((bytes[8], rule(&bytes)), (1, CATEGORY_RULE));
    }
}
