//! The settings as types. A flag takes precedence over the environment (`PROVOST_SECTION__KEY`), then the file, then the
//! compiled-in default.

mod bridge;
mod duration;
mod fairness;
mod hosts;
mod http;
mod import;
mod jobs;
mod layers;
mod mail;
mod network;
mod predict;
mod redaction;
mod schema;
mod secret;
mod store;
mod tables;
mod url;
mod value;

pub use bridge::Bridge;
pub use duration::parse as parse_duration;
pub use hosts::{HostName, HostPort};
pub use http::{Deadlines, Http, Rates, SessionLimits, Tls};
pub use import::Import;
pub use jobs::Jobs;
pub use mail::Mail;
pub use network::Network;
pub use predict::Predict;
pub use redaction::holds_secret;
pub use secret::{read_file as read_secret_file, shown_path};
pub use store::StoreAddress;
pub use value::{SettingsError, Source, Values};

use crate::card::CardTexts;
use provost_actors::{FairnessOptions, RetentionOptions, WatchOptions};
use provost_domain::Algorithm;
use provost_domain::config::Grid;
use provost_domain::features::FeatureTables;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use value::Reader;

#[derive(Debug, Clone)]
pub struct Actors {
    pub restart_budget: u32,
    pub restart_window: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone)]
pub struct Log {
    /// An `EnvFilter` expression.
    pub level: String,
    pub format: LogFormat,
}

/// How work is shared with other processes.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// Whether other processes may work on the same store.
    pub store: bool,
    pub lease: Duration,
    /// How long a fit waits for a worker; None if there is no fleet.
    pub fleet: Option<Duration>,
    /// Where a worker answers `/metrics`; None: nowhere.
    pub worker_metrics: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub http: Http,
    /// Folder of store and artifacts.
    pub data_dir: PathBuf,
    pub store: StoreAddress,
    pub import: Import,
    pub predict: Predict,
    pub watch: WatchOptions,
    pub card: CardTexts,
    pub fairness: FairnessOptions,
    pub sharing: Sharing,
    pub bridge: Bridge,
    pub mail: Mail,
    pub schedule_enabled: bool,
    pub cooldown: Duration,
    pub jobs: Jobs,
    /// None: records are kept for ever.
    pub retention: Option<RetentionOptions>,
    pub actors: Actors,
    /// How many cores training may use; at least 1.
    pub threads: usize,
    pub strict_quality: bool,
    pub shutdown_deadline: Duration,
    pub log: Log,
    pub features: FeatureTables,
    pub grids: BTreeMap<Algorithm, Grid>,
    /// Each key's value, without secrets, and its source.
    pub values: Values,
}

/// The values that a command line overrides: (key, flag, value).
pub type Flags = Vec<(&'static str, &'static str, String)>;

impl Settings {
    /// The source of a setting's value.
    pub fn source(&self, key: &str) -> Option<&Source> {
        self.values.get(key).map(|(_, source)| source)
    }

    /// Loads the settings from the file (if named), this process's environment, and flags.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Self, SettingsError> {
        let text = match file {
            Some(path) => Some((
                path,
                crate::input::text(path, crate::input::LONGEST)
                    .map_err(|e| SettingsError(vec![format!("cannot read settings file {}: {e}", path.display())]))?,
            )),
            None => None,
        };
        // A name that is not UTF-8 cannot be a setting's name. A value that is not UTF-8 becomes a text that no rule
        // accepts.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
        Self::from_layers(text.as_ref().map(|(p, t)| (*p, t.as_str())), environment, flags)
    }

    pub fn from_layers(
        file: Option<(&Path, &str)>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &Flags,
    ) -> Result<Self, SettingsError> {
        let mut values = layers::merge(file, environment, flags).map_err(SettingsError)?;
        let read = Reader(&values);
        let data_dir = PathBuf::from(read.text("data.dir")?);
        let settings = Self {
            http: Http::read(&read)?,
            import: Import::read(&read, &data_dir)?,
            predict: Predict::read(&read, &data_dir)?,
            watch: watch(&read)?,
            store: StoreAddress::read(&read)?,
            card: CardTexts {
                provider: read.text("card.provider")?,
                contact: read.text("card.contact")?,
                purpose: read.text("card.purpose")?,
                oversight: read.text("card.oversight")?,
                enterprise_size: read.text("card.enterprise_size")?,
            },
            fairness: fairness::read(&read)?,
            sharing: sharing(&read)?,
            bridge: Bridge::read(&read)?,
            data_dir,
            mail: Mail::read(&read)?,
            schedule_enabled: read.switch("schedule.enabled")?,
            cooldown: read.time("schedule.cooldown")?,
            jobs: Jobs::read(&read)?,
            retention: retention(&read)?,
            actors: Actors {
                restart_budget: read.whole("actors.restart_budget")?,
                restart_window: read.time("actors.restart_window")?,
            },
            threads: match read.whole("learn.threads")? {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                n => n,
            },
            strict_quality: read.switch("quality.strict")?,
            shutdown_deadline: read.time("shutdown.deadline")?,
            log: Log {
                level: read.text("log.level")?,
                format: if read.text("log.format")? == "json" { LogFormat::Json } else { LogFormat::Text },
            },
            features: tables::features(&values)?,
            grids: tables::grids(&values)?,
            values: Values::new(),
        };
        redaction::redact(&mut values);
        Ok(Self { values, ..settings })
    }
}

fn sharing(read: &Reader<'_>) -> Result<Sharing, SettingsError> {
    let store = StoreAddress::read(read)? != StoreAddress::Sqlite;
    let fleet = read.switch("fleet.enabled")?;
    if fleet && !store {
        return Err(SettingsError(vec![
            "fleet.enabled = true: allowed with a store that workers can share (store.url = \"mongodb://...\")"
                .to_owned(),
        ]));
    }
    let patience = read.time("fleet.patience")?;
    let worker_metrics = Some(read.text("fleet.metrics_listen")?).filter(|address| !address.is_empty());
    Ok(Sharing { store, lease: read.time("store.lease")?, fleet: fleet.then_some(patience), worker_metrics })
}

fn watch(read: &Reader<'_>) -> Result<WatchOptions, SettingsError> {
    Ok(WatchOptions {
        enabled: read.switch("watch.enabled")?,
        every: read.time("watch.every")?,
        window: read.whole("watch.window")?,
        close_after: read.time("watch.close_after")?,
        retrain: read.switch("watch.retrain")?,
    })
}

fn retention(read: &Reader<'_>) -> Result<Option<RetentionOptions>, SettingsError> {
    let options = RetentionOptions {
        every: read.time("retention.every")?,
        inbox: read.time("retention.inbox")?,
        outbox: read.time("retention.outbox")?,
        job_events: read.time("retention.job_events")?,
        trials: read.time("retention.trials")?,
        artifacts: read.time("retention.artifacts")?,
        predictions: read.time("retention.predictions")?,
    };
    Ok(read.switch("retention.enabled")?.then_some(options))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_defaults_are_the_contracts() {
        let s = Settings::from_layers(None, [], &Vec::new()).unwrap();
        assert_eq!(s.http.listen, "127.0.0.1:8000");
        assert_eq!(s.data_dir, Path::new("./data"));
        assert_eq!(s.import.dir, Path::new("./data/import"));
        assert_eq!((s.jobs.max_running, s.jobs.attempts, s.jobs.deaths), (1, 3, 5));
        assert_eq!(s.jobs.soft_limit, Duration::from_secs(7200));
        assert_eq!(s.shutdown_deadline, Duration::from_secs(30));
        assert!(s.threads >= 1);
    }

    #[test]
    fn what_is_forgotten_when_is_set_in_one_place() {
        let s = Settings::from_layers(None, [], &Vec::new()).unwrap();
        assert_eq!(s.retention, Some(RetentionOptions::default()));
        let env = |key: &str, value: &str| [(format!("PROVOST_RETENTION__{key}"), value.to_owned())];
        let off = Settings::from_layers(None, env("ENABLED", "false"), &Vec::new()).unwrap();
        assert_eq!(off.retention, None);
        let error = Settings::from_layers(None, env("ARTIFACTS", "1h"), &Vec::new()).unwrap_err().to_string();
        assert!(error.contains("retention.artifacts") && error.contains("1h") && error.contains("2d"), "{error}");
    }
}
