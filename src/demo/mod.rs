//! `provost demo`: the whole story on one screen. Sample data, import, training of all six algorithms with tuning,
//! evaluation with plots, activation of the best, and the addresses where all of it can be seen.

mod events;
mod screen;

use crate::cli::{Common, show};
use crate::client::BASE;
use crate::client::watch::Follower;
use crate::error::{Error, Result};
use crate::import::{self, Rejects};
use crate::serve::{Folder, Service, Signals};
use crate::settings::{Flags, Settings, Source};
use crate::{local, log, open, sample, serve};
use clap::Args;
use provost_actors::Handle;
use provost_domain::{Algorithm, JobId, ModelId, ModelVersion, TargetMetric, TrainingConfig};
use provost_reader::ReadBytes;
use screen::Screen;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
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
        return Err(Error::Usage("--events needs a broker: set bridge.url (PROVOST_BRIDGE__URL=amqp://…)".to_owned()));
    }
    log::start(&settings.log)?;
    let began = Instant::now();
    let screen = Screen::new(args.common.output.json);
    screen.title();
    let folder = Folder::take(&settings)?;
    let listener = listener(&settings, &folder)?;
    let bayes = data(&settings, &folder, args.rows, &screen)?;

    actix_rt::System::new().block_on(async {
        if args.events {
            events::rest(&*folder.store).await?;
        }
        let signals = Signals::catch()?;
        let service = Service::start(&settings, &folder, listener).await?;
        let address = service.url();
        let mut signals = std::pin::pin!(signals.first());
        let story = async {
            let job = train(&service.handle, args.rows, &screen).await?;
            let models = models(&service.handle, &job).await?;
            let best = activate(&service.handle, &job, &models, &screen).await?;
            screen.leaderboard(&models, &best, bayes);
            verdict(&service.handle, &models, &screen).await;
            if let (true, Some(bus)) = (args.events, &settings.bridge.options) {
                events::story(&service.handle, bus, config(args.rows), &screen).await?;
            }
            screen.addresses(&address, BASE, &job, &best, began.elapsed().as_secs_f64());
            Ok::<(), Error>(())
        };
        let told = tokio::select! {
            told = story => Some(told),
            () = &mut signals => None,
        };
        match told {
            Some(Ok(())) if args.exit => screen.over(&settings.data_dir, &service.address().to_string()),
            Some(Ok(())) => {
                screen.serving(&address);
                signals.await;
            }
            _ => {}
        }
        let faults = service.faults();
        service.stop().await;
        told.unwrap_or(Ok(()))?;
        match faults {
            None => Ok(()),
            Some(faults) => Err(Error::failed(format!("the demo's own service had faults: {faults} (see the log)"))),
        }
    })
}

/// The configured port; where that is the default and taken, a free one.
fn listener(settings: &Settings, folder: &Folder) -> Result<TcpListener> {
    match serve::listen(&settings.http, &*folder.store) {
        Err(Error::Failed(_)) if settings.source("http.listen") == Some(&Source::Default) => serve::bind("127.0.0.1:0"),
        other => other,
    }
}

/// Draws the sample and imports it through the same door as any file. Answers the Bayes-optimal AUC.
fn data(settings: &Settings, folder: &Folder, rows: u32, screen: &Screen) -> Result<Option<f64>> {
    let began = Instant::now();
    let path = settings.data_dir.join(format!("sample-{rows}.jsonl"));
    let drawn = sample::write(rows as usize, SEED, &path, |_| {})?;
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
    let report = import_file(settings, folder, &path)?;
    let counts = &report.counts;
    let known = if counts.unchanged > 0 {
        format!(", {} were there already", show::thousands(counts.unchanged))
    } else {
        String::new()
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

fn import_file(settings: &Settings, folder: &Folder, path: &Path) -> Result<import::Report> {
    let options = import::Options::new(settings, vec![path.to_owned()]);
    let rejects = Rejects::lazily(settings.data_dir.join("rejects-demo.jsonl"));
    let runtime = open::runtime()?;
    import::run(&options, &settings.features, &folder.store, &runtime, rejects, &ReadBytes::default(), |_| {})
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
        Some(record) => {
            screen.note("an earlier run left a job unfinished: it goes on from its last finished trial");
            record.job.job_id
        }
        None => local::submit(handle, config, "demo").await?,
    };
    screen.training(&job);
    let mut follower = Follower::new(screen.json);
    let mut shown = 0;
    let trained = local::follow(handle, &job, &mut follower, |state, follower| {
        let done = state["algorithms_completed"].as_array().map_or(&[][..], Vec::as_slice);
        for algorithm in done.iter().skip(shown).filter_map(Value::as_str) {
            screen.trained(algorithm, began.elapsed().as_secs_f64(), follower.bar());
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

async fn activate(handle: &Handle, job: &JobId, models: &[ModelVersion], screen: &Screen) -> Result<ModelId> {
    let record = handle.store().job(job).await?.ok_or_else(|| Error::failed(format!("no job {job}")))?;
    let best = record
        .job
        .best_model_id
        .or_else(|| models.first().map(|m| m.model_id.clone()))
        .ok_or_else(|| Error::failed("the job trained no model"))?;
    let reason = Some("best of the demo's job by cross-validation".to_owned());
    handle.activate(&best, Some("demo".to_owned()), reason).await.map_err(anyhow::Error::from)?;
    let plots = handle
        .store()
        .evaluation(&best)
        .await?
        .map_or(0, |e| e.plots.keys().filter(|name| name.ends_with(".png")).count());
    screen.activated(&best, plots);
    Ok(best)
}

/// Are the first two really apart? Said, not decided: a test that cannot be made is no fault of the demo.
async fn verdict(handle: &Handle, models: &[ModelVersion], screen: &Screen) {
    let [first, second, ..] = models else { return };
    let ids = vec![first.model_id.clone(), second.model_id.clone()];
    if let Ok(answer) = handle.compare(ids, TargetMetric::ALL.to_vec(), false).await
        && let Some(pair) = answer.statistical_significance.values().next()
        && let Some(delong) = &pair.delong
    {
        screen.verdict(first, second, delong);
    }
}
