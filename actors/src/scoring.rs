//! Opens stored models and scores them on rows, for the Evaluator and the Registry.

use crate::blocking::blocking;
use crate::loader::{Loader, Open};
use crate::snapshot::LoadedSnapshot;
use crate::supervise::Slot;
use provost_domain::ModelVersion;
use provost_domain::model::ModelRecord;
use provost_learn::{LearnError, Model};
use provost_store::{Artifacts, InstallationReader, StoreError};
use std::sync::Arc;

/// A registered model with the snapshot that it was trained and tested on.
pub(crate) struct Opened {
    pub record: ModelRecord,
    pub model: Arc<Model>,
    pub data: Arc<LoadedSnapshot>,
    /// Rows of its test part.
    pub test: Arc<Vec<u32>>,
}

/// Reads and verifies a model's artifact. A model of the replaced service has none.
pub(crate) async fn load_model<E>(artifacts: &Artifacts, version: &ModelVersion) -> Result<Arc<Model>, E>
where
    E: From<StoreError> + From<LearnError> + From<crate::error::Unreachable> + Send + 'static,
{
    if !version.has_artifact() {
        return Err(StoreError::NoArtifact { model: version.model_id.to_string() }.into());
    }
    let (artifacts, sha256) = (artifacts.clone(), version.model_sha256.clone());
    blocking(move || {
        let bytes = artifacts.get(&sha256).map_err(|e| match e {
            // The model is known, so a missing file is damage, not an unknown name.
            StoreError::NotFound { what, id } => {
                StoreError::Corrupt { what: format!("{what} {id}"), why: "its file is missing".to_owned() }
            }
            e => e,
        })?;
        Ok(Arc::new(Model::from_bytes(&bytes).map_err(LearnError::from)?))
    })
    .await
}

/// Opens a model, its snapshot and its test part.
pub(crate) async fn open<E>(
    (artifacts, installation): (&Artifacts, &dyn InstallationReader),
    loader: &Slot<Loader>,
    record: ModelRecord,
) -> Result<Opened, E>
where
    E: From<StoreError>
        + From<LearnError>
        + From<crate::error::LoadError>
        + From<crate::error::Unreachable>
        + Send
        + 'static,
{
    let model = load_model::<E>(artifacts, &record.version).await?;
    let data = loader.send(Open(record.snapshot.clone())).await??;
    let salt = installation.installation().await?.salt;
    let (rows, config) = (data.clone(), record.version.training_config.clone());
    let parts = blocking(move || rows.parts(&config, salt).map_err(E::from)).await?;
    Ok(Opened { record, model, data, test: Arc::new(parts.test) })
}

/// Labels of rows.
pub(crate) fn labels(data: &LoadedSnapshot, rows: &[u32]) -> Vec<u8> {
    rows.iter().map(|r| data.dataset.y()[*r as usize]).collect()
}
