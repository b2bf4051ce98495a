//! The command line: one binary, one subcommand per task.

pub mod audit;
mod backup;
mod data;
mod fit;
mod keys;
mod parked;
pub mod show;

use crate::error::Result;
use crate::import::FormatName;
use crate::settings::{Flags, Settings};
use crate::{client, demo, doctor, serve, worker};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
#[command(name = "provost", version, about, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 bad usage or bad settings.\n\
    Every setting has a default (config/default.toml), an environment variable (PROVOST_SECTION__KEY) and, where common,\n\
    a flag; the flag wins over the environment, that over the file, that over the default.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Args, Debug, Clone)]
pub struct Common {
    /// Settings file (TOML); see config/default.toml for every key
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug, Clone)]
pub struct Output {
    /// Folder of the store and the artifacts [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// One JSON object per line on standard output, and nothing else there
    #[arg(long)]
    pub json: bool,
}

impl Common {
    pub fn settings(&self) -> Result<Settings> {
        self.settings_with(Vec::new())
    }
    pub fn settings_with(&self, flags: Flags) -> Result<Settings> {
        self.output.settings(self.config.as_deref(), flags)
    }
}

impl Output {
    pub fn settings(&self, config: Option<&std::path::Path>, mut flags: Flags) -> Result<Settings> {
        if let Some(dir) = &self.data_dir {
            flags.push(("data.dir", "--data-dir", dir.to_string_lossy().into_owned()));
        }
        Ok(Settings::load(config, &flags)?)
    }
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the service: HTTP facade, actors, scheduler
    Serve(ServeArgs),
    /// Show the whole story: sample data, training, evaluation, activation
    Demo(demo::DemoArgs),
    /// Put data points from files into the store
    Import(ImportArgs),
    /// Draw synthetic data points from a documented model with known truth
    Sample(SampleArgs),
    /// Write the feature matrix of a file or of the store as CSV
    Features(FeaturesArgs),
    /// Run the learners alone, on a feature CSV
    Fit(fit::FitArgs),
    /// Submit a training job to a running service
    Train(client::train::TrainArgs),
    /// List training jobs, or show or cancel one
    Jobs(client::commands::JobsArgs),
    /// List model versions, or show one
    Models(client::commands::ModelsArgs),
    /// Show the state of a running service
    Status(client::commands::StatusArgs),
    /// Make a model the active one
    Activate(client::commands::ActivateArgs),
    /// Compare two or more models on the rows they were all tested on
    Compare(client::commands::CompareArgs),
    /// Look at the messages that could not be taken in, send them again or drop them
    Parked(parked::ParkedArgs),
    /// Do fits for servers that share the store, on this machine
    Worker(worker::WorkerArgs),
    /// Make, list, end and rotate API keys
    Keys(keys::KeysArgs),
    /// Read the log of who did what, and check that it is whole
    Audit(audit::AuditArgs),
    /// Copy store and artifacts into a folder, also beside a running service
    Backup(backup::BackupArgs),
    /// Check a backup and put it into an empty data folder
    Restore(backup::RestoreArgs),
    /// Check settings, store, bus, disk, libraries and clock, and say what to do
    Doctor(doctor::DoctorArgs),
}

impl Command {
    /// Whether this process fits models itself.
    pub fn learns(&self) -> bool {
        match self {
            Command::Serve(_) | Command::Demo(_) | Command::Fit(_) | Command::Worker(_) | Command::Doctor(_) => true,
            Command::Train(args) => args.local,
            _ => false,
        }
    }
}

#[derive(Args)]
pub struct ServeArgs {
    /// Address and port [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct ImportArgs {
    /// JSON or CSV, plain, gzip or zstd; see docs/IMPORT.md
    #[arg(required_unless_present = "guess", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// By name and content unless given
    #[arg(long, value_enum, default_value = "auto")]
    pub format: FormatName,
    /// Which column fills which field, and how (TOML)
    #[arg(long, value_name = "M.toml")]
    pub mapping: Option<PathBuf>,
    /// Import nothing: write a mapping for this file, guessed from its first thousand rows, to standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "mapping", "rejects", "verified"])]
    pub guess: Option<PathBuf>,
    /// Mark every point as verified
    #[arg(long)]
    pub verified: bool,
    /// Where rejected rows go, with line and reason [default: rejects-TIME.jsonl in the data folder]
    #[arg(long, value_name = "R.jsonl")]
    pub rejects: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct SampleArgs {
    /// How many data points
    #[arg(long, value_name = "N")]
    pub rows: usize,
    /// The same seed draws the same points
    #[arg(long, value_name = "S")]
    pub seed: u64,
    /// JSON lines; compressed if the name ends in .gz
    #[arg(long, value_name = "F.jsonl")]
    pub out: PathBuf,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct FeaturesArgs {
    /// Data points, as `import` reads them; the store unless given
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Which column fills which field, and how (TOML)
    #[arg(long, value_name = "M.toml", requires = "file")]
    pub mapping: Option<PathBuf>,
    /// Where the matrix goes
    #[arg(long, value_name = "F.csv")]
    pub out: PathBuf,
    /// Add the column `split`: train, validation or test
    #[arg(long)]
    pub split: bool,
    /// The twelve, or more: years, scales, averages, and codes of universities, programs and majors
    #[arg(long, default_value = "base", value_parser = ["base", "extended"])]
    pub features: String,
    #[command(flatten)]
    pub common: Common,
}

/// Runs a command to its end.
pub fn run(cli: Cli) -> Result<()> {
    command(cli)?;
    show::written()
}

fn command(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Serve(args) => {
            let flags = args.listen.iter().map(|l| ("http.listen", "--listen", l.clone())).collect();
            serve::run(&args.common.settings_with(flags)?, args.common.output.json)
        }
        Command::Demo(args) => demo::run(&args),
        Command::Import(args) => data::import(&args),
        Command::Sample(args) => data::sample(&args),
        Command::Features(args) => data::features(&args),
        Command::Fit(args) => fit::run(&args),
        Command::Train(args) => client::train::run(&args),
        Command::Jobs(args) => client::commands::jobs(&args),
        Command::Models(args) => client::commands::models(&args),
        Command::Status(args) => client::commands::status(&args),
        Command::Activate(args) => client::commands::activate(&args),
        Command::Compare(args) => client::commands::compare(&args),
        Command::Parked(args) => parked::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Doctor(args) => doctor::run(&args),
    }
}
