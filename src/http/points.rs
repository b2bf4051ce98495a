//! Imports data points from a file that a client sends.

use super::code::Code;
use super::page::Query;
use super::problem::{Problem, only, readable};
use super::uploads::Upload;
use super::{BASE, State};
use crate::import::{self, Rejects, Report};
use actix_web::http::header;
use actix_web::web::{self, Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use provost_domain::mapping::Mapping;
use provost_domain::{Fault, Faults, limits};
use provost_reader::{Format, ReadBytes, ReadError};
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use utoipa::ToSchema;

/// Points per transaction: other writers wait for some ten milliseconds.
const BATCH: usize = 1_000;
/// How many bytes of rejected rows are read at a time.
const PIECE: u64 = 1 << 18;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/points").route(web::post().to(upload)).default_service(only("POST"))).service(
        web::resource("/points/{upload_id}/rejects").route(readable().to(rejects)).default_service(only("GET, HEAD")),
    );
}

/// A form with a file.
// The form is parsed while it arrives; this type is for the OpenAPI document.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct UploadForm {
    /// The file: JSON or CSV, plain or compressed with gzip or zstd.
    pub file: String,
    /// The mapping from columns to fields, as TOML or JSON (docs/IMPORT.md).
    pub mapping: Option<String>,
}

/// A reason for rejection, and the number of its rows.
#[derive(Serialize, ToSchema)]
pub struct RejectReason {
    pub reason: String,
    pub rows: u64,
}

/// The result of an import.
#[derive(Serialize, ToSchema)]
pub struct ImportAnswer {
    /// The id of the file while it is kept.
    pub upload_id: String,
    pub file: String,
    pub lines: u64,
    /// Data points found, rejected ones included.
    pub rows: u64,
    pub inserted: u64,
    pub unchanged: u64,
    /// Points that replaced an older version.
    pub superseded: u64,
    /// Points of which a newer version is stored.
    pub stale: u64,
    /// Same id and `seq` as a stored point, other content.
    pub conflicts: u64,
    /// Rows that are not data points.
    pub rejected: u64,
    /// Rows that the mapping excludes.
    pub left_out: u64,
    /// Values outside every scale, kept as missing.
    pub outliers: u64,
    pub seconds: f64,
    /// Why the file was not read to its end; the rows before are stored.
    pub error: Option<String>,
    /// What was detected in the file: compression, encoding, delimiter.
    pub told: Vec<String>,
    /// Columns that no field is read from.
    pub unread: Vec<String>,
    /// The most frequent reasons of rejected rows.
    pub reasons: Vec<RejectReason>,
    /// The address of the rejected rows while the file is kept: JSON lines.
    pub rejects: Option<String>,
}

impl ImportAnswer {
    fn new(upload: &Upload, report: &Report) -> Self {
        let (counts, file) = (&report.counts, report.files.first());
        Self {
            upload_id: upload.id.clone(),
            file: upload.name.clone(),
            lines: file.map_or(0, |file| file.lines),
            rows: counts.rows,
            inserted: counts.inserted,
            unchanged: counts.unchanged,
            superseded: counts.superseded,
            stale: counts.stale,
            conflicts: counts.conflicts,
            rejected: counts.rejected,
            left_out: counts.left_out,
            outliers: counts.outliers,
            seconds: report.seconds,
            error: file.and_then(|file| file.error.clone()),
            told: file.map(|file| file.told.clone()).unwrap_or_default(),
            unread: file.map(|file| file.unread.iter().map(ToString::to_string).collect()).unwrap_or_default(),
            reasons: report
                .reasons
                .iter()
                .map(|found| RejectReason { reason: found.reason.clone(), rows: found.rows })
                .collect(),
            rejects: report.rejects.as_ref().map(|_| rejects_address(&upload.id)),
        }
    }
}

/// The address of an upload's rejected rows.
pub(super) fn rejects_address(upload: &str) -> String {
    format!("{BASE}/points/{upload}/rejects")
}

/// How a file is to be read.
#[derive(Default)]
pub(super) struct Reading {
    pub format: Format,
    pub mapping: Option<Mapping>,
    pub verified: bool,
}

impl Reading {
    /// The options for the reader.
    pub fn options(&self, state: &State) -> provost_reader::Options {
        provost_reader::Options {
            format: self.format,
            mapping: self.mapping.clone(),
            verified: self.verified,
            batch: BATCH,
            limits: state.handle.options().import_limits,
        }
    }
}

/// Imports a file of data points.
///
/// The body is the file itself, in any format that `provost import` reads (docs/IMPORT.md), or a form with the fields
/// `file` and `mapping`. A row that is not a data point is rejected; the other rows are stored. Sending the same file
/// again changes nothing. The file and its rejected rows are kept until several newer files were sent.
#[utoipa::path(post, path = "/points", operation_id = "import_points", tag = "data",
    request_body(content((serde_json::Value = "application/octet-stream"), (UploadForm = "multipart/form-data"))),
    params(
        ("file_name" = Option<String>, Query, description = "The file's name, where the body is the file itself: its ending tells the format", example = "decisions.csv"),
        ("format" = Option<String>, Query, description = "auto (by name and content, the default), json or csv", max_length = 4),
        ("verified" = Option<bool>, Query, description = "Marks every point as verified")),
    responses(
        (status = 200, description = "What became of the rows", body = ImportAnswer),
        (status = 400, description = "The body broke off", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "The file cannot be read at all, or the mapping does not fit it: nothing is stored", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn upload(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let name = query.read("file_name", None, |name| match limits::fits(name, limits::FILE_NAME) {
        true => Ok(Some(name.to_owned())),
        false => Err(format!("up to {} characters are allowed", limits::FILE_NAME)),
    });
    let format = query.read("format", Format::Auto, |word| match word {
        "auto" => Ok(Format::Auto),
        "json" => Ok(Format::Json),
        "csv" => Ok(Format::Csv),
        _ => Err("auto, json or csv is allowed".to_owned()),
    });
    let verified = query.flag("verified", false);
    query.check()?;
    let received = state.uploads.receive(&state, &request, payload, name.as_deref()).await?;
    let text = received.fields.iter().find(|(name, _)| name == "mapping").map(|(_, text)| text.trim());
    let mapping = text.filter(|text| !text.is_empty()).map(mapping).transpose()?;
    let report = run(&state, &received.upload, &Reading { format, mapping, verified }).await?;
    Ok(HttpResponse::Ok().json(ImportAnswer::new(&received.upload, &report)))
}

/// A mapping's text: JSON, or TOML.
///
/// # Errors
/// 422 for a text that is neither. The mapping's content is checked with its file.
pub(super) fn mapping(text: &str) -> Result<Mapping, Problem> {
    let document: Value = match text.starts_with('{') {
        true => serde_json::from_str(text).map_err(|e| Problem::invalid("/mapping", format!("it is not JSON: {e}")))?,
        false => toml::from_str(text)
            .map_err(|e| Problem::invalid("/mapping", format!("it is not TOML: {}", e.to_string().trim_end())))?,
    };
    Ok(Mapping::from_json(&document))
}

/// The faults of a file or of its mapping.
pub(super) fn unread(error: ReadError) -> Problem {
    match error {
        ReadError::Unreadable(why) => Problem::invalid("/file", why),
        ReadError::Mapping(Faults(faults)) => {
            let of_mapping = |fault: Fault| Fault { pointer: format!("/mapping{}", fault.pointer), ..fault };
            Faults(faults.into_iter().map(of_mapping).collect()).into()
        }
    }
}

/// Imports an upload into the store on a thread of its own. If the client leaves, the import continues to its end.
///
/// # Errors
/// 422 where nothing can be read, 503 where other files are imported or the store does not answer.
pub(super) async fn run(state: &State, upload: &Arc<Upload>, reading: &Reading) -> Result<Arc<Report>, Problem> {
    let place = state.uploads.place()?;
    let options = import::Options {
        files: vec![upload.path()],
        names: vec![upload.name.clone()],
        reading: reading.options(state),
        threads: state.handle.options().threads,
    };
    let (store, tables) = (state.handle.store().clone(), state.handle.options().tables.clone());
    let (runtime, upload) = (tokio::runtime::Handle::current(), upload.clone());
    let nudge = state.handle.options().nudge.clone();
    let imported = web::block(move || {
        let _place = place;
        let file = File::open(upload.path()).map_err(|error| Problem::internal(&error))?;
        provost_reader::check(&upload.name, file, &options.reading).map_err(unread)?;
        // Rejected rows of an earlier import of the same file.
        let _ = std::fs::remove_file(upload.rejects());
        let rejects = Rejects::lazily(upload.rejects()).at_most(limits::UPLOAD_BYTES as u64);
        let read = ReadBytes::default();
        let report = import::run(&options, &tables, &store, &runtime, rejects, &read, |_| Ok(()));
        // Points stored before an error stay.
        nudge.notify_one();
        let report = Arc::new(report.map_err(failed)?);
        upload.imported(report.clone());
        Ok(report)
    });
    imported.await.map_err(|error| Problem::internal(&error))?
}

/// The error of an import that ended early: stored points stay, and importing the same file again continues.
fn failed(error: crate::error::Error) -> Problem {
    match error {
        crate::error::Error::Failed(cause) => match cause.downcast::<provost_store::StoreError>() {
            Ok(error) => error.into(),
            Err(cause) => Problem::internal(&cause),
        },
        other => Problem::internal(&other),
    }
}

/// The rejected rows of an imported file.
///
/// JSON lines with file, line, reason and the row's text, while the file is kept.
#[utoipa::path(get, path = "/points/{upload_id}/rejects", operation_id = "get_rejected_rows", tag = "data",
    params(("upload_id" = String, Path, description = "The upload's id, as `POST /points` answered it")),
    responses(
        (status = 200, description = "The rows", body = String, content_type = "application/x-ndjson"),
        (status = 404, description = "No such upload, it is kept no more, or no row was rejected", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn rejects(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let upload = state.uploads.get(&request, &path)?;
    let none = || Problem::new(Code::UploadNotFound, format!("no row of {} was rejected", upload.name));
    if upload.report().and_then(|report| report.rejects.clone()).is_none() {
        return Err(none());
    }
    let of = upload.clone();
    let opened = web::block(move || File::open(of.rejects())).await.map_err(|error| Problem::internal(&error))?;
    let file = opened.map_err(|_| none())?;
    // The upload is held so that its files stay until they are read.
    let pieces = stream::unfold(Some((file, upload)), |reading| async move {
        let (file, upload) = reading?;
        let read = web::block(move || {
            let mut bytes = Vec::new();
            let read = (&file).take(PIECE).read_to_end(&mut bytes);
            read.map(|_| (bytes, file))
        });
        match read.await {
            Ok(Ok((bytes, _))) if bytes.is_empty() => None,
            Ok(Ok((bytes, file))) => Some((Ok(Bytes::from(bytes)), Some((file, upload)))),
            Ok(Err(error)) => Some((Err(error), None)),
            Err(_) => Some((Err(std::io::Error::other("reading the rows panicked")), None)),
        }
    });
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"rejects.jsonl\""))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(pieces))
}
