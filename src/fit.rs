//! `provost fit`: fits models on a feature CSV, without a service. A scikit-learn script with the same options and output
//! fields allows a comparison fit by fit.

mod parts;
mod report;
mod search;
#[doc(hidden)]
pub mod table;
mod usage;

use crate::error::Error;
use crate::input;
use crate::output::OutFile;
use provost_domain::config::Pruning;
use provost_domain::features::CATEGORY_RULE;
use provost_domain::{Algorithm, Faults};
use provost_learn::learners::learner;
use provost_learn::{
    Calibration, CheckedParams, Control, Dataset, FitTask, LearnError, Learner, Matrix, Model, Params, Predictor,
};
use provost_store::private;
use serde_json::{Map, Value};
use std::io::Write;
use std::path::{Path, PathBuf};
use table::Table;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// One fit with the defaults, or with `params`.
    #[default]
    Defaults,
    /// Cross-validates candidates and fits the best.
    Search,
}

impl Mode {
    pub const ALL: [Mode; 2] = [Mode::Defaults, Mode::Search];

    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Defaults => "defaults",
            Mode::Search => "search",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.as_str() == word)
    }
}

/// Which points a search draws from the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GridDraw {
    /// Only candidates that give different models.
    #[default]
    Distinct,
    /// Any points of the whole grid, like scikit-learn's sampler.
    Full,
}

impl GridDraw {
    pub const ALL: [GridDraw; 2] = [GridDraw::Distinct, GridDraw::Full];

    pub fn as_str(self) -> &'static str {
        match self {
            GridDraw::Distinct => "distinct",
            GridDraw::Full => "full",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.as_str() == word)
    }
}

/// All options of the command.
#[derive(Debug, Clone)]
pub struct FitOptions {
    /// Feature CSV: a header, feature columns (empty where missing), `label` (0 or 1), and optionally `split` (train,
    /// validation, test), `fold` (numbers) and `data_point_id`.
    pub features: PathBuf,
    pub mode: Mode,
    pub algorithms: Vec<Algorithm>,
    /// Train on a stratified sample of this many rows.
    pub rows: Option<usize>,
    pub threads: usize,
    /// A second CSV to score on.
    pub test: Option<PathBuf>,
    pub iterations: u32,
    pub folds: u32,
    pub seed: u64,
    /// JSON: algorithm to parameters that replace the defaults.
    pub params: Option<PathBuf>,
    /// JSON: algorithm to a list of parameter objects; exactly these are scored.
    pub candidates: Option<PathBuf>,
    pub grid: GridDraw,
    pub pruning: Pruning,
    /// Folder for `{algorithm}.model`, and for `xgboost.json`, which XGBoost's other bindings read.
    pub save: Option<PathBuf>,
    /// One JSON object per line instead of a table.
    pub json: bool,
}

impl FitOptions {
    pub fn new(features: impl Into<PathBuf>) -> Self {
        Self {
            features: features.into(),
            mode: Mode::Defaults,
            algorithms: Algorithm::BASE.to_vec(),
            rows: None,
            threads: 2,
            test: None,
            iterations: 50,
            folds: 5,
            seed: 42,
            params: None,
            candidates: None,
            grid: GridDraw::Distinct,
            pruning: Pruning::None,
            save: None,
            json: false,
        }
    }

    /// The files that are read; the command must not write any of them.
    fn read(&self) -> Vec<&Path> {
        let more = [&self.test, &self.params, &self.candidates];
        [self.features.as_path()].into_iter().chain(more.into_iter().flatten().map(PathBuf::as_path)).collect()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// Bad options: exit code 2.
    #[error("{0}")]
    Usage(String),
    #[error("cannot read {path}")]
    File { path: PathBuf, source: std::io::Error },
    /// A feature CSV is invalid; the message names the line, the column and the value.
    #[error("{path}: {message}")]
    Table { path: PathBuf, message: String },
    #[error("{path}: {faults}")]
    Params { path: String, faults: Faults },
    #[error("{algorithm}: {source}")]
    Learn { algorithm: Algorithm, source: LearnError },
    #[error("writing the output: {0}")]
    Output(std::io::Error),
}

/// Fits each algorithm in turn and writes its line to `out` as soon as it is fitted.
pub fn run(options: &FitOptions, out: &mut dyn Write) -> Result<(), FitError> {
    check(options)?;
    let params = objects(options.params.as_deref(), "--params")?;
    let candidates = objects(options.candidates.as_deref(), "--candidates")?;
    let mut table = Table::read(&options.features)?;
    if let Some(rows) = options.rows {
        table = parts::sample(table, rows, options.seed);
    }
    let parts = parts::parts(&table, options.seed).map_err(|message| in_table(&options.features, message))?;
    let folds = match options.mode {
        Mode::Search => parts::folds(&table, &parts.train, options.folds),
        Mode::Defaults => Ok(Vec::new()),
    };
    let folds = folds.map_err(|message| in_table(&options.features, message))?;
    let data = dataset(table, &options.features)?;
    let heldout = match &options.test {
        Some(path) => {
            let table = Table::read(path)?.ordered_as(data.x().names(), path)?;
            let held = dataset(table, path)?;
            parts::both_classes(held.y(), "held-out").map_err(|message| in_table(path, message))?;
            Some(held)
        }
        None => None,
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|e| FitError::Usage(format!("--threads {}: {e}", options.threads)))?;
    let mut report = report::Report::new(options.json, out);
    for algorithm in &options.algorithms {
        let job = Job { options, data: &data, train: &parts.train, folds: &folds };
        let learned = pool.install(|| job.learn(*algorithm, &params, &candidates))?;
        let mut line = report::head(*algorithm, options, parts.train.len(), &learned);
        let model = learned.model;
        let failed = |source| FitError::Learn { algorithm: *algorithm, source };
        let score = |data: &Dataset, rows: &[u32]| pool.install(|| report::score(&model, data, rows)).map_err(failed);
        line.insert("test".to_owned(), Value::Object(score(&data, &parts.test)?));
        if let Some(held) = &heldout {
            let rows: Vec<u32> = (0..held.rows() as u32).collect();
            line.insert("heldout".to_owned(), Value::Object(score(held, &rows)?));
        }
        if let Some(folder) = &options.save {
            save(&model, folder, &options.read())?;
        }
        report.line(line).map_err(FitError::Output)?;
    }
    report.end().map_err(FitError::Output)
}

/// A fitted model and its costs.
struct Learned {
    model: Model,
    wall: f64,
    cpu: f64,
    rss_mb: u64,
    /// The results of a search: `cv_f1`, `best` and `candidates`.
    extra: Map<String, Value>,
}

struct Job<'a> {
    options: &'a FitOptions,
    data: &'a Dataset,
    train: &'a [u32],
    folds: &'a [Vec<u32>],
}

impl Job<'_> {
    fn learn(&self, algorithm: Algorithm, params: &Objects, candidates: &Objects) -> Result<Learned, FitError> {
        let failed = |source| FitError::Learn { algorithm, source };
        let missing = || FitError::Usage(format!("--algorithms {algorithm}: this algorithm cannot be fitted alone"));
        let learner = learner(algorithm).ok_or_else(missing)?;
        let search = match self.options.mode {
            Mode::Search => Some(search::Search::plan(learner, self.options, candidates)?),
            Mode::Defaults => None,
        };
        let given = match params.get(algorithm) {
            Some(Value::Object(given)) if search.is_none() => given.clone(),
            Some(other) if !other.is_object() => {
                return Err(FitError::Usage(format!("--params: {algorithm}: {other} is not an object")));
            }
            _ => Params::new(),
        };
        let defaults = learner
            .check(&given)
            .map_err(|faults| FitError::Params { path: format!("--params: {algorithm}"), faults })?;
        let (started, before) = (std::time::Instant::now(), usage::now());
        let (params, extra) = match search {
            Some(search) => search.run(learner, self.data, self.train, self.folds, self.options).map_err(failed)?,
            None => (defaults, Map::new()),
        };
        let model = self.fit(learner, &params).map_err(failed)?;
        let after = usage::now();
        Ok(Learned {
            model,
            wall: started.elapsed().as_secs_f64(),
            cpu: after.cpu_seconds - before.cpu_seconds,
            rss_mb: after.peak_rss_mb,
            extra,
        })
    }

    /// Fits on all training rows and all columns and decides at 0.5, like the peer: no calibration, no early stopping.
    fn fit(&self, learner: &dyn Learner, params: &CheckedParams) -> Result<Model, LearnError> {
        let columns: Vec<usize> = (0..self.data.x().width()).collect();
        let task =
            FitTask { seed: self.options.seed, scale: true, ..FitTask::new(self.data, &columns, self.train, params) };
        let fit = learner.fit(&task, &Control::default())?;
        Ok(Model {
            algorithm: learner.algorithm(),
            feature_names: self.data.x().names().to_vec(),
            columns: columns.iter().map(|c| *c as u32).collect(),
            predictor: fit.predictor,
            calibration: Calibration::None,
            threshold: 0.5,
            category_rule: CATEGORY_RULE,
            evidence: None,
        })
    }
}

fn check(options: &FitOptions) -> Result<(), FitError> {
    let usage = |text: String| Err(FitError::Usage(text));
    if options.algorithms.is_empty() {
        return usage("--algorithms: none given".to_owned());
    }
    if options.threads == 0 || options.threads > 1024 {
        return usage(format!("--threads {}: from 1 to 1024", options.threads));
    }
    if options.folds < 2 {
        return usage(format!("--folds {}: at least 2", options.folds));
    }
    if options.iterations == 0 {
        return usage("--iterations 0: at least 1".to_owned());
    }
    match options.rows {
        Some(0) => usage("--rows 0: at least 1".to_owned()),
        _ => Ok(()),
    }
}

fn dataset(table: Table, path: &Path) -> Result<Dataset, FitError> {
    Matrix::new(table.names, table.columns)
        .map_err(LearnError::from)
        .and_then(|x| Dataset::new(x, table.labels))
        .map_err(|e| in_table(path, e.to_string()))
}

fn in_table(path: &Path, message: String) -> FitError {
    FitError::Table { path: path.to_owned(), message }
}

/// The content of a JSON file that maps algorithms to values.
#[derive(Debug, Default)]
struct Objects(Map<String, Value>);

impl Objects {
    fn get(&self, algorithm: Algorithm) -> Option<&Value> {
        self.0.get(algorithm.as_str())
    }
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn objects(path: Option<&Path>, option: &str) -> Result<Objects, FitError> {
    /// Names that only the Python peer knows; one file may serve both programs.
    const PEERS_OWN: [&str; 2] = ["hist_gradient_boosting", "lightgbm"];
    let Some(path) = path else { return Ok(Objects::default()) };
    let text = input::text(path, input::LONGEST).map_err(|source| FitError::File { path: path.to_owned(), source })?;
    let usage = |text: String| FitError::Usage(format!("{option} {}: {text}", path.display()));
    let value: Value = serde_json::from_str(&text).map_err(|e| usage(e.to_string()))?;
    let Value::Object(map) = value else {
        return Err(usage("not a JSON object of algorithms".to_owned()));
    };
    if let Some(name) = map.keys().find(|k| Algorithm::parse(k).is_none() && !PEERS_OWN.contains(&k.as_str())) {
        return Err(usage(format!("\"{name}\" is not an algorithm")));
    }
    Ok(Objects(map))
}

/// Saves a model. Each file is written beside its place and renamed, so that it is never incomplete. An XGBoost model is
/// also saved as `xgboost.json` in the library's own format.
fn save(model: &Model, folder: &Path, inputs: &[&Path]) -> Result<(), FitError> {
    let path = folder.join(format!("{}.model", model.algorithm));
    private::make_folder(folder).map_err(|source| FitError::File { path: path.clone(), source })?;
    write_file(&path, &model.to_bytes(), inputs)?;
    let inner = match &model.predictor {
        Predictor::Encoded(encoded) => encoded.predictor(),
        own => own,
    };
    if let Predictor::Xgboost(xgboost) = inner {
        let path = folder.join("xgboost.json");
        let text = provost_learn::xgboost::library::to_json(xgboost)
            .map_err(|source| FitError::Learn { algorithm: model.algorithm, source })?;
        write_file(&path, &text, inputs)?;
    }
    Ok(())
}

fn write_file(path: &Path, bytes: &[u8], inputs: &[&Path]) -> Result<(), FitError> {
    let written = OutFile::create(path, inputs).and_then(|mut out| {
        out.write_all(bytes)?;
        out.finish()
    });
    written.map_err(|e| match e {
        Error::Usage(why) => FitError::Usage(why),
        e => FitError::File { path: path.to_owned(), source: std::io::Error::other(e.to_string()) },
    })
}

#[cfg(test)]
mod tests;
