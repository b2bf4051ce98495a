//! `provost doctor`: what a service needs, checked one by one, with what to do about each fault.

use crate::cli::{Common, show};
use crate::error::{Error, Result};
use crate::open;
use crate::settings::{Settings, Source};
use chrono::{Datelike, Utc};
use clap::Args;
use provost_actors::bridge;
use provost_actors::notifier::{self, ConnectError};
use provost_domain::Algorithm;
use provost_learn::learners::learner;
use provost_learn::{Control, Dataset, FitTask, Matrix};
use provost_store::{DATABASE, DataFolderLock, StoreError};
use serde::Serialize;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Off,
    Warning,
    Fault,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

fn ok(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Ok, found: found.into(), advice: None }
}
fn trouble(check: &'static str, verdict: Verdict, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check, verdict, found: found.into(), advice: Some(advice.into()) }
}

pub fn run(args: &DoctorArgs) -> Result<()> {
    let settings = args.common.settings()?;
    let json = args.common.output.json;
    let checks: [fn(&Settings) -> Finding; 11] = [
        of_settings,
        of_data,
        of_disk,
        of_store,
        of_address,
        of_locks,
        of_bus,
        of_mail,
        of_xgboost,
        of_threads,
        of_clock,
    ];
    let mut faults = 0;
    for finding in checks.iter().map(|check| check(&settings)) {
        faults += usize::from(finding.verdict == Verdict::Fault);
        show::line(&if json { serde_json::to_string(&finding).map_err(anyhow::Error::from)? } else { text(&finding) });
    }
    match faults {
        0 => Ok(()),
        1 => Err(Error::failed("one fault")),
        n => Err(Error::failed(format!("{n} faults"))),
    }
}

fn text(finding: &Finding) -> String {
    let mark = match finding.verdict {
        Verdict::Ok => "✓",
        Verdict::Off => "-",
        Verdict::Warning => "!",
        Verdict::Fault => "✗",
    };
    let advice = finding.advice.as_ref().map_or_else(String::new, |a| format!("\n             → {a}"));
    format!("  {mark} {:<8} {}{advice}", finding.check, finding.found)
}

/// They loaded, or the command had ended; so this only says what differs from the defaults.
fn of_settings(settings: &Settings) -> Finding {
    let changed: Vec<String> = settings
        .values
        .iter()
        .filter(|(_, (_, source))| *source != Source::Default)
        .map(|(key, (value, source))| format!("{key} = {value} ({source})"))
        .collect();
    ok("settings", if changed.is_empty() { "all defaults".to_owned() } else { changed.join("; ") })
}

fn of_data(settings: &Settings) -> Finding {
    let dir = &settings.data_dir;
    let name = dir.display();
    if !dir.exists() {
        return ok("data", format!("{name} is not there yet; `provost serve` makes it"));
    }
    if let Err(e) = tempfile_in(dir) {
        return trouble(
            "data",
            Verdict::Fault,
            format!("cannot write in {name}: {e}"),
            match e.kind() {
                std::io::ErrorKind::StorageFull => "free some space, or choose another with --data-dir",
                _ => "chown it, or choose another with --data-dir",
            },
        );
    }
    match DataFolderLock::acquire(dir) {
        Ok(_) => ok("data", format!("{name} is writable and no server has it")),
        Err(StoreError::Locked { pid, .. }) => ok("data", format!("{name} is writable; process {pid} serves it")),
        Err(e) => trouble("data", Verdict::Fault, e.to_string(), "is the folder on a file system with locks?"),
    }
}

/// Writes and removes a small file.
fn tempfile_in(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!(".doctor-{}", std::process::id()));
    std::fs::write(&path, b"ok")?;
    std::fs::remove_file(&path)
}

fn of_disk(settings: &Settings) -> Finding {
    // The folder may not be there yet: the nearest one above it is on the same disk.
    let absolute = std::path::absolute(&settings.data_dir).unwrap_or_else(|_| settings.data_dir.clone());
    let there = absolute.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    let output = std::process::Command::new("df").arg("-Pk").arg(there).output();
    let free = output.ok().and_then(|o| {
        let text = String::from_utf8_lossy(&o.stdout).into_owned();
        text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok()
    });
    let advice = "models and their plots take about 1 MB each, data points about 2 KB";
    match free.map(|kb| kb / 1024) {
        None => trouble("disk", Verdict::Warning, "df does not say how much is free", advice),
        Some(mb) if mb < 100 => {
            trouble("disk", Verdict::Fault, format!("{mb} MB free"), format!("free some space: {advice}"))
        }
        Some(mb) if mb < 1024 => trouble("disk", Verdict::Warning, format!("{mb} MB free"), advice),
        Some(mb) => ok("disk", format!("{} GB free", mb / 1024)),
    }
}

fn of_store(settings: &Settings) -> Finding {
    if !open::has_store(settings) {
        return ok("store", "no database yet; `provost import` or `provost serve` makes it");
    }
    let began = Instant::now();
    let counted = open::runtime().and_then(|runtime| {
        let store = open::store(settings)?;
        runtime.block_on(async {
            store.ping().await?;
            let points = store.points_mark().await?.total;
            Ok((points, store.model_count().await?, store.active_model().await?))
        })
    });
    match counted {
        Ok((points, models, active)) => ok(
            "store",
            format!(
                "{}: {} points, {models} models, {} ({} ms)",
                settings.store,
                show::thousands(points),
                if active.is_some() { "one active" } else { "none active" },
                began.elapsed().as_millis()
            ),
        ),
        Err(e) => {
            let advice = match &e {
                Error::Failed(cause) => match cause.downcast_ref::<StoreError>() {
                    Some(StoreError::NewerSchema { .. }) => "run the newest provost that this folder was used with",
                    Some(StoreError::Unavailable(_) | StoreError::Invalid(_)) if settings.sharing.store => {
                        "is MongoDB running, and is store.url right? (user, password and database too)"
                    }
                    Some(StoreError::Unavailable(_)) => "see to the folder's rights and its file system",
                    Some(StoreError::Full(_)) => "free some space; nothing that was stored is lost",
                    _ if settings.sharing.store => "see to the database, or restore it from a copy",
                    _ => "restore the data folder from a copy, or start with an empty one",
                },
                Error::Usage(_) => "correct the setting",
            };
            trouble("store", Verdict::Fault, e.to_string(), advice)
        }
    }
}

fn of_address(settings: &Settings) -> Finding {
    let listen = &settings.http.listen;
    if TcpListener::bind(listen).is_ok() {
        return ok("address", format!("{listen} is free"));
    }
    let reached = listen
        .to_socket_addrs()
        .ok()
        .and_then(|mut a| a.next())
        .is_some_and(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok());
    if reached {
        ok("address", format!("{listen} is taken: something answers there"))
    } else {
        trouble(
            "address",
            Verdict::Fault,
            format!("cannot listen on {listen}"),
            "choose another with --listen or http.listen",
        )
    }
}

/// Whether the service may listen where it shall, and for whom.
fn of_locks(settings: &Settings) -> Finding {
    if let Some(Err(e)) = settings.http.tls.as_ref().map(crate::http::check_tls) {
        return trouble(
            "locks",
            Verdict::Fault,
            e.to_string(),
            "name PEM files: the certificate with its chain, and its key",
        );
    }
    if !open::has_store(settings) {
        return ok("locks", "no key yet: open on loopback, and only there");
    }
    let now = Utc::now();
    let looked = open::runtime().and_then(|runtime| {
        let store = open::store(settings)?;
        runtime.block_on(async {
            crate::http::check_address(&settings.http, &*store, now).await?;
            Ok(store.keys().await?)
        })
    });
    let tls = if settings.http.tls.is_some() { ", TLS" } else { "" };
    match looked {
        Ok(keys) if keys.is_empty() => ok("locks", format!("no key yet: open on loopback, and only there{tls}")),
        Ok(keys) => match keys.iter().filter(|key| key.is_valid(now)).count() {
            0 => trouble(
                "locks",
                Verdict::Warning,
                "no key is valid any more",
                "make one: `provost keys create --role admin`",
            ),
            valid => ok("locks", format!("{valid} valid keys of {}{tls}", keys.len())),
        },
        Err(e) => trouble("locks", Verdict::Fault, e.to_string(), "lock it, or listen on 127.0.0.1"),
    }
}

/// Connects as the notifier does, but sends nothing.
fn of_mail(settings: &Settings) -> Finding {
    let mail = match settings.mail.options() {
        Ok(Some(mail)) => mail,
        Ok(None) => {
            let found = "no mail server is set (mail.url)".to_owned();
            return Finding { check: "mail", verdict: Verdict::Off, found, advice: None };
        }
        Err(e) => return trouble("mail", Verdict::Fault, e.to_string(), "put the mail server's address into the file"),
    };
    let (server, began) = (format!("{} ({})", mail.url, mail.security()), Instant::now());
    let checked = match open::runtime() {
        Ok(runtime) => runtime.block_on(notifier::check(&mail)),
        Err(e) => return trouble("mail", Verdict::Fault, e.to_string(), "see to the process's limits"),
    };
    match checked {
        Ok(()) if mail.from.domain() == "localhost" && !mail.url.is_loopback() => trouble(
            "mail",
            Verdict::Warning,
            format!("{server} answers, but mail would come from {}", mail.from),
            "set mail.from to an address that the server lets you write from",
        ),
        Ok(()) => ok("mail", format!("{server} answers ({} ms)", began.elapsed().as_millis())),
        Err(e) => {
            let advice = match &e {
                ConnectError::CaFile { .. } => "mail.ca_file names certificates in PEM form",
                ConnectError::NoTls => "use smtps:// if the server has a port for it (465), or another server",
                ConnectError::Login(_) => "correct user and password in mail.url (percent-encoded)",
                ConnectError::Connect(why) if why.contains("certificate") => {
                    "name its certificate's issuer in mail.ca_file, and the host as the certificate has it"
                }
                ConnectError::Connect(why) if why.contains("InvalidContentType") => {
                    "this port does not begin with TLS: smtp:// in place of smtps:// uses STARTTLS"
                }
                ConnectError::Connect(_) | ConnectError::Silent(_) => "is it running, and is mail.url its address?",
            };
            trouble("mail", Verdict::Fault, format!("{server}: {e}"), advice)
        }
    }
}

/// A fit through the real library, small enough to be instant unless its threads get in each other's way.
fn of_xgboost(_: &Settings) -> Finding {
    let rows = 200u32;
    let column: Vec<f32> = (0..rows).map(|i| i as f32).collect();
    let labels = (0..rows).map(|i| u8::from(i >= rows / 2)).collect();
    let data = Matrix::new(vec!["x".to_owned()], vec![column]).and_then(|x| Dataset::new(x, labels));
    let all: Vec<u32> = (0..rows).collect();
    let began = Instant::now();
    let fitted = data.and_then(|data| {
        let Some(learner) = learner(Algorithm::Xgboost) else {
            return Err(provost_learn::LearnError::Xgboost("no such learner".to_owned()));
        };
        let params = learner.defaults();
        let task = FitTask {
            data: &data,
            columns: &[0],
            train: &all,
            validation: &[],
            params: &params,
            seed: 1,
            early_stopping_rounds: 0,
            scale: false,
            shared: None,
        };
        let fit = learner.fit(&task, &Control::default())?;
        Ok(fit.predictor.predict(data.x(), &[0], &[0, rows - 1]))
    });
    let ms = began.elapsed().as_millis();
    let rebuild = "run `make build` again: it puts libxgboost.so and its libgomp beside the binary";
    match fitted.as_deref() {
        Ok([low, high]) if low < &0.2 && high > &0.8 && ms < 2000 => {
            ok("xgboost", format!("a fit of {rows} rows took {ms} ms"))
        }
        Ok([low, high]) if low < &0.2 && high > &0.8 => trouble(
            "xgboost",
            Verdict::Warning,
            format!("a fit of {rows} rows took {ms} ms"),
            "is the machine overloaded?",
        ),
        Ok(p) => trouble("xgboost", Verdict::Fault, format!("it predicts {p:?} where 0 and 1 are plain"), rebuild),
        Err(e) => trouble("xgboost", Verdict::Fault, e.to_string(), rebuild),
    }
}

fn of_threads(settings: &Settings) -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let found = format!("{} for training, {cores} cores", settings.threads);
    if settings.threads > cores {
        trouble("threads", Verdict::Warning, found, "learn.threads above the cores makes training slower")
    } else {
        ok("threads", found)
    }
}

fn of_bus(settings: &Settings) -> Finding {
    let Some(bridge) = &settings.bridge.options else {
        return Finding { check: "bus", verdict: Verdict::Off, found: "no bridge.url is set".to_owned(), advice: None };
    };
    let began = Instant::now();
    let asked = open::runtime()
        .and_then(|runtime| runtime.block_on(bridge::check(bridge)).map_err(|e| Error::Failed(e.into())));
    let url = &bridge.url;
    match asked {
        Ok(Some(check)) => {
            let found = format!(
                "{url}: {} waiting, {} parked ({} ms)",
                show::thousands(check.waiting),
                show::thousands(check.parked),
                began.elapsed().as_millis()
            );
            match check.parked {
                0 => ok("bus", found),
                _ => trouble("bus", Verdict::Warning, found, "see `provost parked list`"),
            }
        }
        Ok(None) => ok("bus", format!("{url} answers; `provost serve` declares the queues")),
        Err(e) => trouble("bus", Verdict::Fault, format!("{url}: {e}"), advice_on_bus(&e.to_string())),
    }
}

fn advice_on_bus(error: &str) -> &'static str {
    let is = |part: &str| error.to_ascii_uppercase().contains(part);
    match () {
        () if is("ACCESS_REFUSED") => "correct user, password or rights in bridge.url",
        () if is("NOT_ALLOWED") || is("VHOST") => "make the virtual host, or give the user rights in it",
        () if is("CERTIFICATE") => "set bridge.ca_file to the certificate that signed the broker's",
        () => "is RabbitMQ running, and is bridge.url right? The service itself goes on without it",
    }
}

fn of_clock(settings: &Settings) -> Finding {
    let now = Utc::now();
    let found = now.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let advice = "set the clock (ids, schedules and freshness of data hang on it)";
    if now.year() < 2025 {
        return trouble("clock", Verdict::Fault, found, advice);
    }
    // Files of the store that are newer than now: the clock went back.
    let newest = settings.data_dir.join(DATABASE).metadata().and_then(|m| m.modified()).ok();
    let ahead = newest.and_then(|t| t.duration_since(now.into()).ok()).filter(|d| *d > Duration::from_secs(60));
    match ahead {
        Some(d) => trouble(
            "clock",
            Verdict::Fault,
            format!("{found}, {} behind the store", show::seconds(d.as_secs_f64())),
            advice,
        ),
        None => ok("clock", found),
    }
}
