//! The settings as types. A flag takes precedence over the environment (`PROVOST_SECTION__KEY`), then the file, then the
//! compiled-in default.

mod duration;
mod fairness;
mod hosts;
mod http;
mod layers;
mod mail;
mod network;
mod predict;
mod redaction;
mod schema;
mod secret;
mod store;
mod tables;
mod value;

pub use duration::parse as parse_duration;
pub use hosts::{HostName, HostPort};
pub use http::{Deadlines, Http, Rates, SessionLimits, Tls};
pub use mail::Mail;
pub use network::Network;
pub use predict::Predict;
pub use redaction::holds_secret;
pub use secret::{read_file as read_secret_file, shown_path};
pub use store::StoreAddress;
pub use value::{SettingsError, Source, Values};

use crate::card::CardTexts;
use provost_actors::bridge::Address;
use provost_actors::{BridgeOptions, FairnessOptions, RetentionOptions, WatchOptions};
use provost_domain::Algorithm;
use provost_domain::config::Grid;
use provost_domain::features::FeatureTables;
use provost_reader::Limits;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use value::Reader;

#[derive(Debug, Clone)]
pub struct Import {
    /// The folder that a configuration's `data_path` is relative to.
    pub dir: PathBuf,
    pub limits: Limits,
    /// How many points are stored in one transaction.
    pub batch: usize,
}

#[derive(Debug, Clone)]
pub struct Jobs {
    pub max_running: usize,
    pub max_queued: u64,
    pub soft_limit: Duration,
    pub hard_limit: Duration,
    pub attempts: u32,
    pub backoff: Duration,
    pub deaths: u32,
}

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

/// The section `[bridge]`: the broker's address and limits.
#[derive(Debug, Clone)]
pub struct Bridge {
    /// None: no broker is configured.
    pub options: Option<BridgeOptions>,
    /// How many announcements are kept while the broker is away.
    pub outbox_max: u64,
}

/// How work is shared with other processes.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// Whether other processes may work on the same store.
    pub store: bool,
    pub lease: Duration,
    /// How long a fit waits for a worker; None if there is no fleet.
    pub fleet: Option<Duration>,
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
        // A name that is not UTF-8 cannot be a setting's. A value that is not becomes a text that no rule accepts.
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
        let import_dir = read.text("import.dir")?;
        let settings = Self {
            http: Http::read(&read)?,
            import: Import {
                dir: if import_dir.is_empty() { data_dir.join("import") } else { PathBuf::from(import_dir) },
                limits: Limits {
                    row_bytes: read.whole("import.max_line_bytes")?,
                    cell_bytes: read.whole("import.max_cell_bytes")?,
                    columns: read.whole("import.max_columns")?,
                    rows: read.whole("import.max_rows")?,
                    bytes: read.whole("import.max_bytes")?,
                    ratio: read.whole("import.max_ratio")?,
                },
                batch: read.whole("import.batch")?,
            },
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
            bridge: bridge(&read)?,
            data_dir,
            mail: Mail::read(&read)?,
            schedule_enabled: read.switch("schedule.enabled")?,
            cooldown: read.time("schedule.cooldown")?,
            jobs: Jobs {
                max_running: read.whole("jobs.max_running")?,
                max_queued: read.whole("jobs.max_queued")?,
                soft_limit: read.time("jobs.soft_limit")?,
                hard_limit: read.time("jobs.hard_limit")?,
                attempts: read.whole("jobs.attempts")?,
                backoff: read.time("jobs.backoff")?,
                deaths: read.whole("jobs.deaths")?,
            },
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
        if settings.jobs.hard_limit < settings.jobs.soft_limit {
            return Err(SettingsError(vec![format!(
                "jobs.hard_limit = {} ({}): allowed is a duration not below jobs.soft_limit = {} ({})",
                values["jobs.hard_limit"].0,
                values["jobs.hard_limit"].1,
                values["jobs.soft_limit"].0,
                values["jobs.soft_limit"].1
            )]));
        }
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
    Ok(Sharing { store, lease: read.time("store.lease")?, fleet: fleet.then_some(patience) })
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

fn bridge(read: &Reader<'_>) -> Result<Bridge, SettingsError> {
    let (mut url, file) = (read.text("bridge.url")?, read.text("bridge.url_file")?);
    let refused = |key: &str, why: String| SettingsError(vec![format!("{key}: {why}")]);
    if !file.is_empty() {
        if !url.is_empty() {
            return Err(refused("bridge.url_file", "bridge.url is set too; set only one of the two".to_owned()));
        }
        let read = secret::read_file(Path::new(&file)).map_err(|why| refused("bridge.url_file", why))?;
        url = read.expose().to_owned();
    }
    let ca_file = read.text("bridge.ca_file")?;
    let options = if url.trim().is_empty() {
        None
    } else {
        let address = Address::parse(&url).map_err(|fault| {
            let file = secret::shown_path(Path::new(&file));
            let allowed = "allowed is one such as amqp://user:password@host:5672/vhost";
            refused("bridge.url_file", format!("the address in {file}: {fault}; {allowed}"))
        })?;
        Some(BridgeOptions {
            url: address,
            ca_file: (!ca_file.is_empty()).then(|| PathBuf::from(ca_file)),
            max_message_bytes: read.whole("bridge.max_message_bytes")?,
            batch: read.whole("bridge.batch")?,
            batch_wait: read.time("bridge.batch_wait")?,
            prefetch_batches: read.whole("bridge.prefetch_batches")?,
            wait: read.time("bridge.timeout")?,
            check_every: read.time("bridge.check_every")?,
        })
    };
    Ok(Bridge { options, outbox_max: read.whole("bridge.outbox_max")? })
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

    #[test]
    fn the_import_folder_follows_the_data_folder_unless_it_is_set() {
        let flags = vec![("data.dir", "--data-dir", "/srv/p".to_owned())];
        assert_eq!(Settings::from_layers(None, [], &flags).unwrap().import.dir, Path::new("/srv/p/import"));
        let env = [("PROVOST_IMPORT__DIR".to_owned(), "/in".to_owned())];
        assert_eq!(Settings::from_layers(None, env, &flags).unwrap().import.dir, Path::new("/in"));
    }

    #[test]
    fn a_hard_limit_below_the_soft_one_is_refused() {
        let env = [("PROVOST_JOBS__HARD_LIMIT".to_owned(), "1h".to_owned())];
        let error = Settings::from_layers(None, env, &Vec::new()).unwrap_err().to_string();
        assert!(error.contains("jobs.hard_limit") && error.contains("jobs.soft_limit"), "{error}");
    }

    #[test]
    fn the_address_of_the_bus_comes_from_environment_or_file_and_its_password_is_not_shown() {
        let read = |pairs: &[(&str, &str)]| {
            let env: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Settings::from_layers(None, env, &Vec::new())
        };
        assert!(read(&[]).unwrap().bridge.options.is_none());
        let url = "amqp://someone:s3cret@bus.example.org/prod";
        let shown = "amqp://***@bus.example.org:5672/prod";
        let settings = read(&[("PROVOST_BRIDGE__URL", url)]).unwrap();
        let options = settings.bridge.options.as_ref().unwrap();
        assert_eq!((options.url.to_string().as_str(), options.batch, options.prefetch_batches), (shown, 500, 2));
        assert!(!format!("{settings:?}").contains("s3cret"));

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{url}\n")).unwrap();
        let path = file.path().to_str().unwrap();
        let settings = read(&[("PROVOST_BRIDGE__URL_FILE", path)]).unwrap();
        assert_eq!(settings.bridge.options.unwrap().url.to_string(), shown);
        for (bad, wanted) in [
            (vec![("PROVOST_BRIDGE__URL_FILE", path), ("PROVOST_BRIDGE__URL", url)], "one of the two"),
            (vec![("PROVOST_BRIDGE__URL_FILE", "/nowhere")], "cannot read /nowhere"),
            (vec![("PROVOST_BRIDGE__URL", "http://someone:s3cret@host")], "allowed is nothing"),
        ] {
            let error = read(&bad).unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("s3cret"), "{error}");
        }
    }

    fn mail(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let env = pairs.iter().map(|(k, v)| (format!("PROVOST_MAIL__{k}"), (*v).to_owned()));
        Settings::from_layers(None, env, &Vec::new())
    }

    #[test]
    fn the_mail_servers_password_is_in_no_setting_that_is_shown() {
        let s = mail(&[("URL", "smtps://user:geheim@mail.example.org"), ("FROM", "P <p@example.org>")]).unwrap();
        let options = s.mail.options().unwrap().unwrap();
        assert_eq!(options.url.to_string(), "smtps://***@mail.example.org:465");
        let debug = format!("{s:?} {options:?} {:?}", s.values);
        assert!(!debug.contains("geheim") && debug.contains("smtps://***@mail.example.org"), "{debug}");
        for url in
            ["smtp://user:geheim@mail.example.org/path", "mailto:user:geheim@mail.example.org", "smtp://geheim@x"]
        {
            let error = mail(&[("URL", url)]).unwrap_err().to_string();
            assert!(error.contains("mail.url") && !error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn the_mail_servers_address_can_come_from_a_file() {
        assert!(mail(&[]).unwrap().mail.options().unwrap().is_none());
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        std::fs::write(file.path(), "smtp://user:geheim@mail.example.org\n").unwrap();
        let settings = mail(&[("URL_FILE", &path)]).unwrap();
        assert_eq!(settings.mail.options().unwrap().unwrap().url.host(), "mail.example.org");
        std::fs::write(file.path(), "geheim").unwrap();
        let error = settings.mail.options().unwrap_err().to_string();
        assert!(error.contains(&path) && !error.contains("geheim"), "{error}");
        assert!(mail(&[("URL_FILE", &path), ("URL", "smtp://localhost")]).is_err());
        assert!(mail(&[("FROM", "nobody")]).is_err());
    }
}
