//! The output: one JSON object per algorithm, or a table.

use super::{FitOptions, Learned};
use provost_domain::{Algorithm, visible};
use provost_learn::metrics::scores;
use provost_learn::{Dataset, LearnError, Model};
use serde_json::{Map, Value, json};
use std::io::Write;

/// A number with `digits` decimals as JSON; null if it is not finite.
pub fn rounded(value: f64, digits: i32) -> Value {
    let unit = 10f64.powi(digits);
    json!((value * unit).round() / unit)
}

/// The fields that come before the scores.
pub fn head(algorithm: Algorithm, options: &FitOptions, train_rows: usize, learned: &Learned) -> Map<String, Value> {
    let fields = [
        ("algorithm", json!(algorithm)),
        ("mode", json!(options.mode.as_str())),
        ("train_rows", json!(train_rows)),
        ("threads", json!(options.threads)),
        ("wall_s", rounded(learned.wall, 4)),
        ("cpu_s", rounded(learned.cpu, 4)),
        ("rss_mb", json!(learned.rss_mb)),
    ];
    let mut line: Map<String, Value> = fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    line.extend(learned.extra.clone());
    line
}

/// The scores of decisions at 0.5 and of probabilities.
pub fn score(model: &Model, data: &Dataset, rows: &[u32]) -> Result<Map<String, Value>, LearnError> {
    let p = model.predict_proba(data.x(), rows)?;
    let y: Vec<u8> = rows.iter().map(|r| data.y()[*r as usize]).collect();
    let s = scores(&y, &p, 0.5);
    let fields = [
        ("accuracy", s.accuracy),
        ("precision", s.precision),
        ("recall", s.recall),
        ("f1", s.f1_score),
        ("auc", s.auc_roc),
        ("brier", s.brier),
        ("log_loss", s.log_loss),
    ];
    let mut out = Map::from_iter([("rows".to_owned(), json!(rows.len()))]);
    out.extend(fields.into_iter().map(|(name, v)| (name.to_owned(), rounded(v, 5))));
    Ok(out)
}

pub struct Report<'o> {
    json: bool,
    out: &'o mut dyn Write,
    lines: usize,
    best: Vec<String>,
}

impl<'o> Report<'o> {
    pub fn new(json: bool, out: &'o mut dyn Write) -> Self {
        Self { json, out, lines: 0, best: Vec::new() }
    }

    pub fn line(&mut self, line: Map<String, Value>) -> std::io::Result<()> {
        if self.json {
            writeln!(self.out, "{}", visible::json(&Value::Object(line).to_string()))?;
        } else {
            self.row(&line)?;
        }
        self.lines += 1;
        self.out.flush()
    }

    /// Writes the chosen parameters below the table.
    pub fn end(self) -> std::io::Result<()> {
        for best in &self.best {
            writeln!(self.out, "{best}")?;
        }
        self.out.flush()
    }

    fn row(&mut self, line: &Map<String, Value>) -> std::io::Result<()> {
        let heldout = line.get("heldout");
        if self.lines == 0 {
            write!(
                self.out,
                "{:<20} {:>7} {:>9} {:>9} {:>7} {:>7} {:>8} {:>7} {:>7} {:>7} {:>8}",
                "algorithm", "rows", "wall s", "cpu s", "RSS MB", "cv F1", "accuracy", "F1", "AUC", "Brier", "log loss"
            )?;
            writeln!(self.out, "{}", if heldout.is_some() { "  held-out AUC" } else { "" })?;
        }
        let text = |value: Option<&Value>, digits: usize| match value.and_then(Value::as_f64) {
            Some(v) => format!("{v:.digits$}"),
            None => "-".to_owned(),
        };
        let test = |name: &str| text(line.get("test").and_then(|t| t.get(name)), 4);
        write!(
            self.out,
            "{:<20} {:>7} {:>9} {:>9} {:>7} {:>7} {:>8} {:>7} {:>7} {:>7} {:>8}",
            line.get("algorithm").and_then(Value::as_str).unwrap_or_default(),
            text(line.get("train_rows"), 0),
            text(line.get("wall_s"), 3),
            text(line.get("cpu_s"), 3),
            text(line.get("rss_mb"), 0),
            text(line.get("cv_f1"), 4),
            test("accuracy"),
            test("f1"),
            test("auc"),
            test("brier"),
            test("log_loss")
        )?;
        match heldout {
            Some(held) => writeln!(self.out, "  {:>12}", text(held.get("auc"), 4))?,
            None => writeln!(self.out)?,
        }
        if let (Some(Value::String(algorithm)), Some(best)) = (line.get("algorithm"), line.get("best")) {
            self.best.push(visible::line(&format!("best {algorithm}: {best}")).into_owned());
        }
        Ok(())
    }
}
