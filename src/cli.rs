//! The command line: one binary, one subcommand per task.

pub mod audit;
mod backup;
pub mod common;
pub mod data;
mod export;
mod fit;
mod help;
mod human;
mod keys;
mod parked;
pub mod prefix;
mod shell;
pub mod show;
mod table;

pub use help::{command, groups_of_commands};

use crate::error::Result;
use crate::{client, demo, doctor, predict, serve, worker};
use clap::{Args, Parser, Subcommand};
use common::{Common, Output};

/// The version, with the commit if the build knows it.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("PROVOST_BUILT_FROM"));

#[derive(Parser)]
#[command(name = "provost", version = VERSION, about, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the service: HTTP facade, actors, scheduler
    Serve(ServeArgs),
    /// Show every step on sample data: training, evaluation, activation
    Demo(demo::DemoArgs),
    /// Show the state of a running service
    Status(client::StatusArgs),
    /// Check settings, store, bus, disk, libraries and clock, and advise on each fault
    Doctor(doctor::DoctorArgs),
    /// Fit models on this machine for servers that share the store
    Worker(worker::WorkerArgs),
    /// Put data points from files into the store
    Import(data::ImportArgs),
    /// Draw synthetic data points from a documented model with known truth
    Sample(data::SampleArgs),
    /// Write the feature matrix of a file or of the store as CSV
    Features(data::FeaturesArgs),
    /// Predict the outcome of the applications in a file
    Predict(predict::PredictArgs),
    /// Report the quality of the data that a job would train on
    Quality(client::QualityArgs),
    /// List, show, replay or discard the messages that could not be processed
    Parked(parked::ParkedArgs),
    /// Submit a training job to a running service
    Train(client::train::TrainArgs),
    /// List training jobs; show, follow or cancel one
    Jobs(client::JobsArgs),
    /// Show or change the schedule of automatic training
    Schedule(client::ScheduleArgs),
    /// Fit models on a feature CSV, without a service
    Fit(fit::FitArgs),
    /// List model versions, or show one
    Models(client::ModelsArgs),
    /// Compare two or more models on the rows that all of them hold out
    Compare(client::CompareArgs),
    /// Evaluate a model again on its held-out rows
    Evaluate(client::EvaluateArgs),
    /// Fetch a model's plots into files
    Plots(client::PlotsArgs),
    /// Write a model to a file for prediction in other systems
    Export(export::ExportArgs),
    /// Write a model card: purpose, training data, performance
    Card(client::CardArgs),
    /// Make a model the active one
    Activate(client::ActivateArgs),
    /// Activate the previously active model again, or a named one
    Rollback(client::RollbackArgs),
    /// List which model was active in which period
    History(client::HistoryArgs),
    /// List the gate's decisions on models of automatic jobs, or show one
    Decisions(client::DecisionsArgs),
    /// Create, list, revoke and rotate API keys
    Keys(keys::KeysArgs),
    /// Read the audit log, and verify that nobody changed it
    Audit(audit::AuditArgs),
    /// Copy store and artifacts into a folder; a service may be running
    Backup(backup::BackupArgs),
    /// Verify a backup and restore it into an empty data folder
    Restore(backup::RestoreArgs),
    /// Write a shell's completions to standard output
    Completions(shell::CompletionsArgs),
    /// Write a man page for each command
    Man(shell::ManArgs),
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

/// Runs a command.
pub fn run(cli: Cli) -> Result<()> {
    if cli.output.quiet {
        show::be_quiet();
    }
    dispatch(cli.command)?;
    show::written()
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Serve(args) => {
            let flags = args.listen.iter().map(|l| ("http.listen", "--listen", l.clone())).collect();
            serve::run(&args.common.settings_with(flags)?, args.common.output.json)
        }
        Command::Demo(args) => demo::run(&args),
        Command::Status(args) => client::status(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Import(args) => data::import(&args),
        Command::Sample(args) => data::sample(&args),
        Command::Features(args) => data::features(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Quality(args) => client::quality(&args),
        Command::Parked(args) => parked::run(&args),
        Command::Train(args) => client::train::run(&args),
        Command::Jobs(args) => client::jobs(&args),
        Command::Schedule(args) => client::schedule(&args),
        Command::Fit(args) => fit::run(&args),
        Command::Models(args) => client::models(&args),
        Command::Compare(args) => client::compare(&args),
        Command::Evaluate(args) => client::evaluate(&args),
        Command::Plots(args) => client::plots(&args),
        Command::Export(args) => export::run(&args),
        Command::Card(args) => client::card(&args),
        Command::Activate(args) => client::activate(&args),
        Command::Rollback(args) => client::rollback(&args),
        Command::History(args) => client::history(&args),
        Command::Decisions(args) => client::decisions(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
    }
}
