//! The lines of a streamed answer.

use crate::http::problem::Problem;
use actix_web::web::Bytes;
use provost_actors::serving::{Answered, RowAnswer, RowError, application};
use provost_domain::{Fault, Faults, ModelId, limits};
use provost_predict::application::Application;
use serde::Serialize;
use utoipa::ToSchema;

/// The rows of one batch.
pub struct Batch {
    pub applications: Vec<Application>,
    /// The number of each row in the stream.
    pub numbers: Vec<usize>,
    /// The faults of the lines that are not rows.
    pub faults: Vec<(usize, Faults)>,
}

impl Batch {
    /// Reads lines; the first line that is not empty is row `first`.
    pub fn read(lines: &[u8], first: usize) -> Self {
        let mut batch = Self { applications: Vec::new(), numbers: Vec::new(), faults: Vec::new() };
        for (number, line) in (first..).zip(rows(lines)) {
            match application(line) {
                Ok(application) => {
                    batch.applications.push(application);
                    batch.numbers.push(number);
                }
                Err(faults) => batch.faults.push((number, faults)),
            }
        }
        batch
    }
}

/// The lines that are rows: blank lines are not, unless they are longer than a row may be.
pub fn rows(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines.split(|b| *b == b'\n').filter_map(|line| {
        if line.len() > limits::PREDICT_ROW_BYTES {
            return Some(line);
        }
        let line = line.trim_ascii();
        (!line.is_empty()).then_some(line)
    })
}

/// A line of a streamed answer.
// Lines are written from the structs below; here they are for the OpenAPI document.
// Each is written at once: a large variant costs no memory, and a box would cost an allocation for each line.
#[allow(clippy::large_enum_variant)]
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum StreamedAnswer<'a> {
    Prediction(PredictionLine<'a>),
    Faults(FaultLine<'a>),
    End(LastLine<'a>),
}

/// A prediction.
#[derive(Serialize, ToSchema)]
pub struct PredictionLine<'a> {
    pub model_id: &'a ModelId,
    #[serde(flatten)]
    pub prediction: RowAnswer,
}

/// The faults of a row that could not be read.
#[derive(Serialize, ToSchema)]
pub struct FaultLine<'a> {
    /// The row's number in the stream, from 0.
    pub row: usize,
    pub model_id: &'a ModelId,
    pub errors: Vec<LineFault>,
}

#[derive(Serialize, ToSchema)]
pub struct LineFault {
    pub code: &'static str,
    /// The place in the application.
    pub pointer: String,
    pub message: String,
}

/// The last line of a stream that broke off.
#[derive(Serialize, ToSchema)]
pub struct LastLine<'a> {
    /// The first row without an answer.
    pub row: usize,
    pub model_id: &'a ModelId,
    /// Why the stream ends before its last row.
    pub broken: &'a Problem,
}

/// The lines of a batch in the order of its rows.
pub fn write(model_id: &ModelId, numbers: &[usize], answered: &[Answered], faults: &[(usize, Faults)]) -> Bytes {
    let mut out = Vec::new();
    let mut faults = faults.iter().peekable();
    for (row, answered) in numbers.iter().zip(answered) {
        while let Some((number, found)) = faults.next_if(|(number, _)| number < row) {
            write_faults(&mut out, model_id, *number, found);
        }
        let prediction = RowAnswer::new(*row, answered.clone());
        write_line(&mut out, &StreamedAnswer::Prediction(PredictionLine { model_id, prediction }));
    }
    for (number, found) in faults {
        write_faults(&mut out, model_id, *number, found);
    }
    Bytes::from(out)
}

/// The last line of a stream that breaks off because of `broken`; `row` is the first one without an answer.
pub fn last(model_id: &ModelId, row: usize, broken: &Problem) -> Bytes {
    let mut out = Vec::new();
    write_line(&mut out, &StreamedAnswer::End(LastLine { row, model_id, broken }));
    Bytes::from(out)
}

fn write_faults(out: &mut Vec<u8>, model_id: &ModelId, row: usize, faults: &Faults) {
    let line = |fault: &Fault| {
        let RowError { code, pointer, message, .. } = RowError::new(row, fault.clone());
        LineFault { code, pointer, message }
    };
    let errors = faults.0.iter().take(limits::PREDICT_ROW_FAULTS).map(line).collect();
    write_line(out, &StreamedAnswer::Faults(FaultLine { row, model_id, errors }));
}

fn write_line(out: &mut Vec<u8>, line: &StreamedAnswer<'_>) {
    // Lines are plain structs of texts and numbers, written to memory: this does not fail.
    let _ = serde_json::to_writer(&mut *out, line);
    out.push(b'\n');
}
