//! Whether the facade stays quick while it trains: `make latency`, on a machine that does nothing else. Writes the table of
//! docs/LATENCY.md, and exits 1 if a bar is missed.

mod load;
mod mlflow;
mod pages;
mod paint;
mod service;

use anyhow::{Context, Result};
use load::{Latencies, Load, streamed};
use mlflow::Mlflow;
use pages::Page;
use serde_json::{Value, json};
use service::Service;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Requests per second.
const RATE: u64 = 1000;
/// Searches that wait while the pages are measured, so that one is always at work.
const SEARCHES: u64 = 40;
/// A rate at which MLflow's server answers, too.
const LOW_RATE: u64 = 100;
const CONNECTIONS: usize = 32;
const ROWS: u32 = 20_000;
/// Milliseconds while both cores train.
const P99: f64 = 10.0;
const P999: f64 = 25.0;
/// Milliseconds of a prediction while nothing trains.
const IDLE_PREDICTION_P99: f64 = 2.0;
/// Rows of the stream, and rows a second that it is to reach.
const STREAMED: usize = 400_000;
const STREAM_RATE: f64 = 100_000.0;
const PREDICT: &str = "/api/v1/model-training/predict";
const APPLICATION: &str = r#"{"profile":{"gpa":3.7,"undergraduate_university_ranking":40,"research_publications":2,"test_scores":[{"test_type":"gre","verbal_score":160,"quantitative_score":165}]},"program":{"university_name":"U","acceptance_rate":0.25,"average_gpa":3.6}}"#;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/LATENCY.md");
const BEGIN: &str = "<!-- table: written by make latency -->";
const END: &str = "<!-- end of table -->";

struct Phase {
    name: String,
    latencies: Latencies,
    /// Processors that the service kept busy; None of MLflow's server.
    cores: Option<f64>,
}

fn seconds() -> u64 {
    std::env::var("LATENCY_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(30)
}

/// Submits searches, which are at work one after the other; answers when the first one's fits are at work.
fn search(service: &Service, algorithm: &str, searches: u64) -> Result<Vec<String>> {
    let submit = |seed: u64| {
        service.train(&json!({
            "algorithms": [algorithm], "use_verified_only": false, "hyperparameter_tuning": "random_search",
            "tuning_iterations": 200, "cross_validation_folds": 10, "pruning": "none", "random_state": seed,
        }))
    };
    let jobs = (0..searches).map(submit).collect::<Result<Vec<_>>>()?;
    if let Some(first) = jobs.first() {
        service.wait(first, |j| j["progress_percentage"].as_f64().is_some_and(|p| p > 1.0))?;
    }
    Ok(jobs)
}

/// Cancels what is left of these jobs, the last first; false if all of them had completed before.
fn stop(service: &Service, jobs: &[String]) -> Result<bool> {
    let is_over = |job: &str| Ok::<_, anyhow::Error>(service.get(&format!("/jobs/{job}"))?["status"] == "completed");
    let was_at_work = jobs.last().map_or(Ok(false), |last| is_over(last).map(|over| !over))?;
    for job in jobs.iter().rev() {
        // A job that completes meanwhile cannot be cancelled.
        if let Err(error) = service.cancel(job)
            && !is_over(job)?
        {
            return Err(error);
        }
    }
    Ok(was_at_work)
}

/// Two small models, so that there is something to ask for, and one of 300 trees that predicts; answers the requests to send, and
/// the id of the last model.
fn furnish(service: &Service) -> Result<(Vec<Vec<u8>>, String)> {
    let job = service.train(&json!({
        "algorithms": ["logistic_regression", "random_forest"], "use_verified_only": false,
        "hyperparameter_tuning": "none", "cross_validation_folds": 3,
    }))?;
    let done = service.wait(&job, |j| j["status"] == "completed")?;
    let model = done["best_model_id"].as_str().context("no best model")?;
    let boosted = service.train(&json!({
        "algorithms": ["xgboost"], "use_verified_only": false, "hyperparameter_tuning": "grid_search", "cross_validation_folds": 3,
        "grids": {"xgboost": {"n_estimators": [300], "max_depth": [5], "learning_rate": [0.1]}},
    }))?;
    let boosted = service.wait(&boosted, |j| j["status"] == "completed")?;
    let boosted = boosted["best_model_id"].as_str().context("no boosted model")?;
    service.activate(boosted)?;
    let paths = [
        "/status".to_owned(),
        "/jobs?limit=20".to_owned(),
        format!("/jobs/{job}"),
        "/models".to_owned(),
        format!("/models/{model}"),
        format!("/metrics/{model}"),
        format!("/feature-importance/{model}"),
        "/schedule".to_owned(),
    ];
    let mut all: Vec<String> = paths.iter().map(|p| format!("/api/v1/model-training{p}")).collect();
    all.extend(["/livez".to_owned(), "/readyz".to_owned()]);
    let get = |path: &String| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", service.address).into_bytes();
    Ok((all.iter().map(get).collect(), boosted.to_owned()))
}

/// A request for one prediction.
fn prediction(address: SocketAddr, path: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    format!("{head}{body}").into_bytes()
}

fn measure(name: &str, service: &Service, rate: u64, requests: &[Vec<u8>], during: u64) -> Result<Phase> {
    let load = Load { address: service.address, requests, rate, connections: CONNECTIONS };
    load.run(Duration::from_secs(2))?;
    let (began, before) = (Instant::now(), service.cpu_seconds()?);
    let latencies = load.run(Duration::from_secs(during))?;
    let cores = (service.cpu_seconds()? - before) / began.elapsed().as_secs_f64();
    told(name, &latencies);
    Ok(Phase { name: name.to_owned(), latencies, cores: Some(cores) })
}

fn told(name: &str, latencies: &Latencies) {
    eprintln!(
        "{name}: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, highest {:.2} ms",
        latencies.quantile(0.5),
        latencies.quantile(0.99),
        latencies.quantile(0.999),
        latencies.quantile(1.0),
    );
}

/// One row of features by MLflow's protocol, from us and from MLflow's own server with the same booster, in turn at each rate; why
/// the latter was left out, where it was.
fn beside_mlflow(service: &Service, model: &str, folder: &Path) -> Result<(Vec<Phase>, Option<String>)> {
    let described = service.at_root("/v2/models/admission")?;
    let names: Vec<&Value> = described["inputs"].as_array().context("inputs")?.iter().map(|i| &i["name"]).collect();
    let row = vec![0.5; names.len()];
    let body = json!({ "dataframe_split": { "columns": names, "data": [row] } }).to_string();
    let booster = service.bytes(&format!("/models/{model}/export?format=xgboost-json"))?;
    let (mut phases, mut left_out) = (Vec::new(), None);
    let started = Mlflow::start(folder, &booster);
    if let Err(error) = &started {
        eprintln!("MLflow's scoring server is left out: {error}");
        left_out = Some(error.to_string());
    }
    for rate in [LOW_RATE, RATE] {
        let own = [prediction(service.address, "/invocations", &body)];
        let name = format!("/invocations at {rate}/s, ours, idle");
        phases.push(measure(&name, service, rate, &own, seconds())?);
        let Ok(mlflow) = &started else { continue };
        let name = format!("/invocations at {rate}/s, the server of MLflow {}, idle", mlflow.version);
        let theirs = [prediction(mlflow.address, "/invocations", &body)];
        let load = Load { address: mlflow.address, requests: &theirs, rate, connections: CONNECTIONS };
        // Shorter, since what it cannot keep up with takes many times as long to come to its end.
        let latencies = load.run(Duration::from_secs(seconds().div_ceil(3)))?;
        told(&name, &latencies);
        phases.push(Phase { name, latencies, cores: None });
    }
    Ok((phases, left_out))
}

fn run() -> Result<bool> {
    let quiet = std::fs::read_to_string("/proc/loadavg")?;
    let cpus = std::thread::available_parallelism()?;
    let folder = tempfile::tempdir()?;
    let service = Service::start(folder.path(), ROWS)?;
    let (requests, boosted) = furnish(&service)?;
    let predictions = [prediction(service.address, PREDICT, APPLICATION)];
    let stream_rate = streamed(service.address, PREDICT, APPLICATION, STREAMED)?;
    eprintln!("stream: {stream_rate:.0} rows a second");
    let mut phases = vec![measure("idle", &service, RATE, &requests, seconds())?];
    let mut predicting = vec![measure("predictions, idle", &service, RATE, &predictions, seconds())?];
    let (beside, left_out) = beside_mlflow(&service, &boosted, folder.path())?;
    // A logistic search ends before it could be watched.
    for algorithm in ["gradient_boosting", "random_forest", "xgboost", "neural_network"] {
        let jobs = search(&service, algorithm, 4)?;
        let phase = measure(algorithm, &service, RATE, &requests, seconds())?;
        if predicting.len() == 1 {
            predicting.push(measure(&format!("predictions, {algorithm}"), &service, RATE, &predictions, seconds())?);
        }
        let name = if stop(&service, &jobs)? {
            algorithm.to_owned()
        } else {
            format!("{algorithm} (ended before the measurement did)")
        };
        phases.push(Phase { name, ..phase });
    }
    let pages = pages_while_training(&service, &folder.path().join("data"), &boosted)?;
    service.silent()?;
    // Where less than a core was busy there was no training to be quick beside.
    let met = phases[1..].iter().all(|p| {
        p.cores.is_some_and(|cores| cores >= 1.0)
            && p.latencies.failures == 0
            && p.latencies.quantile(0.99) <= P99
            && p.latencies.quantile(0.999) <= P999
    });
    let bars = [IDLE_PREDICTION_P99, P99];
    let predicted =
        predicting.iter().zip(bars).all(|(p, bar)| p.latencies.failures == 0 && p.latencies.quantile(0.99) <= bar);
    let met = met && predicted && stream_rate >= STREAM_RATE;
    let all_met = met && pages::are_met(&pages);
    phases.extend(predicting);
    phases.extend(beside);
    write(&phases, stream_rate, met, left_out.as_deref(), &pages, &quiet, cpus.get())?;
    Ok(all_met)
}

/// The pages over many records, while searches are at work, one after the other.
fn pages_while_training(service: &Service, data: &Path, model: &str) -> Result<Vec<Page>> {
    pages::fill(data)?;
    let jobs = search(service, "random_forest", SEARCHES)?;
    let (began, before) = (Instant::now(), service.cpu_seconds()?);
    let pages = pages::measure(service, &jobs[0], model)?;
    let cores = (service.cpu_seconds()? - before) / began.elapsed().as_secs_f64();
    anyhow::ensure!(cores >= 1.0, "{cores:.2} cores were busy while the pages were measured, which is no training");
    anyhow::ensure!(stop(service, &jobs)?, "the searches ended before all pages were measured");
    Ok(pages)
}

fn write(
    phases: &[Phase],
    stream_rate: f64,
    met: bool,
    left_out: Option<&str>,
    pages: &[Page],
    quiet: &str,
    cpus: usize,
) -> Result<()> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = quiet.split(' ').next().unwrap_or("?");
    let mut table = format!(
        "{BEGIN}\n\n{} UTC, Linux {}, {cpus} cores, load average before the run {load}. {RATE} requests/s over \
         {CONNECTIONS} connections, {} s per line, {ROWS} points in the store. Bars while training: p99 {P99} ms, p99.9 \
         {P999} ms; p99 of a prediction {IDLE_PREDICTION_P99} ms idle, {P99} ms while training; {STREAM_RATE} rows/s of a stream: {}.\n\n",
        chrono::Utc::now().format("%Y-%m-%d %H:%M"),
        kernel.trim(),
        seconds(),
        if met { "met" } else { "MISSED" }
    );
    table += "| meanwhile | requests | failed | p50 ms | p99 ms | p99.9 ms | highest ms | p99 to idle | cores busy |\n";
    table += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    let idle = phases[0].latencies.quantile(0.99);
    for Phase { name, latencies: l, cores } in phases {
        let p99 = l.quantile(0.99);
        let cores = cores.map_or_else(String::new, |cores| format!("{cores:.2}"));
        writeln!(
            table,
            "| {name} | {} | {} | {:.2} | {p99:.2} | {:.2} | {:.2} | {:.1} | {cores} |",
            l.count(),
            l.failures,
            l.quantile(0.5),
            l.quantile(0.999),
            l.quantile(1.0),
            p99 / idle,
        )?;
    }
    writeln!(
        table,
        "\nPredictions are `POST /predict` with one application, by an XGBoost model of 300 trees of depth 5. A stream of {STREAMED} rows of \
         NDJSON over one connection: {stream_rate:.0} rows a second. `/invocations` is one row of features by MLflow's protocol, answered by us and by \
         MLflow's own scoring server with the same booster; what is not answered at the rate at which it is asked waits, and its wait counts."
    )?;
    if let Some(why) = left_out {
        writeln!(table, "\nMLflow's scoring server was left out: {why}.")?;
    }
    table += &pages::table(pages)?;
    table += "\n";
    let path = Path::new(DOCUMENT);
    let text = std::fs::read_to_string(path)?;
    let before = text.split(BEGIN).next().unwrap_or_default();
    let after = text.split_once(END).context("docs/LATENCY.md has lost the marks of its table")?.1;
    std::fs::write(path, format!("{before}{table}{END}{after}"))?;
    Ok(())
}

fn main() -> Result<ExitCode> {
    Ok(if run()? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
