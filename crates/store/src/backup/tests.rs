#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::conformance::samples;
use crate::roles::installation::InstallationReader;
use crate::roles::points::PointReader;
use crate::roles::predictions::PredictionReader;
use crate::roles::sessions::SessionStore;
use crate::sqlite::SqliteStore;
use crate::store::Store;
use provost_domain::session::{Session, SessionBounds, SessionToken};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

const NOTHING: fn(u64, u64) = |_, _| {};

struct Folder(TempDir);

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn artifact(&self, of: &str, name: &str) -> PathBuf {
        self.path(of).join(ARTIFACTS).join(&name[..2]).join(&name[2..4]).join(name)
    }
}

/// A data folder `data` with points and a model whose snapshot, plot and bytes are artifacts; the artifacts' names.
async fn folder() -> (Folder, Arc<dyn Store>, Vec<String>) {
    let folder = Folder(tempfile::tempdir().unwrap());
    let artifacts = Artifacts::open(folder.path("data").join(ARTIFACTS)).unwrap();
    let names: Vec<String> =
        ["model", "snapshot", "plot"].iter().map(|b| artifacts.put(b.as_bytes()).unwrap()).collect();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path("data"), samples::at(0)).unwrap());
    store.record_points((0..50).map(|n| samples::point(&format!("p{n}"), 0)).collect()).await.unwrap();
    let mut model = samples::model(1, &samples::job(0, 0).job.job_id);
    model.version.model_sha256 = names[0].clone();
    model.version.model_path = names[0].clone();
    model.version.scaler_path = None;
    model.snapshot = names[1].clone();
    let mut evaluation = samples::evaluation("task-1", &model);
    evaluation.plots = [("roc.png".to_owned(), names[2].clone())].into();
    store.register_model(model, evaluation, vec![]).await.unwrap();
    (folder, store, names)
}

#[tokio::test]
async fn what_was_backed_up_is_restored_and_nothing_else() {
    let (folder, store, names) = folder().await;
    let (hour, token) = (chrono::TimeDelta::hours(1), SessionToken::new([1; 32]));
    let session = Session::new(&token, "key_1", samples::at(0), hour, hour);
    store.add_session(session, SessionBounds { of_key: 9, of_all: 9 }).await.unwrap();
    let prediction = samples::prediction("prediction", 5);
    store.append_predictions(vec![prediction.clone()]).await.unwrap();
    let unnamed = Artifacts::open(folder.path("data").join(ARTIFACTS)).unwrap().put(b"nobody's").unwrap();
    let taken = take(&folder.path("data"), &folder.path("backup"), samples::at(9), NOTHING).unwrap();
    assert_eq!(taken.artifacts.keys().cloned().collect::<BTreeSet<_>>(), names.iter().cloned().collect());
    assert!(taken.damaged.is_empty());
    store.record_points(vec![samples::point("later", 0)]).await.unwrap();
    assert_eq!(store.sessions().await.unwrap().len(), 1);
    assert_eq!(restore(&folder.path("backup"), &folder.path("again"), NOTHING).unwrap(), taken);
    let restored = SqliteStore::open(&folder.path("again"), samples::at(99)).unwrap();
    assert_eq!(restored.point_totals().await.unwrap().total, 50);
    assert_eq!(restored.prediction("prediction").await.unwrap(), Some(prediction));
    for place in ["data", "backup", "again"] {
        let mode = std::fs::metadata(folder.path(place).join(PREDICTIONS)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{place}");
    }
    assert_eq!(restored.sessions().await.unwrap(), [], "nobody is signed in by a restoration");
    assert_eq!(restored.installation().await.unwrap(), store.installation().await.unwrap());
    let artifacts = Artifacts::open(folder.path("again").join(ARTIFACTS)).unwrap();
    assert_eq!(artifacts.get(&names[1]).unwrap(), b"snapshot");
    assert!(!artifacts.contains(&unnamed));
    assert!(!folder.path("again").join(RESTORING).exists());
}

#[tokio::test]
async fn a_damaged_prediction_log_is_named() {
    let (folder, store, _) = folder().await;
    store.append_predictions(vec![samples::prediction("prediction", 5)]).await.unwrap();
    take(&folder.path("data"), &folder.path("backup"), samples::at(9), NOTHING).unwrap();
    let log = folder.path("backup").join(PREDICTIONS);
    let mut bytes = std::fs::read(&log).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let error = restore(&folder.path("backup"), &folder.path("again"), NOTHING).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { what, .. } if what.contains(PREDICTIONS)), "{error}");
    std::fs::remove_file(&log).unwrap();
    assert!(verify(&folder.path("backup"), NOTHING).is_err(), "a log that is listed must be there");
}

#[tokio::test]
async fn a_backup_beside_a_writer_is_of_one_moment() {
    let (folder, store, _) = folder().await;
    let writer = tokio::spawn(async move {
        for n in 0.. {
            let id = |part: &str| samples::point(&format!("{part}{n}"), 0);
            // Two points in one step: no copy may have one of them.
            if store.record_points(vec![id("left"), id("right")]).await.is_err() {
                break;
            }
        }
    });
    for n in 0..5 {
        let target = folder.path(&format!("backup{n}"));
        let data = folder.path("data");
        let to = target.clone();
        tokio::task::spawn_blocking(move || take(&data, &to, samples::at(9), NOTHING).unwrap()).await.unwrap();
        let copy = SqliteStore::open(&target, samples::at(9)).unwrap();
        assert_eq!(copy.point_totals().await.unwrap().total % 2, 0);
    }
    writer.abort();
}

#[tokio::test]
async fn a_full_target_and_a_folder_without_a_store_are_refused() {
    let (folder, _store, _) = folder().await;
    std::fs::create_dir(folder.path("full")).unwrap();
    std::fs::write(folder.path("full").join("x"), b"").unwrap();
    let error = take(&folder.path("data"), &folder.path("full"), samples::at(9), NOTHING).unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(why) if why.contains("`x`")), "{error}");
    let error = take(&folder.path("nowhere"), &folder.path("b"), samples::at(9), NOTHING).unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(why) if why.contains(DATABASE)), "{error}");
    assert!(!folder.path("b").exists());
}

#[tokio::test]
async fn any_damage_is_told_before_anything_is_restored() {
    let (folder, _store, names) = folder().await;
    let backup = folder.path("backup");
    take(&folder.path("data"), &backup, samples::at(9), NOTHING).unwrap();
    let artifact = folder.artifact("backup", &names[0]);
    for file in [artifact.clone(), backup.join(DATABASE)] {
        let bytes = std::fs::read(&file).unwrap();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            std::fs::write(&file, damaged).unwrap();
            let error = restore(&backup, &folder.path("again"), NOTHING).unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{}, byte {at}: {error}", file.display());
            assert!(!folder.path("again").exists());
        }
        std::fs::write(&file, bytes).unwrap();
    }
    std::fs::remove_file(&artifact).unwrap();
    let error = restore(&backup, &folder.path("again"), NOTHING).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { why, .. } if why.contains(&names[0])), "{error}");
    std::fs::write(&artifact, b"model").unwrap();
    let manifest = std::fs::read_to_string(backup.join(MANIFEST)).unwrap();
    let unlisted = manifest.replace(&names[0], &"0".repeat(64));
    std::fs::write(backup.join(MANIFEST), unlisted).unwrap();
    let error = restore(&backup, &folder.path("again"), NOTHING).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { why, .. } if why.contains(&names[0])), "{error}");
    std::fs::remove_file(backup.join(MANIFEST)).unwrap();
    let error = restore(&backup, &folder.path("again"), NOTHING).unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(why) if why.contains("broken off")), "{error}");
}

#[tokio::test]
async fn an_artifact_that_is_damaged_at_its_source_is_told_and_stops_nothing() {
    let (folder, _store, names) = folder().await;
    std::fs::write(folder.artifact("data", &names[1]), b"snapshoT").unwrap();
    let taken = take(&folder.path("data"), &folder.path("backup"), samples::at(9), NOTHING).unwrap();
    assert_eq!(taken.damaged, [names[1].clone()].into());
    assert_eq!(taken.artifacts.len(), 2);
    restore(&folder.path("backup"), &folder.path("again"), NOTHING).unwrap();
}

#[tokio::test]
async fn only_an_empty_folder_of_nobody_is_restored_into() {
    let (folder, _store, _) = folder().await;
    take(&folder.path("data"), &folder.path("backup"), samples::at(9), NOTHING).unwrap();
    let into = |name: &str| restore(&folder.path("backup"), &folder.path(name), NOTHING);
    let error = into("data").unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(why) if why.contains("not empty")), "{error}");
    let held = DataFolderLock::acquire(&folder.path("held")).unwrap();
    assert!(matches!(into("held"), Err(StoreError::Locked { .. })));
    drop(held);
    into("held").unwrap();
    // What a restoration left that was killed goes, and the next one takes its place.
    for moved in [false, true] {
        let place = if moved { "moved" } else { "half" };
        std::fs::create_dir_all(folder.path(place).join(RESTORING).join(ARTIFACTS)).unwrap();
        if moved {
            std::fs::create_dir_all(folder.path(place).join(ARTIFACTS).join("zz")).unwrap();
        }
        into(place).unwrap();
        assert!(!folder.path(place).join(ARTIFACTS).join("zz").exists());
    }
    assert!(into("half").is_err(), "it is no empty folder any more");
}
