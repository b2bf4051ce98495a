//! `/data/upload`: a file of data points is sent, looked at, mapped by picking columns, and imported.

use super::form::{Form, Wrong};
use super::shell::{Section, Shell};
use super::text::{Mark, count, shown, span, words};
use super::{PageError, State, html, render, respond, see};
use crate::http::points::{Reading, mapping, rejects_address, run, unread};
use crate::http::problem::{Problem, only, readable};
use crate::http::uploads::Upload;
use crate::import::Report;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, Payload, block};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use provost_domain::mapping::{Mapping, field_names};
use provost_domain::{Fault, limits};
use provost_reader::Preview;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::sync::Arc;

pub fn routes(config: &mut web::ServiceConfig) {
    let resource = |path: &str| web::resource(path.to_owned()).default_service(only("GET, HEAD, POST"));
    config
        .service(resource("/data/upload").route(readable().to(choose)).route(web::post().to(send)))
        .service(resource("/data/upload/{upload_id}").route(readable().to(page)).route(web::post().to(import)));
}

/// Fields that a file most likely has; the others are folded away.
const FIRST: [&str; 14] = [
    "data_point_id",
    "decision",
    "university_name",
    "program_name",
    "application_year",
    "gpa",
    "gpa_scale",
    "gre_verbal",
    "gre_quant",
    "toefl_total",
    "ielts_total",
    "acceptance_rate",
    "university_ranking",
    "decision_date",
];
/// Fields that may have one value for all rows.
const CONSTANTS: [&str; 4] = ["university_name", "program_name", "application_year", "gpa_scale"];
/// Columns that a preview shows.
const COLUMNS: usize = 24;
/// Characters of a cell that it shows.
const CELL: usize = 40;

#[derive(Template)]
#[template(path = "upload/choose.html")]
struct Choose {
    shell: Shell,
    mebibytes: usize,
}

async fn choose(request: HttpRequest) -> Result<HttpResponse, PageError> {
    let shell = Shell::of(&request, Section::Data, "Upload");
    html(&Choose { shell, mebibytes: limits::UPLOAD_BYTES >> 20 })
}

async fn send(state: Data<State>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, PageError> {
    let received = state.uploads.receive(&state, &request, payload, None).await?;
    Ok(see(&format!("/data/upload/{}", received.upload.id)))
}

/// A field, and the column that it is read from.
struct Field {
    name: String,
    title: String,
    /// By the number of its column.
    options: Vec<Choice>,
    /// Its value in every row; none where there can be no such value.
    constant: Option<String>,
}

struct Choice {
    value: String,
    name: String,
    is_chosen: bool,
}

/// What the last import came to.
struct Outcome {
    mark: Mark,
    sentence: String,
    facts: Vec<(&'static str, String)>,
    reasons: Vec<(String, String)>,
    rejects: Option<String>,
    error: String,
    unread: String,
}

#[derive(Template)]
#[template(path = "upload/page.html")]
struct Page {
    shell: Shell,
    id: String,
    name: String,
    told: String,
    columns: Vec<String>,
    more_columns: usize,
    rows: Vec<Vec<String>>,
    /// Whether the file can be read without a mapping.
    goes_by_names: bool,
    mode: String,
    id_prefix: String,
    first: Vec<Field>,
    others: Vec<Field>,
    toml: String,
    is_verified: bool,
    wrong: Vec<Wrong>,
    outcome: Option<Outcome>,
}

fn outcome(upload: &Upload, report: &Report) -> Outcome {
    let counts = &report.counts;
    let file = report.files.first();
    let error = file.and_then(|file| file.error.as_deref()).map(shown).unwrap_or_default();
    let new = counts.inserted + counts.superseded;
    let mark = if !error.is_empty() || (counts.rows > 0 && counts.rejected == counts.rows) {
        Mark::FAILED
    } else if counts.rejected + counts.conflicts > 0 {
        Mark::NEEDS
    } else {
        Mark::DONE
    };
    let number = |name, n: u64| (name, count(n));
    Outcome {
        mark,
        sentence: format!("{} of {} rows are new or changed.", count(new), count(counts.rows)),
        facts: vec![
            number("New", counts.inserted),
            number("Changed", counts.superseded),
            number("Known already", counts.unchanged + counts.stale),
            number("In conflict with stored rows", counts.conflicts),
            number("Rejected", counts.rejected),
            number("Left out", counts.left_out),
            number("Impossible values, kept as missing", counts.outliers),
            ("Took", span(report.seconds)),
        ],
        reasons: report.reasons.iter().map(|one| (shown(&one.reason), count(one.rows))).collect(),
        rejects: report.rejects.as_ref().map(|_| rejects_address(&upload.id)),
        error,
        unread: file.map(|file| provost_domain::mapping::listed(&file.unread, file.unread_more)).unwrap_or_default(),
    }
}

/// What is known of a file before it is imported.
struct Head {
    preview: Preview,
    goes_by_names: bool,
    guessed: Value,
}

/// Reads the head of an upload, on a thread of its own.
async fn head(state: &State, upload: &Arc<Upload>) -> Result<Head, PageError> {
    let (upload, options) = (upload.clone(), Reading::default().options(state));
    let read = block(move || {
        let open = || File::open(upload.path()).map_err(|error| Problem::internal(&error));
        let preview = provost_reader::preview(&upload.name, open()?, &options).map_err(unread)?;
        let goes_by_names = provost_reader::check(&upload.name, open()?, &options).is_ok() && is_own(&preview);
        let guessed = toml::from_str(&preview.mapping).unwrap_or_default();
        Ok::<_, Problem>(Head { preview, goes_by_names, guessed: Value::Object(guessed) })
    });
    Ok(read.await.map_err(|error| Problem::internal(&error))??)
}

/// Whether the columns go by the fields' own names, or the rows are whole data points.
fn is_own(preview: &Preview) -> bool {
    let has = |name: &str| preview.columns.iter().any(|column| column == name || column.ends_with(&format!(".{name}")));
    preview.has_header && has("decision") && (has("university_name") || preview.columns.iter().any(|c| c == "program"))
}

/// The column that a field is read from in a mapping's document, by its name or its number.
fn source_column(source: &Value) -> Option<String> {
    let column = source.get("column").unwrap_or(source);
    column.as_str().map(str::to_owned).or_else(|| column.as_u64().map(|number| number.to_string()))
}

/// What the form says, or what is guessed.
struct Filled<'a> {
    head: &'a Head,
    form: Option<&'a Form>,
}

impl Filled<'_> {
    fn columns(&self) -> &[String] {
        &self.head.preview.columns
    }

    /// The number of the column that a field is read from.
    fn column(&self, field: &str) -> Option<usize> {
        match self.form {
            Some(form) => form.get(&format!("f-{field}")).and_then(|text| text.parse().ok()),
            None => {
                let wanted = source_column(self.head.guessed.pointer(&format!("/columns/{field}"))?)?;
                self.columns().iter().position(|column| column.trim() == wanted.trim())
            }
        }
    }

    fn constant(&self, field: &str) -> String {
        match self.form {
            Some(form) => form.get(&format!("c-{field}")).unwrap_or_default().trim().to_owned(),
            None => match self.head.guessed.pointer(&format!("/constants/{field}")) {
                Some(Value::String(text)) if text == "FILL IN" => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            },
        }
    }

    fn id_prefix(&self) -> String {
        let guessed = || self.head.guessed.get("id_prefix").and_then(Value::as_str);
        let text = self.form.map_or_else(guessed, |form| form.get("id_prefix"));
        text.unwrap_or_default().to_owned()
    }

    fn field(&self, name: String) -> Field {
        let chosen = self.column(&name);
        let none = Choice { value: String::new(), name: "–".to_owned(), is_chosen: chosen.is_none() };
        let options = self.columns().iter().enumerate().map(|(number, column)| Choice {
            value: number.to_string(),
            name: shown(column),
            is_chosen: chosen == Some(number),
        });
        Field {
            title: words(&name),
            options: std::iter::once(none).chain(options).collect(),
            constant: CONSTANTS.contains(&name.as_str()).then(|| self.constant(&name)),
            name,
        }
    }

    /// The mapping that was picked: the guess, with these columns and constants.
    fn document(&self) -> Value {
        let mut document = self.head.guessed.clone();
        let guessed = |field: &str| self.head.guessed.pointer(&format!("/columns/{field}"));
        let mut columns = Map::new();
        let mut constants = Map::new();
        for field in field_names() {
            if let Some(name) = self.column(&field).and_then(|number| Some((number, self.columns().get(number)?))) {
                let (number, name) = name;
                let same = guessed(&field).filter(|source| source_column(source).as_deref() == Some(name.trim()));
                let plain = || if self.head.preview.has_header { json!(name) } else { json!(number) };
                columns.insert(field, same.cloned().unwrap_or_else(plain));
            } else if CONSTANTS.contains(&field.as_str()) && !self.constant(&field).is_empty() {
                let text = self.constant(&field);
                let number = if field.ends_with("_name") {
                    None
                } else {
                    text.parse::<f64>().ok().filter(|number| number.is_finite())
                };
                let whole = text.parse::<i64>().ok().filter(|_| number.is_some());
                constants.insert(field, whole.map(Value::from).or(number.map(Value::from)).unwrap_or(json!(text)));
            }
        }
        // What the words of another column mean is not known.
        if columns.get("decision") != guessed("decision")
            && let Some(document) = document.as_object_mut()
        {
            for name in ["decisions", "leave_out", "threshold"] {
                document.remove(name);
            }
        }
        document["id_prefix"] = if self.id_prefix().is_empty() { Value::Null } else { json!(self.id_prefix()) };
        document["columns"] = Value::Object(columns);
        document["constants"] = Value::Object(constants);
        document
    }
}

fn show(request: &HttpRequest, upload: &Upload, head: &Head, form: Option<&Form>, wrong: Vec<Wrong>) -> Page {
    let filled = Filled { head, form };
    let cell = |text: &String| {
        let text = shown(text);
        provost_domain::check::brief(&text, CELL).into_owned()
    };
    let report = upload.report().filter(|_| wrong.is_empty());
    let outcome = report.map(|report| outcome(upload, &report));
    let state = match (&outcome, wrong.is_empty()) {
        (_, false) => Mark::FAILED.shape,
        (Some(outcome), true) => outcome.mark.shape,
        (None, true) => Mark::TO_DO.shape,
    };
    let mode = form.and_then(|form| form.get("mode")).unwrap_or(if head.goes_by_names { "names" } else { "pick" });
    let others = field_names().into_iter().filter(|name| !FIRST.contains(&name.as_str()));
    Page {
        shell: Shell::of(request, Section::Data, format!("{state} Upload {}", shown(&upload.name))),
        id: upload.id.clone(),
        name: shown(&upload.name),
        told: head.preview.told.join(", "),
        columns: head.preview.columns.iter().take(COLUMNS).map(cell).collect(),
        more_columns: head.preview.columns.len().saturating_sub(COLUMNS),
        rows: head.preview.rows.iter().map(|row| row.iter().take(COLUMNS).map(cell).collect()).collect(),
        goes_by_names: head.goes_by_names,
        mode: mode.to_owned(),
        id_prefix: filled.id_prefix(),
        first: FIRST.iter().map(|name| filled.field((*name).to_owned())).collect(),
        others: others.map(|name| filled.field(name)).collect(),
        toml: form.and_then(|form| form.get("toml")).unwrap_or(&head.preview.mapping).to_owned(),
        is_verified: form.is_some_and(|form| form.get("verified").is_some()),
        wrong,
        outcome,
    }
}

async fn page(state: Data<State>, request: HttpRequest, path: Path<String>) -> Result<HttpResponse, PageError> {
    let upload = state.uploads.get(&request, &path)?;
    let head = head(&state, &upload).await?;
    html(&show(&request, &upload, &head, None, Vec::new()))
}

/// Where on the form a fault of a mapping is.
fn wrong(fault: &Fault) -> Wrong {
    let mut parts = fault.pointer.trim_start_matches("/mapping").split('/').skip(1);
    let field = match (parts.next(), parts.next()) {
        (Some("columns" | "constants"), Some(field)) => format!("f-{field}"),
        _ => String::new(),
    };
    Wrong { field, message: shown(&fault.message) }
}

async fn import(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let upload = state.uploads.get(&request, &path)?;
    let head = head(&state, &upload).await?;
    let mapping = match form.get("mode") {
        Some("names") => Ok(None),
        Some("toml") => mapping(form.get("toml").unwrap_or_default().trim()).map(Some),
        _ => Ok(Some(Mapping::from_json(&Filled { head: &head, form: Some(&form) }.document()))),
    };
    let reading = |mapping| Reading { mapping, verified: form.get("verified").is_some(), ..Reading::default() };
    let imported = match mapping {
        Ok(mapping) => run(&state, &upload, &reading(mapping)).await.map(drop),
        Err(problem) => Err(problem),
    };
    match imported {
        Ok(()) => Ok(see(&format!("/data/upload/{}?done=imported", upload.id))),
        Err(problem) if problem.status == StatusCode::UNPROCESSABLE_ENTITY.as_u16() => {
            let wrong = problem.errors.iter().map(wrong).collect();
            let page = show(&request, &upload, &head, Some(&form), wrong);
            Ok(respond(StatusCode::UNPROCESSABLE_ENTITY, render(&page)?))
        }
        Err(problem) => Err(problem.into()),
    }
}
