//! `provost demo` runs every step on sample data and shows each on the screen: sample data, import, training of all six
//! algorithms with tuning, evaluation with plots, activation of the simplest model that cannot be told apart from the best,
//! and the addresses of pages with the results.

mod choice;
mod events;
mod prediction;
mod sample;
mod screen;

use crate::cli::common::Common;
use crate::cli::show;
use crate::client::follow_job::Follower;
use crate::error::{Error, Result};
use crate::serve::{Folder, Service, Signals};
use crate::settings::{Flags, Settings, Source};
use crate::{local, log, serve};
use choice::choice;
use clap::Args;
use provost_actors::Handle;
use provost_domain::evaluation::ModelComparisonResponse;
use provost_domain::{Algorithm, JobId, ModelId, ModelVersion, TargetMetric, TrainingConfig};
use sample::data;
use screen::Screen;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Instant;

#[derive(Args)]
pub struct DemoArgs {
    /// Synthetic applications to train on
    #[arg(long, value_name = "N", default_value_t = 6000, value_parser = clap::value_parser!(u32).range(400..=1_000_000))]
    pub rows: u32,
    /// Address of the service [default: 127.0.0.1:8000, or a free port if 8000 is taken]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Stop after the last step instead of continuing to serve
    #[arg(long)]
    pub exit: bool,
    /// Afterwards publish a thousand new points over the bus (bridge.url) and show the retraining
    #[arg(long)]
    pub events: bool,
    #[command(flatten)]
    pub common: Common,
}

/// The data folder, unless the settings or --data-dir name one.
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
        // Log lines would interleave with the steps on the screen.
        settings.log.level = "error".to_owned();
    }
    // The demo runs one job at a time; the scheduler is needed only with --events.
    settings.schedule_enabled = args.events;
    if args.events && settings.bridge.options.is_none() {
        return Err(Error::usage_with("--events needs a broker", "set bridge.url (PROVOST_BRIDGE__URL=amqp://…)"));
    }
    log::start(&settings.log)?;
    let screen = Screen::new(args.common.output.json);
    let system = actix_rt::System::new();
    // From here on a signal stops the demo in order, during any step.
    let signals = system.block_on(async { Signals::catch() })?;
    screen.title();
    let folder = Folder::take(&settings)?;
    let listener = listener(&settings, &folder)?;
    let outcome = system.block_on(run_steps(args, &settings, &folder, listener, signals, &screen));
    // An error is printed below the steps.
    screen.rest();
    outcome
}

/// Runs the steps, then serves until a signal.
async fn run_steps(
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
        events::disable_schedule(&*folder.store).await?;
    }
    let service = Service::start(settings, folder, listener).await?;
    let address = service.url();
    let steps = async {
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
        prediction::predict(&service.handle, &best, screen).await?;
        if let (true, Some(bus)) = (args.events, &settings.bridge.options) {
            events::run(&service.handle, bus, config(args.rows), screen).await?;
        }
        screen.addresses(&address, &job, &best);
        Ok::<(), Error>(())
    };
    let outcome = tokio::select! {
        ended = steps => Some(ended),
        () = &mut signals => None,
    };
    match &outcome {
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
    outcome.unwrap_or(Ok(()))?;
    match faults {
        None => Ok(()),
        Some(faults) => Err(Error::failed(format!("the demo's own service had faults: {faults} (see the log)"))),
    }
}

/// The command that started this program, for commands to copy: `provost` if the PATH finds this program.
fn program() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "provost".to_owned())
}

/// The arguments that a command needs to find the service; empty if the defaults find it.
fn found_by(settings: &Settings, address: &str) -> String {
    let usual = settings.source("http.listen") == Some(&Source::Default)
        && address == format!("http://{}", settings.http.listen);
    if usual { String::new() } else { format!(" --url {address}") }
}

/// Binds the configured port; if it is the default port and taken, a free one.
fn listener(settings: &Settings, folder: &Folder) -> Result<TcpListener> {
    match serve::listen(&settings.http, &*folder.store) {
        Err(Error::Failed(_)) if settings.source("http.listen") == Some(&Source::Default) => serve::bind("127.0.0.1:0"),
        other => other,
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

/// Trains all six algorithms with tuning, or resumes the job that an earlier run left unfinished.
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

/// Compares the models on the rows that all of them hold out. If the tests are not possible, the demo continues without.
async fn compare(handle: &Handle, models: &[ModelVersion]) -> Option<ModelComparisonResponse> {
    let ids: Vec<ModelId> = models.iter().map(|m| m.model_id.clone()).collect();
    if ids.len() < 2 {
        return None;
    }
    handle.compare(ids, TargetMetric::ALL.to_vec(), true).await.ok()
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
