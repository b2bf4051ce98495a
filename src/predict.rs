//! `provost predict`: predictions for a file of applications, beside a running service or without one.

mod output;

use crate::cli::common::Common;
use crate::cli::show;
use crate::error::{Error, Result};
use crate::import::{self, Batch, FormatName, listed};
use crate::open;
use crate::output::database_files;
use crate::settings::Settings;
use crate::stored_model;
use clap::Args;
use output::{Layout, Out};
use provost_domain::mapping::Mapping;
use provost_domain::visible;
use provost_predict::application::Application;
use provost_predict::artifact::MAX_PAYLOAD;
use provost_predict::model::FORMAT;
use provost_predict::serving::{DEFAULT_COVERAGE, ServingModel};
use provost_reader::{Parsed, ReadBytes, ReadError};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

#[derive(Args)]
pub struct PredictArgs {
    /// Applications, in any file that `import` reads; an outcome is not needed
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Format of the file; auto detects it from name and content
    #[arg(long, value_enum, default_value_t = FormatName::Auto)]
    pub format: FormatName,
    /// Mapping from columns to fields (TOML)
    #[arg(long, value_name = "M.toml")]
    pub mapping: Option<PathBuf>,
    /// Model of the store: its id, the beginning of the id, `active` or `latest` [default: the active one]
    #[arg(long, value_name = "MODEL", conflicts_with = "artifact")]
    pub model: Option<String>,
    /// Model in a file, as `fit` wrote it
    #[arg(long, value_name = "F")]
    pub artifact: Option<PathBuf>,
    /// Add the contribution of each feature (JSON lines)
    #[arg(long)]
    pub explain: bool,
    /// Coverage of the plausible outcomes, 0.5 to 0.999
    #[arg(long, value_name = "SHARE", default_value_t = DEFAULT_COVERAGE, value_parser = coverage)]
    pub coverage: f64,
    /// Where the predictions go: JSON lines, or CSV if the name ends in .csv
    #[arg(long, value_name = "F")]
    pub out: PathBuf,
    #[command(flatten)]
    pub common: Common,
}

const BAR: &str = "  {bar:30.green/dim} {binary_bytes:>10} of {binary_total_bytes}  {msg}";

fn coverage(text: &str) -> std::result::Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "a number from 0.5 to 0.999 is allowed".to_owned())?;
    if (0.5..=0.999).contains(&share) { Ok(share) } else { Err("a number from 0.5 to 0.999 is allowed".to_owned()) }
}

/// What the file came to.
#[derive(Default)]
struct Tally {
    predicted: u64,
    accepted: u64,
    faulty: u64,
    first_fault: Option<String>,
}

pub fn run(args: &PredictArgs) -> Result<()> {
    let settings = args.common.settings()?;
    let layout = Layout::of(&args.out);
    if args.explain && layout == Layout::Csv {
        return Err(Error::usage_with("--explain needs JSON lines", "name the output *.jsonl"));
    }
    let options = reading(args, &settings)?;
    let (model, name) = model(args, &settings)?;
    let began = Instant::now();
    let database = database_files(&settings.data_dir);
    let mut inputs: Vec<&Path> = vec![&args.file];
    inputs.extend([&args.mapping, &args.artifact, &args.common.config].into_iter().flatten().map(PathBuf::as_path));
    inputs.extend(database.iter().map(PathBuf::as_path));
    let mut out = Out::create(&args.out, &inputs, layout, &name)?;
    let json = args.common.output.json;
    let bar = show::bar(args.file.metadata().map_or(0, |m| m.len()), BAR, json);
    let (read, mut tally, mut row) = (ReadBytes::default(), Tally::default(), 0);
    let reports = import::read_all(&options, &settings.features, &read, |Batch { parsed, .. }| {
        for (number, application) in applications(parsed) {
            match application {
                Ok(application) => {
                    let predicted = out.predict(&model, row, number, &application, args.coverage, args.explain)?;
                    tally.predicted += 1;
                    tally.accepted += u64::from(predicted);
                }
                Err(reason) => {
                    out.fault(row, number, &reason)?;
                    tally.faulty += 1;
                    tally.first_fault.get_or_insert(reason);
                }
            }
            row += 1;
        }
        bar.set_position(read.load(Ordering::Relaxed));
        bar.set_message(format!("{} rows", show::thousands(row)));
        Ok(())
    })?;
    bar.finish_and_clear();
    if let Some(why) = reports.iter().find_map(|report| report.error.as_deref()) {
        return Err(Error::failed(format!("{}: {} (nothing was written)", args.file.display(), visible::line(why))));
    }
    if tally.predicted == 0 {
        let why = tally
            .first_fault
            .map_or_else(|| "the file has no rows".to_owned(), |fault| visible::line(&fault).into_owned());
        return Err(Error::failed(format!("no row was read as an application: {why} (nothing was written)")));
    }
    out.finish()?;
    let seconds = began.elapsed().as_secs_f64();
    show::tell(json, || told(args, &name, &tally, seconds), || summary(args, &name, &tally, seconds));
    Ok(())
}

fn told(args: &PredictArgs, model: &str, tally: &Tally, seconds: f64) -> Value {
    json!({ "rows": tally.predicted + tally.faulty, "predicted": tally.predicted, "accepted": tally.accepted,
        "faulty": tally.faulty, "model": model, "seconds": seconds, "out": args.out })
}

fn summary(args: &PredictArgs, model: &str, tally: &Tally, seconds: f64) -> String {
    let mut text = format!(
        "{} by {model} in {} ({} accepted), written to {}",
        show::counted(tally.predicted, "prediction", "predictions"),
        show::seconds(seconds),
        show::thousands(tally.accepted),
        args.out.display()
    );
    if let Some(fault) = &tally.first_fault {
        let (rows, fault) = (show::counted(tally.faulty, "row", "rows"), visible::line(fault));
        text += &format!("\n  could not be read and marked so: {rows}; the first reason: {fault}");
    }
    text
}

/// How the file is read. A file without a decision or an id is read as if each row had one, since a prediction needs neither.
fn reading(args: &PredictArgs, settings: &Settings) -> Result<import::Options> {
    let mut options = import::Options::new(settings, vec![args.file.clone()]);
    options.reading.format = args.format.into();
    let given = args.mapping.as_deref().map(crate::cli::data::mapping_document).transpose()?;
    let mut fewest: Option<(usize, Error)> = None;
    // An outcome is of no interest, so outcomes are not read where the file is certain to have columns. A file that is read with a mapping
    // always has columns.
    let has_columns = given.is_some() || is_csv(args, &options);
    let mut ways = [(false, false), (true, false), (false, true), (true, true)];
    ways.sort_by_key(|(decision, _)| has_columns && !decision);
    for (decision, id) in ways {
        let mut document = given.clone().unwrap_or_else(|| json!({}));
        if decision && let Some(document) = document.as_object_mut() {
            // What is no table is told as a fault of the mapping.
            let constants = document.entry("constants").or_insert_with(|| json!({}));
            if let Some(constants) = constants.as_object_mut() {
                constants.insert("decision".to_owned(), json!("deferred"));
            }
            // What the mapping says of decisions is for an import.
            for rule in ["decisions", "leave_out", "threshold"] {
                document.remove(rule);
            }
            if let Some(columns) = document.get_mut("columns").and_then(Value::as_object_mut) {
                columns.remove("decision");
            }
        }
        if id {
            document["id_prefix"] = json!("row-");
        }
        let as_it_is = given.is_none() && !decision && !id;
        options.reading.mapping = (!as_it_is).then(|| Mapping::from_json(&document));
        match check(&options, &args.file) {
            Ok(()) => return Ok(options),
            // What the file lacks for an import only is no fault: the way that needs least has the fewest.
            Err((faults, error)) => {
                if fewest.as_ref().is_none_or(|(known, _)| faults < *known) {
                    fewest = Some((faults, error));
                }
            }
        }
    }
    Err(match fewest.map(|(_, error)| error) {
        Some(Error::Usage(faults)) if given.is_none() => Error::usage_with(
            faults,
            "a mapping (--mapping M.toml) says which column is which; `provost import --guess FILE` writes a first one",
        ),
        Some(error) => error,
        None => Error::failed(format!("{}: it cannot be read", args.file.display())),
    })
}

/// Whether the file is certain to be CSV: by the format that was asked for, or by its name, unless its content is JSON.
fn is_csv(args: &PredictArgs, options: &import::Options) -> bool {
    match args.format {
        FormatName::Csv => true,
        FormatName::Jsonl => false,
        FormatName::Auto => {
            let name = args.file.to_string_lossy().to_lowercase();
            let is_named_csv = [".csv", ".tsv", ".csv.gz", ".csv.zst"].iter().any(|end| name.ends_with(end));
            let is_json = || {
                let file = File::open(&args.file).ok()?;
                provost_reader::is_json(&name, file, &options.reading).ok()
            };
            // A pipe can be read once only.
            is_named_csv && !(is_file(&args.file) && is_json().unwrap_or(false))
        }
    }
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file())
}

/// Looks at the head of the file.
///
/// # Errors
/// A mapping that does not fit the file, and a file without columns that an import knows; each with the number of its faults.
fn check(options: &import::Options, path: &Path) -> std::result::Result<(), (usize, Error)> {
    // A pipe can be read once only.
    if !is_file(path) {
        return Ok(());
    }
    let name = path.display();
    let file = File::open(path).map_err(|e| (1, Error::failed(format!("{name}: {e}"))))?;
    provost_reader::check(&path.to_string_lossy(), file, &options.reading).map_err(|error| match error {
        ReadError::Mapping(faults) => (faults.0.len(), Error::Usage(format!("{name}:{}", listed(&faults)))),
        // Told only where no way of reading has faults of its own.
        ReadError::Unreadable(why) => (usize::MAX, Error::failed(visible::line(&format!("{name}: {why}")))),
    })
}

/// The rows of a chunk in their order, each with its line.
fn applications(parsed: Parsed) -> Vec<(u64, std::result::Result<Application, String>)> {
    let Parsed { chunk, points, places, faults, .. } = parsed;
    let mut rows: Vec<(usize, std::result::Result<Application, String>)> =
        places.into_iter().zip(points).map(|(place, point)| (place, Ok(Application::from_point(point)))).collect();
    // A JSON document without an outcome is no data point, but may be an application.
    rows.extend(faults.into_iter().map(|(place, reason)| {
        let raw = chunk.raw(&chunk.records[place]);
        (
            place,
            Application::from_json(raw)
                .map_err(|faults| if raw.starts_with(b"{") { faults.to_string() } else { reason }),
        )
    }));
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(place, row)| (chunk.records[place].line, row)).collect()
}

/// Reads a file with a model. Of another file no more is read than shows that.
fn artifact(path: &Path) -> io::Result<Vec<u8>> {
    const MOST: u64 = MAX_PAYLOAD + 1024;
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    (&mut file).take(FORMAT.magic.len() as u64).read_to_end(&mut bytes)?;
    if bytes == FORMAT.magic {
        file.take(MOST).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 >= MOST {
        Err(io::Error::other(format!("has more than {MAX_PAYLOAD} bytes")))
    } else {
        Ok(bytes)
    }
}

/// The model, and what it is called in the output.
fn model(args: &PredictArgs, settings: &Settings) -> Result<(ServingModel, String)> {
    let opened = |bytes: &[u8], name: String| match ServingModel::open(bytes, settings.features.clone()) {
        Ok(model) => Ok((model, name)),
        Err(why) => Err(Error::failed(format!("{name} cannot predict: {why}"))),
    };
    if let Some(path) = &args.artifact {
        let name = visible::line(&path.to_string_lossy()).into_owned();
        let bytes = artifact(path).map_err(|e| Error::failed(format!("{name}: {e}")))?;
        return opened(&bytes, name);
    }
    if !open::has_store(settings) {
        return Err(Error::failed_with("there is no store", "train a model first, or name one with --artifact"));
    }
    let runtime = open::runtime()?;
    let (store, artifacts) = open::store_and_artifacts(settings)?;
    let id = runtime.block_on(stored_model::named(&*store, args.model.as_deref().unwrap_or("active")))?;
    let record = runtime.block_on(store.model(&id))?.ok_or_else(|| Error::failed(format!("there is no model {id}")))?;
    let bytes = artifacts.get(&record.version.model_sha256)?;
    opened(&bytes, id.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::FromArgMatches;

    #[test]
    fn a_file_that_is_no_model_is_not_read_whole() {
        assert_eq!(artifact(Path::new("/dev/zero")).unwrap(), [0; 8]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"PROVOSTM and the rest").unwrap();
        assert_eq!(artifact(file.path()).unwrap(), b"PROVOSTM and the rest");
    }

    /// How a file of this name and text is read.
    fn read_as(name: &str, text: &str) -> Result<import::Options> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let data = folder.path().join("data");
        let words = ["predict", file.to_str().unwrap(), "--out", "p.csv", "--data-dir", data.to_str().unwrap()];
        let matches = PredictArgs::augment_args(clap::Command::new("predict")).try_get_matches_from(words).unwrap();
        let args = PredictArgs::from_arg_matches(&matches).unwrap();
        reading(&args, &args.common.settings().unwrap())
    }

    #[test]
    fn a_column_of_outcomes_is_not_read() {
        let options = read_as("a.csv", "gpa,university_name,decision\n3.1,MIT,perhaps\n").unwrap();
        let mapping = options.reading.mapping.unwrap();
        assert_eq!(mapping.constants.get("decision"), Some(&json!("deferred")));
    }

    #[test]
    fn a_file_is_not_told_to_have_what_only_an_import_needs() {
        let error = read_as("b.csv", "color,size\nred,2\n").err().unwrap().to_string();
        assert!(error.contains("`profile`") && !error.contains("the `decision`"), "{error}");
        assert!(!error.contains("`data_point_id`"), "{error}");
    }
}
