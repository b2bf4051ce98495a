//! The commands for data: import, sample, features.

use super::common::Common;
use super::show;
use crate::error::{Error, Result};
use crate::features::{self, Source};
use crate::import::{self, Counts, FormatName, Reason, Rejects, Report};
use crate::output::database_files;
use crate::{input, open, sample};
use chrono::Utc;
use clap::Args;
use provost_domain::mapping::{Mapping, listed};
use provost_domain::visible;
use provost_reader::ReadBytes;
use provost_store::private;
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

#[derive(Args)]
pub struct ImportArgs {
    /// JSON or CSV, plain, gzip or zstd; see docs/IMPORT.md
    #[arg(required_unless_present = "guess", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Format of the files; auto detects it from name and content
    #[arg(long, value_enum, default_value = "auto")]
    pub format: FormatName,
    /// Mapping from columns to fields (TOML)
    #[arg(long, value_name = "M.toml")]
    pub mapping: Option<PathBuf>,
    /// Import nothing; guess a mapping from the first thousand rows of this file and write it to standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "mapping", "rejects", "verified"])]
    pub guess: Option<PathBuf>,
    /// Mark every point as verified
    #[arg(long)]
    pub verified: bool,
    /// File for rejected rows, with line and reason [default: rejects-TIME.jsonl in the data folder]
    #[arg(long, value_name = "R.jsonl")]
    pub rejects: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct SampleArgs {
    /// Number of data points
    #[arg(long, value_name = "N")]
    pub rows: usize,
    /// Seed; the same seed draws the same points
    #[arg(long, value_name = "S")]
    pub seed: u64,
    /// File for the points, as JSON lines; compressed if the name ends in .gz
    #[arg(long, value_name = "F.jsonl")]
    pub out: PathBuf,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct FeaturesArgs {
    /// File of data points, as for `import` [default: the points of the store]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Mapping from columns to fields (TOML)
    #[arg(long, value_name = "M.toml", requires = "file")]
    pub mapping: Option<PathBuf>,
    /// File for the matrix
    #[arg(long, value_name = "F.csv")]
    pub out: PathBuf,
    /// Add the column `split`: train, validation or test
    #[arg(long)]
    pub split: bool,
    /// base: the twelve features; extended: also years, scales, averages, and codes of universities, programs and majors
    #[arg(long, default_value = "base", value_parser = ["base", "extended"])]
    pub features: String,
    #[command(flatten)]
    pub common: Common,
}

const IMPORT_BAR: &str = "  {bar:30.green/dim} {binary_bytes:>10} of {binary_total_bytes}  {msg}";

/// Reads and checks a mapping file.
fn mapping(path: &Path) -> Result<Mapping> {
    Ok(Mapping::from_json(&mapping_document(path)?))
}

/// Reads a mapping file without checking its content.
pub fn mapping_document(path: &Path) -> Result<Value> {
    let name = path.display();
    let usage = |why: String| Error::Usage(format!("mapping {name}: {why}"));
    let text = input::text(path, input::LONGEST).map_err(|e| usage(e.to_string()))?;
    toml::from_str(&text).map_err(|e| usage(e.to_string().trim_end().to_owned()))
}

fn guess(path: &Path, args: &ImportArgs) -> Result<()> {
    let settings = args.common.settings()?;
    let mut reading = import::Options::new(&settings, Vec::new()).reading;
    reading.format = args.format.into();
    let name = path.to_string_lossy();
    let file = File::open(path).map_err(|e| Error::failed(format!("{name}: {e}")))?;
    let text = provost_reader::guess(&name, file, &reading).map_err(|e| Error::failed(format!("{name}: {e}")))?;
    show::tell(args.common.output.json, || json!({ "mapping": text }), || text.trim_end().to_owned());
    Ok(())
}

pub fn import(args: &ImportArgs) -> Result<()> {
    if let Some(path) = &args.guess {
        return guess(path, args);
    }
    let settings = args.common.settings()?;
    let json = args.common.output.json;
    let mapping = args.mapping.as_deref().map(mapping).transpose()?;
    let mut options = import::Options::new(&settings, args.files.clone());
    options.reading.format = args.format.into();
    options.reading.mapping = mapping;
    options.reading.verified = args.verified;
    import::check(&options)?;
    // Done before the store is opened, so that a wrong argument changes nothing.
    let rejects = match &args.rejects {
        Some(path) => {
            let database = database_files(&settings.data_dir);
            let mut inputs: Vec<&Path> = args.files.iter().map(PathBuf::as_path).collect();
            inputs.extend(args.mapping.as_deref().into_iter().chain(args.common.config.as_deref()));
            inputs.extend(database.iter().map(PathBuf::as_path));
            Rejects::create(path.clone(), &inputs)?
        }
        None => {
            let name = format!("rejects-{}.jsonl", Utc::now().format("%Y%m%dT%H%M%S%3f"));
            Rejects::lazily(settings.data_dir.join(name))
        }
    };
    let runtime = open::runtime()?;
    let store = open::store(&settings)?;
    if let Some(said) = private::narrow(&settings.data_dir)?.text(&settings.data_dir) {
        show::error(&said);
    }
    let total = args.files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum();
    let bar = show::bar(total, IMPORT_BAR, json);
    let read = ReadBytes::default();
    let mut kept = 0;
    let report = import::run(&options, &settings.features, &store, runtime.handle(), rejects, &read, |counts| {
        kept = counts.inserted + counts.superseded;
        bar.set_position(read.load(Ordering::Relaxed));
        bar.set_message(format!("{} points", show::thousands(counts.rows)));
        Ok(())
    });
    bar.finish_and_clear();
    let kept = show::thousands(kept);
    let report = report
        .map_err(|e| Error::failed(format!("{e} ({kept} points are stored; run the same import again to continue)")))?;
    show::tell(json, || json!(report), || summary(&report));
    let broken: Vec<String> =
        report.broken().map(|(file, why)| visible::line(&format!("{file}: {why}")).into_owned()).collect();
    let Counts { rows, rejected, left_out, .. } = report.counts;
    if broken.is_empty() {
        if rows > rejected {
            return Ok(());
        }
        let why = match (rejected, left_out) {
            (0, 0) => "the files have no rows".to_owned(),
            (0, left) => format!("the mapping excludes all {left} rows"),
            (rejected, _) => format!("{rejected} rows were rejected for the reasons above"),
        };
        return Err(Error::failed(format!("no row was read as a data point: {why}")));
    }
    let stored = if rows > rejected { " (the rows read before are stored)" } else { "" };
    Err(Error::failed(format!("{}{stored}", broken.join("; "))))
}

fn summary(report: &Report) -> String {
    let Counts {
        rows,
        inserted,
        unchanged,
        superseded,
        stale,
        conflicts,
        rejected,
        left_out,
        unmatched,
        by_scale,
        outliers,
    } = report.counts;
    let mut out = format!(
        "{} in {} ({} rows/s)",
        show::counted(rows, "row", "rows"),
        show::seconds(report.seconds),
        show::thousands(report.rows_per_second as u64)
    );
    for (name, count, always, what) in [
        ("inserted", inserted, true, ""),
        ("unchanged", unchanged, true, "already stored with the same content"),
        ("superseded", superseded, false, "replaced a point with a lower seq"),
        ("stale", stale, false, "a point with a higher seq is stored"),
        ("conflicts", conflicts, false, "same seq with other content: refused"),
        ("rejected", rejected, true, "not data points"),
        ("left out", left_out, false, "by the mapping"),
        ("unmatched", unmatched, false, "cells that match no pattern, kept as missing"),
        ("by scale", by_scale, false, "ambiguous numbers such as 3,125, read so that they lie on their field's scale"),
        ("outliers", outliers, false, "values outside every scale, kept as missing"),
    ] {
        if always || count > 0 {
            let what = if what.is_empty() || count == 0 { String::new() } else { format!("  {what}") };
            out.push_str(&format!("\n  {name:<10} {:>10}{what}", show::thousands(count)));
        }
    }
    for file in &report.files {
        if !file.told.is_empty() {
            let name = visible::line(&file.file);
            out.push_str(&format!("\n  {name} was read as: {}", visible::line(&file.told.join(", "))));
        }
        if !file.unread.is_empty() {
            out.push_str(&format!(
                "\n  columns of {} that were not read: {}",
                visible::line(&file.file),
                listed(&file.unread, file.unread_more)
            ));
        }
    }
    if let Some(Reason { reason, rows }) = report.reasons.first() {
        out.push_str(&format!("\n  the most frequent reason: {reason} ({})", show::counted(*rows, "row", "rows")));
    }
    if let Some(path) = &report.rejects
        && rejected + conflicts > 0
    {
        out.push_str(&format!("\n  the rejected rows, with line and reason, are in {}", path.display()));
    }
    out
}

pub fn sample(args: &SampleArgs) -> Result<()> {
    args.common.settings()?;
    let json = args.common.output.json;
    let bar = show::bar(args.rows as u64, "  {bar:30.green/dim} {human_pos} of {human_len} points", json);
    let drawn = sample::write(args.rows, args.seed, &args.out, |n| {
        bar.set_position(n);
        Ok(())
    });
    bar.finish_and_clear();
    let drawn = drawn?;
    let object = || {
        json!({ "rows": drawn.rows, "seed": args.seed, "out": args.out, "labelled": drawn.labelled,
            "accepted": drawn.accepted, "bayes_auc": drawn.bayes_auc })
    };
    let text = || {
        format!(
            "{} points in {}, {} accepted of {} decided\nBayes-optimal AUC {}: what the true probabilities reach, and no \
             model can beat but by luck",
            show::thousands(drawn.rows),
            args.out.display(),
            show::thousands(drawn.accepted),
            show::thousands(drawn.labelled),
            drawn.bayes_auc.map_or_else(|| "undefined (one class only)".to_owned(), |auc| format!("{auc:.3}"))
        )
    };
    show::tell(json, object, text);
    Ok(())
}

pub fn features(args: &FeaturesArgs) -> Result<()> {
    let settings = args.common.settings()?;
    let source = match &args.file {
        Some(path) => {
            let mut options = import::Options::new(&settings, vec![path.clone()]);
            options.reading.mapping = args.mapping.as_deref().map(mapping).transpose()?;
            import::check(&options)?;
            Source::File(Box::new(options))
        }
        None => Source::Store,
    };
    let written = {
        let read: Vec<&Path> = args.mapping.as_deref().into_iter().chain(args.common.config.as_deref()).collect();
        features::write(&settings, source, &args.out, &read, args.split, args.features == "extended")?
    };
    let text = || {
        let mut text = format!("{} in {}", show::counted(written.rows, "row", "rows"), args.out.display());
        if written.undecided > 0 {
            text +=
                &format!("\n  {} rows neither accepted nor rejected are left out", show::thousands(written.undecided));
        }
        if written.rejected > 0 {
            text += &format!(
                "\n  {} rows are not data points (`provost import` says why)",
                show::thousands(written.rejected)
            );
        }
        if !written.unread.is_empty() {
            text += &format!("\n  columns that were not read: {}", listed(&written.unread, written.unread_more));
        }
        if let Some(parts) = &written.split {
            text += &format!("\n  {} train, {} validation, {} test", parts.train, parts.validation, parts.test);
        }
        text
    };
    show::tell(args.common.output.json, || json!(written), text);
    Ok(())
}
