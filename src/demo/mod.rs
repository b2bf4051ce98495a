//! `provost demo`: the whole story on one screen. Sample data, import, training of all six algorithms with tuning,
//! evaluation with plots, activation of the simplest of the models
//! that cannot be told apart from the best, and the addresses where all of it can be seen.

mod events;
mod screen;

use crate::cli::{Common, show};
use crate::client::watch::Follower;
use crate::error::{Error, Result};
use crate::import::{self, Rejects};
use crate::serve::{Folder, Service, Signals};
use crate::settings::{Flags, Settings, Source};
use crate::{local, log, open, sample, serve};
use clap::Args;
use provost_actors::Handle;
use provost_domain::evaluation::ModelComparisonResponse;
use provost_domain::verdict::Standing;
use provost_domain::{Algorithm, JobId, ModelId, ModelVersion, TargetMetric, TrainingConfig};
use provost_reader::ReadBytes;
use provost_store::Store;
use screen::Screen;
use serde_json::{Value, json};
use std::future::Future;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[derive(Args)]
pub struct DemoArgs {
    /// Synthetic applications to train on
    #[arg(long, value_name = "N", default_value_t = 6000, value_parser = clap::value_parser!(u32).range(400..=1_000_000))]
    pub rows: u32,
    /// Address of the service [default: 127.0.0.1:8000, or a free port where that is taken]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Stop when the story is told, instead of serving on
    #[arg(long)]
    pub exit: bool,
    /// Then let a thousand new points arrive over the bus (bridge.url) and watch the retraining that follows
    #[arg(long)]
    pub events: bool,
    #[command(flatten)]
    pub common: Common,
}

const SEED: u64 = 7;
/// Unless the settings or --data-dir say otherwise.
const FOLDER: &str = "./data/demo";

pub fn run(args: &DemoArgs) -> Result<()> {
    let mut flags = Flags::new();
    if let Some(listen) = &args.listen {
        flags.push(("http.listen", "--listen", listen.clone()));
    }
    let mut settings = args.common.settings_with(flags.clone())?;
    if settings.source("data.dir") == Some(&Source::Default) {
        flags.push(("data.dir", "demo", FOLDER.to_owned()));
        settings = args.common.settings_with(flags)?;
    }
    if settings.source("log.level") == Some(&Source::Default) {
        // The screen belongs to the story.
        settings.log.level = "error".to_owned();
    }
    // The story has one job at a time: the rules run when it comes to them.
    settings.schedule_enabled = args.events;
    if args.events && settings.bridge.options.is_none() {
        return Err(Error::usage_with("--events needs a broker", "set bridge.url (PROVOST_BRIDGE__URL=amqp://…)"));
    }
    log::start(&settings.log)?;
    let screen = Screen::new(args.common.output.json);
    let system = actix_rt::System::new();
    // From here on a signal is answered in order, whatever is at work.
    let signals = system.block_on(async { Signals::catch() })?;
    screen.title();
    let folder = Folder::take(&settings)?;
    let listener = listener(&settings, &folder)?;
    let told = system.block_on(tell(args, &settings, &folder, listener, signals, &screen));
    // A fault is told below the story.
    screen.rest();
    told
}

/// The story, and the service until a signal.
async fn tell(
    args: &DemoArgs,
    settings: &Settings,
    folder: &Folder,
    listener: TcpListener,
    signals: Signals,
    screen: &Screen,
) -> Result<()> {
    let mut signals = std::pin::pin!(signals.first());
    let Some(bayes) = data(settings, folder, args.rows, screen, &mut signals).await? else { return Ok(()) };
    if args.events {
        events::rest(&*folder.store).await?;
    }
    let service = Service::start(settings, folder, listener).await?;
    let address = service.url();
    let story = async {
        let job = train(&service.handle, args.rows, screen).await?;
        let models = models(&service.handle, &job).await?;
        screen.progress("comparing the models", 1.0);
        let compared = compare(&service.handle, &models).await;
        let best = activate(&service.handle, &models, compared.as_ref(), screen).await?;
        screen.rest();
        screen.leaderboard(&models, &best, bayes);
        if let Some(compared) = &compared {
            screen.verdict(compared, &best);
        }
        if let (true, Some(bus)) = (args.events, &settings.bridge.options) {
            events::story(&service.handle, bus, config(args.rows), screen).await?;
        }
        screen.addresses(&address, &job, &best);
        Ok::<(), Error>(())
    };
    let told = tokio::select! {
        told = story => Some(told),
        () = &mut signals => None,
    };
    match &told {
        Some(Ok(())) if args.exit => {
            screen.over(&program(), &settings.data_dir, &service.address().to_string());
        }
        Some(Ok(())) => {
            screen.serving(&address, &program(), &found_by(settings, &address));
            signals.await;
            screen.stopping(false);
        }
        Some(Err(_)) => screen.rest(),
        None => screen.stopping(true),
    }
    let faults = service.faults();
    service.stop().await;
    told.unwrap_or(Ok(()))?;
    match faults {
        None => Ok(()),
        Some(faults) => Err(Error::failed(format!("the demo's own service had faults: {faults} (see the log)"))),
    }
}

/// How this program was called, for commands to copy: `provost` where the path finds it.
fn program() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "provost".to_owned())
}

/// The arguments by which a command finds the service: none where it looks there by itself.
fn found_by(settings: &Settings, address: &str) -> String {
    let usual = settings.source("http.listen") == Some(&Source::Default)
        && address == format!("http://{}", settings.http.listen);
    if usual { String::new() } else { format!(" --url {address}") }
}

/// The configured port; where that is the default and taken, a free one.
fn listener(settings: &Settings, folder: &Folder) -> Result<TcpListener> {
    match serve::listen(&settings.http, &*folder.store) {
        Err(Error::Failed(_)) if settings.source("http.listen") == Some(&Source::Default) => serve::bind("127.0.0.1:0"),
        other => other,
    }
}

/// Draws the sample and imports it, on a thread of its own. Answers the Bayes-optimal AUC, where there is one; None if a
/// signal came first.
async fn data(
    settings: &Settings,
    folder: &Folder,
    rows: u32,
    screen: &Screen,
    signals: &mut (impl Future<Output = ()> + Unpin),
) -> Result<Option<Option<f64>>> {
    let stop = Arc::new(AtomicBool::new(false));
    let (settings, store) = (settings.clone(), folder.store.clone());
    let source = Sample { settings, store, rows, screen: screen.clone(), stop: stop.clone() };
    let mut made = tokio::task::spawn_blocking(move || source.make());
    tokio::select! {
        made = &mut made => Ok(Some(made.map_err(anyhow::Error::from)??)),
        () = signals => {
            screen.stopping(false);
            stop.store(true, Ordering::Relaxed);
            // What it has stored is whole; that it was ended is no fault.
            let _ = made.await;
            Ok(None)
        }
    }
}

/// The sample on its way into the store.
struct Sample {
    settings: Settings,
    store: Arc<dyn Store>,
    rows: u32,
    screen: Screen,
    stop: Arc<AtomicBool>,
}

impl Sample {
    /// Draws it and imports it through the same door as any file.
    fn make(&self) -> Result<Option<f64>> {
        let began = Instant::now();
        let screen = &self.screen;
        let path = self.settings.data_dir.join(format!("sample-{}.jsonl", self.rows));
        let drawn = sample::write(self.rows as usize, SEED, &path, |n| self.told("drawing applications", n))?;
        screen.step(
            "data",
            &format!(
                "{} synthetic applications, {} accepted",
                show::thousands(drawn.rows),
                show::thousands(drawn.accepted)
            ),
            began.elapsed().as_secs_f64(),
            json!({ "rows": drawn.rows, "accepted": drawn.accepted, "bayes_auc": drawn.bayes_auc, "file": path }),
        );
        let report = self.import(&path)?;
        let counts = &report.counts;
        let known = match counts.unchanged {
            0 => String::new(),
            n => format!(", {} were there already", show::thousands(n)),
        };
        screen.step(
            "import",
            &format!(
                "{} into SQLite{known}, {} rows/s",
                show::thousands(counts.inserted),
                show::thousands(report.rows_per_second as u64)
            ),
            report.seconds,
            json!(report),
        );
        Ok(drawn.bayes_auc)
    }

    fn import(&self, path: &Path) -> Result<import::Report> {
        let options = import::Options::new(&self.settings, vec![path.to_owned()]);
        let rejects = Rejects::lazily(self.settings.data_dir.join("rejects-demo.jsonl"));
        let (runtime, read) = (open::runtime()?, ReadBytes::default());
        import::run(&options, &self.settings.features, &self.store, &runtime, rejects, &read, |counts| {
            self.told("importing applications", counts.rows)
        })
    }

    fn told(&self, what: &str, rows: u64) -> Result<()> {
        self.screen.progress(what, rows as f64 / f64::from(self.rows));
        if self.stop.load(Ordering::Relaxed) { Err(Error::failed("interrupted")) } else { Ok(()) }
    }
}

fn config(rows: u32) -> TrainingConfig {
    TrainingConfig {
        algorithms: Algorithm::ALL.to_vec(),
        use_verified_only: false,
        min_samples: u64::from(rows / 4).clamp(100, 1000),
        tuning_iterations: 10,
        cross_validation_folds: 3,
        notes: Some("provost demo".to_owned()),
        ..TrainingConfig::default()
    }
}

/// All six algorithms with tuning. A job that an earlier run left unfinished goes on instead.
async fn train(handle: &Handle, rows: u32, screen: &Screen) -> Result<JobId> {
    let began = Instant::now();
    screen.progress("checking the data", 0.0);
    let config = config(rows);
    let quality = handle.quality(config.clone()).await.map_err(anyhow::Error::from)?;
    screen.step(
        "quality",
        &format!(
            "{}; {} usable rows, {} outliers, {} universities",
            if quality.passes_quality_check { "passes" } else { "fails" },
            show::thousands(quality.usable_samples),
            show::thousands(quality.outlier_count),
            quality.samples_by_university.len()
        ),
        began.elapsed().as_secs_f64(),
        json!(*quality),
    );
    let left = handle.store().unfinished_jobs().await?;
    let job = match left.into_iter().next() {
        Some(left) => {
            screen.note("an earlier run left a job unfinished: it goes on from its last finished trial");
            left.job_id
        }
        None => local::submit(handle, config, "demo").await?,
    };
    let mut follower = Follower::on(screen.bar(), screen.json);
    let mut shown = 0;
    let trained = local::follow(handle, &job, &mut follower, |state| {
        let done = state["algorithms_completed"].as_array().map_or(&[][..], Vec::as_slice);
        for algorithm in done.iter().skip(shown).filter_map(Value::as_str) {
            screen.trained(algorithm);
        }
        shown = shown.max(done.len());
    })
    .await;
    trained.map(|()| job)
}

/// The job's models, best first by cross-validation.
async fn models(handle: &Handle, job: &JobId) -> Result<Vec<ModelVersion>> {
    let record = handle.store().job(job).await?.ok_or_else(|| Error::failed(format!("no job {job}")))?;
    let mut models = Vec::new();
    for id in &record.job.trained_models {
        models.extend(handle.store().model(id).await?.map(|m| m.version));
    }
    models.sort_by(|a, b| b.metrics.cv_mean.total_cmp(&a.metrics.cv_mean));
    Ok(models)
}

/// The models side by side, on the rows that all of them hold out. A test that cannot be made is no fault of the demo.
async fn compare(handle: &Handle, models: &[ModelVersion]) -> Option<ModelComparisonResponse> {
    let ids: Vec<ModelId> = models.iter().map(|m| m.model_id.clone()).collect();
    if ids.len() < 2 {
        return None;
    }
    handle.compare(ids, TargetMetric::ALL.to_vec(), true).await.ok()
}

/// The simplest of the models that cannot be told apart from the one with the highest AUC; without a comparison the best by
/// cross-validation.
fn choice<'a>(models: &'a [ModelVersion], compared: Option<&ModelComparisonResponse>) -> Option<(&'a ModelId, String)> {
    let Some(standing) = compared.and_then(Standing::of) else {
        return models.first().map(|m| (&m.model_id, "best by cross-validation".to_owned()));
    };
    let alike = standing.alike();
    let simplest = models.iter().filter(|m| alike.contains(&&m.model_id)).min_by_key(|m| m.algorithm.complexity())?;
    let reason = match alike.len() {
        1 => "ranks better than every other model of the job".to_owned(),
        n => format!("the simplest of {n} models that cannot be told apart by AUC"),
    };
    Some((&simplest.model_id, reason))
}

async fn activate(
    handle: &Handle,
    models: &[ModelVersion],
    compared: Option<&ModelComparisonResponse>,
    screen: &Screen,
) -> Result<ModelId> {
    let (best, reason) = choice(models, compared).ok_or_else(|| Error::failed("the job trained no model"))?;
    handle.activate(best, Some(local::person("demo")), Some(reason.clone())).await.map_err(anyhow::Error::from)?;
    let plots = handle
        .store()
        .evaluation(best)
        .await?
        .map_or(0, |e| e.plots.keys().filter(|name| name.ends_with(".png")).count());
    screen.activated(best, &reason, plots);
    Ok(best.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use provost_domain::evaluation::{Difference, PairSignificance};

    fn model(algorithm: Algorithm) -> ModelVersion {
        let id = ModelId::new(algorithm, chrono::DateTime::UNIX_EPOCH, 1);
        serde_json::from_value(json!({
            "model_id": id, "version": "", "algorithm": algorithm, "training_date": "2026-01-01T00:00:00Z",
            "training_samples": 0, "training_config": TrainingConfig::default(), "model_sha256": "",
            "metrics": {"accuracy": 0, "precision": 0, "recall": 0, "f1_score": 0, "auc_roc": 0,
                "confusion_matrix": [[0, 0], [0, 0]], "classification_report": {}, "cv_scores": [], "cv_mean": 0,
                "cv_std": 0, "training_time_seconds": 0, "iterations_completed": 0},
            "feature_importance": [], "hyperparameters": {}, "model_path": "", "is_active": false, "is_deprecated": false,
        }))
        .unwrap()
    }

    fn compared(models: &[ModelVersion], aucs: &[f64], reach: f64) -> ModelComparisonResponse {
        let mut pairs = std::collections::BTreeMap::new();
        for a in 0..models.len() {
            for b in a + 1..models.len() {
                let difference = aucs[a] - aucs[b];
                let auc =
                    Difference { difference, interval_95: [difference - reach, difference + reach], p_value: 0.5 };
                let pair = PairSignificance {
                    model_a: models[a].model_id.clone(),
                    model_b: models[b].model_id.clone(),
                    rows: 900,
                    verdict: String::new(),
                    not_comparable: None,
                    mcnemar: None,
                    delong: Some(auc),
                    bootstrap: None,
                };
                pairs.insert(format!("{a}{b}"), pair);
            }
        }
        ModelComparisonResponse {
            models: models.to_vec(),
            metric_comparison: Default::default(),
            statistical_significance: pairs,
            best_model_id: None,
            best_metric: String::new(),
            comparison_plots: Default::default(),
            verdict: String::new(),
            rows: 900,
            metric_intervals_95: Default::default(),
            highest_beyond_chance: Default::default(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn the_simplest_of_those_that_cannot_be_told_apart_is_chosen() {
        use Algorithm::*;
        let models = [Ensemble, NeuralNetwork, Xgboost, LogisticRegression, RandomForest].map(model);
        let aucs = [0.791, 0.789, 0.790, 0.788, 0.74];
        let chosen = |reach: f64| {
            let (id, why) = choice(&models, Some(&compared(&models, &aucs, reach))).unwrap();
            (models.iter().find(|m| m.model_id == *id).unwrap().algorithm, why)
        };
        assert_eq!(
            chosen(0.02),
            (LogisticRegression, "the simplest of 4 models that cannot be told apart by AUC".to_owned())
        );
        assert_eq!(chosen(0.0015).0, Xgboost, "the logistic regression is worse beyond chance");
        assert_eq!(chosen(0.0001), (Ensemble, "ranks better than every other model of the job".to_owned()));
        assert_eq!(choice(&models, None).unwrap().0, &models[0].model_id);
        assert_eq!(choice(&[], None), None);
    }
}
