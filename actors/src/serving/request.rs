//! What is asked for: the body of `POST /predict`, a line of a stream, and the data of the event of the same meaning. Each
//! application is read by itself, so that a bad one costs no other its answer.

mod members;
mod options;

pub use options::RequestOptions;

use members::{Members, Rows};
use provost_domain::check::brief;
use provost_domain::fields::Fields;
use provost_domain::{Fault, Faults, limits};
use provost_predict::application::Application;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use utoipa::ToSchema;

/// The longest option, in bytes.
const OPTION_BYTES: usize = 1_000;

/// How many applications one request may have, and which members beside them and the options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestBounds {
    pub rows: usize,
    /// With explanations, counterfactuals or similar rows.
    pub explained: usize,
    /// Texts that the caller reads itself.
    pub others: &'static [&'static str],
}

impl Default for RequestBounds {
    fn default() -> Self {
        Self { rows: limits::PREDICT_ROWS, explained: limits::PREDICT_ROWS_EXPLAINED, others: &[] }
    }
}

/// A fault of one application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RowError {
    /// The row's number in the request, from 0.
    pub row: usize,
    /// `bad_value`, or `unreadable_row` where the application as a whole is at fault.
    pub code: &'static str,
    /// Where in the application.
    pub pointer: String,
    pub message: String,
}

impl RowError {
    pub fn new(row: usize, fault: Fault) -> Self {
        let code = if fault.pointer.is_empty() { "unreadable_row" } else { "bad_value" };
        Self { row, code, pointer: fault.pointer, message: fault.message }
    }
}

/// A request that was read.
#[derive(Debug, Clone)]
pub struct PredictRequest {
    /// The applications that could be read.
    pub applications: Vec<Application>,
    /// The number in the request, from 0, of each of them.
    pub numbers: Vec<usize>,
    /// The faults of the others.
    pub errors: Vec<RowError>,
    pub options: RequestOptions,
    /// The applications stand in `applications`; one application was the body otherwise.
    pub many: bool,
}

impl PredictRequest {
    /// Reads one application, or `{"applications": [...], "model_id"?, "explain"?, "similar"?, "counterfactual"?, "coverage"?}`.
    /// `of_one` are the options of a body that is one application.
    ///
    /// # Errors
    /// What is wrong with the request as a whole: no such object, a bad option, too many applications. Faults of applications
    /// are in `errors`.
    pub fn read(body: &[u8], of_one: RequestOptions, bounds: RequestBounds) -> Result<Self, Faults> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(whole("the body is empty; an application or an object with `applications` is needed"));
        }
        let text = std::str::from_utf8(body).map_err(|e| whole(format!("the body is not UTF-8: {e}")))?;
        let members: Members<'_> =
            serde_json::from_str(text).map_err(|e| whole(format!("the body is not readable: {e}")))?;
        let Some(rows) = members.applications else {
            return Ok(Self::of_rows(&[text.trim()], of_one, false));
        };
        let options = options(&members.others, bounds.others)?;
        let most = if options.is_costly() { bounds.explained } else { bounds.rows };
        match rows {
            Rows::Texts(rows) if (1..=most).contains(&rows.len()) => Ok(Self::of_rows(&rows, options, true)),
            Rows::Texts(rows) => Err(wrong_number(&rows.len().to_string(), most, &options)),
            Rows::TooMany => Err(wrong_number(&format!("more than {}", limits::PREDICT_ROWS), most, &options)),
        }
    }

    fn of_rows(rows: &[&str], options: RequestOptions, many: bool) -> Self {
        let mut request = Self { applications: Vec::new(), numbers: Vec::new(), errors: Vec::new(), options, many };
        for (number, text) in rows.iter().enumerate() {
            match application(text.as_bytes()) {
                Ok(application) => {
                    request.applications.push(application);
                    request.numbers.push(number);
                }
                Err(faults) => {
                    let few = request.errors.len() < limits::PREDICT_FAULTS;
                    let named = faults.0.into_iter().take(if few { limits::PREDICT_ROW_FAULTS } else { 1 });
                    request.errors.extend(named.map(|fault| RowError::new(number, fault)));
                }
            }
        }
        request
    }

    /// The faults of a request in which no application could be read, with pointers that begin at the body.
    pub fn all_faults(&self) -> Faults {
        let pointer = |error: &RowError| match self.many {
            true => format!("/applications/{}{}", error.row, error.pointer),
            false => error.pointer.clone(),
        };
        let fault = |error: &RowError| Fault { pointer: pointer(error), message: error.message.clone() };
        Faults(self.errors.iter().take(limits::FAULTS).map(fault).collect())
    }
}

/// Reads one application.
///
/// # Errors
/// The first faults of the application, each with its pointer.
pub fn application(text: &[u8]) -> Result<Application, Faults> {
    let most = limits::PREDICT_ROW_BYTES;
    if text.len() > most {
        return Err(whole(format!("the application has more than {most} bytes; at most {most} are allowed")));
    }
    Application::from_json(text).map_err(|mut faults| {
        faults.0.truncate(limits::PREDICT_ROW_FAULTS);
        faults
    })
}

fn whole(message: impl Into<String>) -> Faults {
    Faults(vec![Fault { pointer: String::new(), message: message.into() }])
}

fn wrong_number(given: &str, most: usize, options: &RequestOptions) -> Faults {
    let with = if options.is_costly() { " with `explain`, `similar` or `counterfactual`" } else { "" };
    let message = format!("`applications` has {given} items; 1 to {most} are allowed{with}");
    Faults(vec![Fault { pointer: "/applications".to_owned(), message }])
}

/// The options of a body; unknown members are faults.
fn options(members: &[(Cow<'_, str>, &RawValue)], others: &[&'static str]) -> Result<RequestOptions, Faults> {
    let mut long = Vec::new();
    let mut body = Map::new();
    for (name, text) in members {
        if text.get().len() > OPTION_BYTES {
            let name = brief(name, 80);
            let message = format!("`{name}` is longer than {OPTION_BYTES} bytes");
            long.push(Fault { pointer: format!("/{name}"), message });
            continue;
        }
        // The text was checked when the body was read.
        body.insert(name.to_string(), serde_json::from_str(text.get()).unwrap_or_default());
    }
    if !long.is_empty() {
        return Err(Faults(long));
    }
    let body = Value::Object(body);
    let mut fields = Fields::new(&body, "a prediction request")?;
    for name in others {
        fields.optional_text(name, OPTION_BYTES);
    }
    let options = RequestOptions::from_fields(&mut fields);
    fields.finish(options)
}

#[cfg(test)]
mod tests;
