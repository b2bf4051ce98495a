//! `provost export` and `GET /models/{model_id}/export`: writes a model version to a file for prediction in other systems.

use crate::error::{Error, Result};
use crate::open;
use crate::output::{OutFile, database_files};
use crate::settings::Settings;
use crate::stored_model;
use provost_domain::{ModelId, limits};
use provost_export::ExportError;
use provost_learn::xgboost::library;
use provost_learn::{Model, Predictor};
use provost_store::Store;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The format of an exported model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// ONNX: from feature columns to the calibrated probability.
    Onnx,
    /// XGBoost's own JSON: the booster without calibration.
    XgboostJson,
    /// The model artifact as Provost stores it.
    Artifact,
}

impl Format {
    /// Every format, in the order of the help.
    pub const ALL: [Format; 3] = [Format::Onnx, Format::XgboostJson, Format::Artifact];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Onnx => "onnx",
            Format::XgboostJson => "xgboost-json",
            Format::Artifact => "artifact",
        }
    }

    /// The format of this name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// The extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Onnx => "onnx",
            Format::XgboostJson => "json",
            Format::Artifact => "model",
        }
    }
}

/// Why a model cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The format cannot represent this model.
    #[error("{0}")]
    NoSuchForm(String),
    /// Making the file would take too much memory.
    #[error(transparent)]
    TooLarge(ExportError),
    /// The artifact is damaged, or the format's library fails.
    #[error("the model cannot be exported: {0}")]
    Failed(String),
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The model.
    pub model_id: ModelId,
    /// Size of the file.
    pub bytes: usize,
    /// What users of the file should know.
    pub notes: Vec<String>,
}

/// Converts an artifact; returns the file's bytes and notes for its users.
///
/// # Errors
/// If the artifact is damaged, or the format cannot represent the model.
pub fn convert(artifact: Vec<u8>, format: Format) -> std::result::Result<(Vec<u8>, Vec<String>), ConvertError> {
    if format == Format::Artifact {
        return Ok((artifact, Vec::new()));
    }
    let failed = |e: &dyn std::fmt::Display| ConvertError::Failed(e.to_string());
    let model = Model::from_bytes(&artifact).map_err(|e| failed(&e))?;
    if format == Format::Onnx {
        let exported = provost_export::onnx(&model, limits::EXPORT_BYTES).map_err(|e| match e {
            too_large @ ExportError::TooLarge { .. } => ConvertError::TooLarge(too_large),
            ExportError::Unsupported(_) => ConvertError::NoSuchForm(e.to_string()),
        })?;
        let encoded = exported.inputs.iter().any(|i| matches!(i.source, provost_export::Source::Encoded { .. }));
        let note = "categories are inputs as rates; `feature_names` in the file's metadata names these inputs";
        return Ok((exported.bytes, encoded.then(|| note.to_owned()).into_iter().collect()));
    }
    let booster = match &model.predictor {
        Predictor::Encoded(encoded) => encoded.predictor(),
        own => own,
    };
    let Predictor::Xgboost(booster) = booster else {
        let why = format!("a {} model cannot be written as xgboost-json; only an xgboost model can", model.algorithm);
        return Err(ConvertError::NoSuchForm(why));
    };
    let note = "the file holds only the booster: its probabilities are not calibrated".to_owned();
    Ok((library::to_json(booster).map_err(|e| failed(&e))?, vec![note]))
}

/// Writes a model to a file. `name` is what a user typed: an id, the beginning of one, `active` or `latest`.
///
/// # Errors
/// If there is no such model, or it cannot be exported, or the file cannot be written.
pub fn run(settings: &Settings, name: &str, format: Format, out: &Path) -> Result<Exported> {
    if !open::has_store(settings) {
        return Err(Error::Usage(format!("{} has no store", settings.data_dir.display())));
    }
    let (store, artifacts) = open::store_and_artifacts(settings)?;
    let (model_id, sha256) = open::runtime()?.block_on(find(&*store, name))?;
    let (bytes, notes) = convert(artifacts.get(&sha256)?, format).map_err(|error| match error {
        ConvertError::NoSuchForm(why) => Error::Usage(format!("--format {}: {why}", format.as_str())),
        failed @ (ConvertError::TooLarge(_) | ConvertError::Failed(_)) => Error::failed(failed.to_string()),
    })?;
    let database: Vec<PathBuf> = database_files(&settings.data_dir).to_vec();
    let mut file = OutFile::create(out, &database.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    file.write_all(&bytes)?;
    file.finish()?;
    Ok(Exported { model_id, bytes: bytes.len(), notes })
}

async fn find(store: &dyn Store, name: &str) -> Result<(ModelId, String)> {
    let id = stored_model::named(store, name).await?;
    let record = store.model(&id).await?.ok_or_else(|| Error::failed(format!("there is no model {id}")))?;
    let version = record.version;
    if !version.has_artifact() {
        return Err(Error::Usage(format!("model {} is of the replaced service and has no artifact", version.model_id)));
    }
    Ok((version.model_id, version.model_sha256))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_domain::Algorithm;
    use provost_domain::features::CATEGORY_RULE;
    use provost_learn::Calibration;

    fn artifact() -> Vec<u8> {
        let model = Model {
            algorithm: Algorithm::RandomForest,
            feature_names: vec!["gpa".to_owned()],
            columns: vec![0],
            predictor: Predictor::Constant(0.25),
            calibration: Calibration::None,
            threshold: 0.5,
            category_rule: CATEGORY_RULE,
            evidence: None,
        };
        model.to_bytes()
    }

    #[test]
    fn an_artifact_is_exported_as_it_is_and_as_onnx() {
        let (same, notes) = convert(artifact(), Format::Artifact).unwrap();
        assert_eq!((same, notes.len()), (artifact(), 0));
        let (onnx, notes) = convert(artifact(), Format::Onnx).unwrap();
        assert!(onnx.windows(13).any(|bytes| bytes == b"feature_names") && notes.is_empty());
    }

    #[test]
    fn what_cannot_be_exported_says_why() {
        let why = |artifact, format| convert(artifact, format).unwrap_err().to_string();
        assert!(why(artifact(), Format::XgboostJson).contains("a random_forest model"));
        assert!(why(b"not an artifact".to_vec(), Format::Onnx).contains("cannot be exported"));
    }
}
