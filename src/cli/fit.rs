//! `provost fit`: the same options as the Python peer, with the same names.

use super::common::Output;
use crate::error::{Error, Result};
use crate::fit::{self, FitError, FitOptions, GridDraw, Mode};
use clap::Args;
use clap::builder::PossibleValuesParser;
use provost_domain::Algorithm;
use provost_domain::config::Pruning;
use std::path::PathBuf;

#[derive(Args)]
pub struct FitArgs {
    /// Feature CSV: columns of numbers (empty where missing), `label`, optionally `split` and `fold`
    #[arg(value_name = "F.csv")]
    pub features: PathBuf,
    /// One fit with the defaults, or a search
    #[arg(long, default_value = "defaults", value_parser = PossibleValuesParser::new(Mode::ALL.map(Mode::as_str)))]
    pub mode: String,
    /// Algorithms, separated by commas [default: all but the ensemble]
    #[arg(long, value_delimiter = ',', value_name = "A,B",
        value_parser = PossibleValuesParser::new(Algorithm::BASE.map(Algorithm::as_str)))]
    pub algorithms: Vec<String>,
    /// Train on a stratified sample of this many rows
    #[arg(long, value_name = "N")]
    pub rows: Option<usize>,
    /// Number of threads [default: one per core]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// A second feature CSV to score on
    #[arg(long, value_name = "H.csv")]
    pub test: Option<PathBuf>,
    /// Number of candidates of a search
    #[arg(long, default_value_t = 50)]
    pub iterations: u32,
    /// Number of folds of the cross-validation
    #[arg(long, default_value_t = 5)]
    pub folds: u32,
    /// Seed of all random draws: the same seed gives the same models
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Parameters that replace the defaults (JSON: algorithm to object)
    #[arg(long, value_name = "P.json")]
    pub params: Option<PathBuf>,
    /// Score exactly these candidates (JSON: algorithm to a list of objects)
    #[arg(long, value_name = "C.json")]
    pub candidates: Option<PathBuf>,
    /// `distinct` draws only candidates that give different models; `full` draws from the whole grid, as scikit-learn's sampler does
    #[arg(long, default_value = "distinct", value_parser = PossibleValuesParser::new(GridDraw::ALL.map(GridDraw::as_str)))]
    pub grid: String,
    /// `racing` stops trials early that are unlikely to become the best
    #[arg(long, default_value = "none", value_parser = ["none", "racing"])]
    pub pruning: String,
    /// Write each model's artifact as DIR/{algorithm}.model
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// Settings file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

pub fn run(args: &FitArgs) -> Result<()> {
    let settings = args.output.settings(args.config.as_deref(), Vec::new())?;
    let mut options = FitOptions::new(&args.features);
    if let Some(mode) = Mode::parse(&args.mode) {
        options.mode = mode;
    }
    if !args.algorithms.is_empty() {
        options.algorithms = args.algorithms.iter().filter_map(|a| Algorithm::parse(a)).collect();
    }
    options.rows = args.rows;
    options.threads = args.threads.map_or(settings.threads, usize::from);
    options.test.clone_from(&args.test);
    options.iterations = args.iterations;
    options.folds = args.folds;
    options.seed = args.seed;
    options.params.clone_from(&args.params);
    options.candidates.clone_from(&args.candidates);
    if let Some(grid) = GridDraw::parse(&args.grid) {
        options.grid = grid;
    }
    if let Some(pruning) = Pruning::parse(&args.pruning) {
        options.pruning = pruning;
    }
    options.save.clone_from(&args.save);
    options.json = args.output.json;
    fit::run(&options, &mut std::io::stdout()).map_err(|e| match e {
        FitError::Usage(why) => Error::Usage(why),
        e => Error::Failed(e.into()),
    })
}
