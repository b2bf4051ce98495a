//! `provost backup` and `provost restore`.

use super::common::Common;
use super::show;
use crate::error::{Error, Result};
use crate::settings::{Settings, StoreAddress};
use chrono::Utc;
use clap::Args;
use provost_store::StoreError;
use provost_store::backup::{self, Manifest};
use serde_json::json;
use std::path::{Path, PathBuf};

const BAR: &str = "  {bar:30.green/dim} {human_pos} of {human_len} artifacts";

#[derive(Args)]
pub struct BackupArgs {
    /// Folder for the backup; it must be missing or empty
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct RestoreArgs {
    /// Folder of the backup
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    #[command(flatten)]
    pub common: Common,
}

/// Refuses MongoDB: its tools back up the database. Artifact files never change and can simply be copied.
fn refuse_mongodb(settings: &Settings, tool: &str) -> Result<()> {
    match settings.store {
        StoreAddress::Mongodb(_) => Err(Error::usage_with(
            "store.url is a MongoDB address, and this command works on SQLite alone",
            &format!("use `{tool}` for the database; the database holds the artifacts too"),
        )),
        StoreAddress::Sqlite => Ok(()),
    }
}

/// Turns the errors of a wrong request into usage errors.
fn usage_error(e: StoreError) -> Error {
    match e {
        StoreError::Invalid(why) => Error::Usage(why),
        e => e.into(),
    }
}

pub fn backup(args: &BackupArgs) -> Result<()> {
    let (settings, json) = (args.common.settings()?, args.common.output.json);
    refuse_mongodb(&settings, "mongodump --oplog")?;
    let manifest = with_bar(json, |each| backup::take(&settings.data_dir, &args.folder, Utc::now(), each))?;
    report("backup", &args.folder, &manifest, json);
    if manifest.damaged.is_empty() {
        return Ok(());
    }
    let named: Vec<&str> = manifest.damaged.iter().map(String::as_str).collect();
    Err(Error::failed(format!(
        "the backup is complete except for these artifacts, which are missing or damaged in {}: {}",
        settings.data_dir.display(),
        named.join(", ")
    )))
}

pub fn restore(args: &RestoreArgs) -> Result<()> {
    let (settings, json) = (args.common.settings()?, args.common.output.json);
    refuse_mongodb(&settings, "mongorestore")?;
    let manifest = with_bar(json, |each| backup::restore(&args.folder, &settings.data_dir, each))?;
    report("restored", &settings.data_dir, &manifest, json);
    Ok(())
}

fn with_bar<T>(
    json: bool,
    work: impl FnOnce(&mut dyn FnMut(u64, u64)) -> std::result::Result<T, StoreError>,
) -> Result<T> {
    let bar = show::bar(0, BAR, json);
    let outcome = work(&mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    outcome.map_err(usage_error)
}

fn report(what: &str, folder: &Path, manifest: &Manifest, json: bool) {
    let Manifest { created_at, artifacts, damaged, .. } = manifest;
    let object = || {
        json!({ what: folder, "created_at": created_at, "bytes": manifest.bytes(), "artifacts": artifacts.len(),
            "damaged": damaged })
    };
    let text = || {
        let n = show::counted(artifacts.len() as u64, "artifact", "artifacts");
        let size = show::bytes(manifest.bytes());
        format!(
            "{}: the store as of {} and {n}, {size}, all verified",
            folder.display(),
            created_at.format("%Y-%m-%d %H:%M:%S UTC")
        )
    };
    show::tell(json, object, text);
}
