//! `/data/upload`: a file of data points is uploaded, previewed, mapped by picking columns, and imported.

mod filled;

use super::curl;
use super::form::{Form, Wrong};
use super::shell::{Section, Shell};
use super::text::{Mark, count, shown, span};
use super::{PageError, State, html, render, respond, see};
use crate::http::points::{Reading, mapping, rejects_address, run, unread};
use crate::http::problem::{Problem, only, readable};
use crate::http::uploads::Upload;
use crate::import::Report;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, Payload, block};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use filled::Filled;
use provost_domain::mapping::{Mapping, field_names};
use provost_domain::{Fault, limits};
use provost_reader::Preview;
use serde_json::Value;
use std::fs::File;
use std::sync::Arc;

pub fn routes(config: &mut web::ServiceConfig) {
    let resource = |path: &str| web::resource(path.to_owned()).default_service(only("GET, HEAD, POST"));
    config
        .service(resource("/data/upload").route(readable().to(choose)).route(web::post().to(send)))
        .service(resource("/data/upload/{upload_id}").route(readable().to(page)).route(web::post().to(import)));
}

/// Fields that most files have. The others are folded away.
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
/// The most columns that a preview shows.
const COLUMNS: usize = 24;
/// The most characters that it shows of a cell.
const CELL: usize = 40;

#[derive(Template)]
#[template(path = "upload/choose.html")]
struct Choose {
    shell: Shell,
    curl: String,
    mebibytes: usize,
    wrong: Vec<Wrong>,
}

impl Choose {
    fn new(request: &HttpRequest, wrong: Vec<Wrong>) -> Self {
        let shell = Shell::of(request, Section::Data, "Upload");
        Self { shell, curl: curl::upload(request, "/points"), mebibytes: limits::UPLOAD_BYTES >> 20, wrong }
    }
}

async fn choose(request: HttpRequest) -> Result<HttpResponse, PageError> {
    html(&Choose::new(&request, Vec::new()))
}

async fn send(state: Data<State>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, PageError> {
    let refused = |message: String| {
        let page = Choose::new(&request, vec![Wrong { field: "file".to_owned(), message }]);
        Ok(respond(StatusCode::UNPROCESSABLE_ENTITY, render(&page)?))
    };
    let upload = match state.uploads.receive(&state, &request, payload, None).await {
        Ok(received) => received.upload,
        Err(problem) => match problem.errors.iter().find(|fault| fault.pointer == "/file") {
            Some(fault) => return refused(shown(&fault.message)),
            None => return Err(problem.into()),
        },
    };
    if upload.path().metadata().is_ok_and(|file| file.len() == 0) {
        return refused("no file was chosen, or the file is empty".to_owned());
    }
    match head(&state, &upload).await {
        Ok(_) => Ok(see(&format!("/data/upload/{}", upload.id))),
        Err(PageError(problem)) if problem.status == StatusCode::UNPROCESSABLE_ENTITY.as_u16() => {
            let why = problem.errors.first().map_or_else(|| problem.detail.clone(), |fault| fault.message.clone());
            refused(shown(&why))
        }
        Err(error) => Err(error),
    }
}

/// A field, and the column that it is read from.
struct Field {
    name: String,
    title: String,
    /// The columns to choose from, by their numbers.
    options: Vec<Choice>,
    /// The field's value in every row; None if the field cannot have one value for all rows.
    constant: Option<String>,
}

struct Choice {
    value: String,
    name: String,
    is_chosen: bool,
}

/// The result of the last import.
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
        sentence: if counts.rows > 0 && counts.rejected == counts.rows {
            format!("Nothing was imported: {} of {} rows were rejected.", count(counts.rejected), count(counts.rows))
        } else {
            format!("{} of {} rows are new or changed.", count(new), count(counts.rows))
        },
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

/// Whether the columns have the fields' own names, or the rows are whole data points.
fn is_own(preview: &Preview) -> bool {
    let has = |name: &str| preview.columns.iter().any(|column| column == name || column.ends_with(&format!(".{name}")));
    preview.has_header && has("decision") && (has("university_name") || preview.columns.iter().any(|c| c == "program"))
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
    // After an import, the form shows what was picked for it.
    let form = Some(upload.picks()).filter(|fields| !fields.is_empty()).map(Form::of);
    html(&show(&request, &upload, &head, form.as_ref(), Vec::new()))
}

/// A fault of the mapping, with the form's field that it is about.
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
        Some("pick") | None => {
            let filled = Filled { head: &head, form: Some(&form) };
            filled.check().map(|()| Some(Mapping::from_json(&filled.document())))
        }
        Some(_) => Err(Problem::invalid("/mode", "`mode` is unknown; names, pick and toml are allowed")),
    };
    let reading = |mapping| Reading { mapping, verified: form.get("verified").is_some(), ..Reading::default() };
    let imported = match mapping {
        Ok(mapping) => run(&state, &upload, &reading(mapping)).await,
        Err(problem) => Err(problem),
    };
    match imported {
        Ok(report) => {
            upload.picked(form.fields());
            // If all rows were rejected, a message of success would be wrong.
            let done = if report.counts.rejected < report.counts.rows { "?done=imported" } else { "" };
            Ok(see(&format!("/data/upload/{}{done}", upload.id)))
        }
        Err(problem) if problem.status == StatusCode::UNPROCESSABLE_ENTITY.as_u16() => {
            let wrong = problem.errors.iter().map(wrong).collect();
            let page = show(&request, &upload, &head, Some(&form), wrong);
            Ok(respond(StatusCode::UNPROCESSABLE_ENTITY, render(&page)?))
        }
        Err(problem) => Err(problem.into()),
    }
}
