//! The predictions of a file: JSON lines or CSV.

use crate::error::Result;
use crate::output::OutFile;
use provost_domain::visible;
use provost_predict::application::Application;
use provost_predict::outcome::Outcome;
use provost_predict::serving::{Prediction, ServingModel};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    JsonLines,
    Csv,
}

impl Layout {
    /// By the file's name.
    pub fn of(path: &Path) -> Self {
        let is_csv = path.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("csv"));
        if is_csv { Self::Csv } else { Self::JsonLines }
    }
}

const COLUMNS: [&str; 8] = [
    "row",
    "line",
    "data_point_id",
    "probability",
    "probability_low",
    "probability_high",
    "predicted_outcome",
    "error",
];

pub struct Out {
    file: OutFile,
    layout: Layout,
    model: String,
}

impl Out {
    /// # Errors
    /// If the file cannot be written, or is one of `inputs`.
    pub fn create(path: &Path, inputs: &[&Path], layout: Layout, model: &str) -> Result<Self> {
        let mut out = Self { file: OutFile::create(path, inputs)?, layout, model: model.to_owned() };
        if layout == Layout::Csv {
            out.record(COLUMNS.map(str::to_owned))?;
        }
        Ok(out)
    }

    /// Writes a row's prediction; true if the model accepts.
    pub fn predict(
        &mut self,
        model: &ServingModel,
        row: u64,
        line: u64,
        application: &Application,
        coverage: f64,
        explain: bool,
    ) -> Result<bool> {
        let Some(prediction) = model.predict(std::slice::from_ref(application), coverage).pop() else {
            return Ok(false);
        };
        let accepted = prediction.predicted_outcome == Outcome::Accepted;
        let id = application.data_point_id.as_deref();
        match self.layout {
            Layout::Csv => {
                let Prediction { probability, probability_low, probability_high, predicted_outcome, .. } = &prediction;
                let number = |value: &Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
                self.record([
                    row.to_string(),
                    line.to_string(),
                    id.unwrap_or_default().to_owned(),
                    probability.to_string(),
                    number(probability_low),
                    number(probability_high),
                    predicted_outcome.as_str().to_owned(),
                    String::new(),
                ])?;
            }
            Layout::JsonLines => {
                let mut object = json!({"row": row, "line": line, "model_id": self.model});
                if let Some(id) = id {
                    object["data_point_id"] = json!(id);
                }
                merge(&mut object, json!(prediction));
                if explain {
                    match model.explain(application) {
                        Ok(explanation) => object["explanation"] = json!(explanation),
                        Err(why) => {
                            object["explanation"] = Value::Null;
                            object["explanation_code"] = json!(why.code());
                        }
                    }
                }
                self.line(&object)?;
            }
        }
        Ok(accepted)
    }

    /// Writes why a row has no prediction.
    pub fn fault(&mut self, row: u64, line: u64, reason: &str) -> Result<()> {
        match self.layout {
            Layout::Csv => {
                let mut cells = std::array::from_fn(|_| String::new());
                (cells[0], cells[1]) = (row.to_string(), line.to_string());
                cells[COLUMNS.len() - 1] = visible::line(reason).into_owned();
                self.record(cells)
            }
            Layout::JsonLines => self.line(&json!({"row": row, "line": line, "model_id": self.model, "error": reason})),
        }
    }

    pub fn finish(self) -> Result<()> {
        self.file.finish()
    }

    fn line(&mut self, object: &Value) -> Result<()> {
        // Texts of the file stay escaped, so that no terminal obeys them.
        Ok(writeln!(self.file, "{}", visible::json(&object.to_string()))?)
    }

    fn record(&mut self, cells: [String; COLUMNS.len()]) -> Result<()> {
        let mut writer = csv::Writer::from_writer(&mut self.file);
        writer.write_record(cells).map_err(anyhow::Error::from)?;
        Ok(writer.flush()?)
    }
}

fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}
