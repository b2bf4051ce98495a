//! The commands that move data: import, sample, features.

use super::{FeaturesArgs, ImportArgs, SampleArgs, show};
use crate::error::{Error, Result};
use crate::features::{self, Source};
use crate::import::{self, Counts, ReadBytes, Rejects, Report};
use crate::settings::Settings;
use crate::{open, sample};
use chrono::Utc;
use provost_domain::mapping::CsvMapping;
use provost_domain::visible;
use provost_store::private;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

const IMPORT_BAR: &str = "  {bar:30.green/dim} {binary_bytes:>10} of {binary_total_bytes}  {msg}";

fn options(settings: &Settings, files: Vec<PathBuf>) -> import::Options {
    import::Options {
        files,
        format: import::Format::Auto,
        mapping: None,
        verified: false,
        max_line_bytes: settings.import.max_line_bytes,
        batch: settings.import.batch,
        threads: settings.threads,
    }
}

/// Which column fills which field, as TOML.
fn mapping(path: &Path) -> Result<CsvMapping> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| Error::Usage(format!("cannot read mapping {name}: {e}")))?;
    toml::from_str(&text).map_err(|e| Error::Usage(format!("mapping {name}: {}", e.to_string().trim_end())))
}

fn same_file(a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

pub fn import(args: &ImportArgs) -> Result<()> {
    let settings = args.common.settings()?;
    let json = args.common.output.json;
    let mapping = args.mapping.as_deref().map(mapping).transpose()?;
    if let Some(rejects) = &args.rejects
        && args.files.iter().any(|f| same_file(f, rejects))
    {
        return Err(Error::Usage(format!("--rejects {} would overwrite a file that is imported", rejects.display())));
    }
    let runtime = open::runtime()?;
    let store = open::store(&settings)?;
    if let Some(said) = private::narrow(&settings.data_dir)?.text(&settings.data_dir) {
        show::error(&said);
    }
    let rejects = match &args.rejects {
        Some(path) => Rejects::create(path.clone())?,
        None => {
            let name = format!("rejects-{}.jsonl", Utc::now().format("%Y%m%dT%H%M%S%3f"));
            Rejects::lazily(settings.data_dir.join(name))
        }
    };
    let options = import::Options {
        format: args.format,
        mapping,
        verified: args.verified,
        ..options(&settings, args.files.clone())
    };
    let total = args.files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum();
    let bar = show::bar(total, IMPORT_BAR, json);
    let read = ReadBytes::default();
    let mut kept = 0;
    let report = import::run(&options, &settings.features, &store, &runtime, rejects, &read, |counts| {
        kept = counts.inserted + counts.superseded;
        bar.set_position(read.load(Ordering::Relaxed));
        bar.set_message(format!("{} points", show::thousands(counts.rows)));
    });
    bar.finish_and_clear();
    let kept = show::thousands(kept);
    let report =
        report.map_err(|e| Error::failed(format!("{e} ({kept} points are stored; the same import again goes on)")))?;
    show::tell(json, || json!(report), || summary(&report));
    let broken: Vec<String> =
        report.broken().map(|(file, why)| visible::line(&format!("{file}: {why}")).into_owned()).collect();
    if broken.is_empty() {
        return Ok(());
    }
    let stored = if report.counts.rows > 0 { " (what was read before that is stored)" } else { "" };
    Err(Error::failed(format!("{}{stored}", broken.join("; "))))
}

fn summary(report: &Report) -> String {
    let Counts { rows, inserted, unchanged, superseded, stale, conflicts, rejected, outliers } = report.counts;
    let mut out = format!(
        "{} rows in {} ({} rows/s)",
        show::thousands(rows),
        show::seconds(report.seconds),
        show::thousands(report.rows_per_second as u64)
    );
    for (name, count, always, what) in [
        ("inserted", inserted, true, ""),
        ("unchanged", unchanged, true, "stored before with the same content"),
        ("superseded", superseded, false, "replaced a lower seq"),
        ("stale", stale, false, "a higher seq is stored"),
        ("conflicts", conflicts, false, "same seq, other content: refused"),
        ("rejected", rejected, true, "no data points"),
        ("outliers", outliers, false, "values off every scale, kept as missing"),
    ] {
        if always || count > 0 {
            let what = if what.is_empty() || count == 0 { String::new() } else { format!("  {what}") };
            out.push_str(&format!("\n  {name:<10} {:>10}{what}", show::thousands(count)));
        }
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
    let drawn = sample::write(args.rows, args.seed, &args.out, |n| bar.set_position(n));
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
            drawn.bayes_auc.map_or_else(|| "undefined (one class only)".to_owned(), |auc| format!("{auc:.4}"))
        )
    };
    show::tell(json, object, text);
    Ok(())
}

pub fn features(args: &FeaturesArgs) -> Result<()> {
    let settings = args.common.settings()?;
    let source = match &args.file {
        Some(path) => Source::File(options(&settings, vec![path.clone()])),
        None => Source::Store,
    };
    let written = features::write(&settings, source, &args.out, args.split, args.features == "extended")?;
    let text = || {
        let mut text = format!("{} rows in {}", show::thousands(written.rows), args.out.display());
        if written.undecided > 0 {
            text +=
                &format!("\n  {} rows neither accepted nor rejected are left out", show::thousands(written.undecided));
        }
        if written.rejected > 0 {
            text += &format!(
                "\n  {} rows are no data points (`provost import` says why)",
                show::thousands(written.rejected)
            );
        }
        if let Some(parts) = &written.split {
            text += &format!("\n  {} train, {} validation, {} test", parts.train, parts.validation, parts.test);
        }
        text
    };
    show::tell(args.common.output.json, || json!(written), text);
    match &written.error {
        None => Ok(()),
        Some(why) => Err(Error::failed(format!("{why} (what was read before that is in {})", args.out.display()))),
    }
}
