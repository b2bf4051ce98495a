//! MLflow's scoring protocol (<https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/>): `/invocations` and the
//! routes that its clients and load balancers ask beside it.

mod table;

use super::code::Code;
use super::predict::{FEW, access, columns};
use super::problem::{self, Problem, readable};
use super::{State, auth, body};
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use provost_actors::serving::PredictOptions;
use provost_domain::check::brief;
use provost_domain::json::{longest_text, value_of_few_lists};
use provost_domain::limits;
use provost_domain::mapping::{Mapping, Tally};
use provost_predict::application::Application;
use provost_predict::serving::Prediction;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use table::Table;

pub fn routes(config: &mut web::ServiceConfig) {
    let get = |path: &str| web::resource(path.to_owned()).default_service(problem::only("GET, HEAD"));
    config
        .service(
            web::resource("/invocations").route(web::post().to(invocations)).default_service(problem::only("POST")),
        )
        .service(get("/ping").route(readable().to(ping)))
        .service(get("/health").route(readable().to(ping)))
        .service(get("/version").route(readable().to(version)));
}

/// Says whether a model serves.
///
/// MLflow's scoring protocol, which has this at `/health` too: an empty line, or 404 where no model serves.
#[utoipa::path(get, path = "/ping", operation_id = "ping", tag = "inference",
    responses((status = 200, description = "A model serves"), (status = 404, description = "No model serves")))]
pub(super) async fn ping(state: Data<State>) -> HttpResponse {
    let status = if state.handle.serving().is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    HttpResponse::build(status).content_type("application/json").body("\n")
}

/// The version of the service.
///
/// MLflow's scoring protocol.
#[utoipa::path(get, path = "/version", operation_id = "get_version", tag = "inference",
    responses((status = 200, description = "The version", body = String)))]
pub(super) async fn version() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(env!("CARGO_PKG_VERSION"))
}

/// Predicts from a table.
///
/// MLflow's scoring protocol: exactly one of `dataframe_split`, `dataframe_records`, `inputs` and `instances`, or CSV. The columns are the
/// features of the model, or the names that an import takes; the two are never mixed. The answer has the probability of each row; with
/// `"params": {"output": "records"}` an object with interval and outcome. A row that cannot be read fails the request, and the error names it.
#[utoipa::path(post, path = "/invocations", operation_id = "invoke", tag = "inference",
    request_body(content((serde_json::Value = "application/json"), (serde_json::Value = "text/csv"))),
    responses(
        (status = 200, description = "The predictions", body = serde_json::Value),
        (status = 400, description = "A bad table", body = serde_json::Value),
        (status = 409, description = "No model is active", body = serde_json::Value),
        (status = 415, description = "Neither JSON nor CSV", body = serde_json::Value)))]
pub(super) async fn invocations(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, MlflowError> {
    let csv = is_csv(&request)?;
    let body = body::read_large(&request, payload, &state).await?;
    let read = move |bytes: &[u8]| Ok(read_table(bytes, csv));
    let table = body.document(&state, read).await?.map_err(MlflowError::bad)?;
    let model = access::model(&state, None).await?;
    let asked = PredictOptions { caller: auth::owner(&request).into(), ..PredictOptions::default() };
    let features = model.model.feature_names().to_vec();
    let records = table.records;
    let rows =
        state.compute.run(move || rows(&features, table)).await.map_err(Problem::from)?.map_err(MlflowError::bad)?;
    let predictions: Vec<Prediction> = match rows {
        Rows::Applications(applications) => {
            let answered = state.handle.predict_with(&model, applications, &asked).await.map_err(Problem::from)?;
            answered.rows.into_iter().map(|row| row.prediction).collect()
        }
        Rows::Features(rows) => {
            let answered = state.handle.predict_features(&model, rows, &asked).await.map_err(Problem::from)?;
            answered.map_err(|bad| MlflowError::bad(bad.to_string()))?
        }
    };
    let few = predictions.len() <= FEW;
    let answer = Answer { predictions, records };
    Ok(if few { HttpResponse::Ok().json(answer) } else { super::send(&state, StatusCode::OK, answer).await? })
}

/// `{"predictions": [...]}`: probabilities, or whole predictions as objects.
struct Answer {
    predictions: Vec<Prediction>,
    records: bool,
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(Some(1))?;
        if self.records {
            body.serialize_entry("predictions", &self.predictions)?;
        } else {
            let probabilities: Vec<f64> = self.predictions.iter().map(|p| p.probability).collect();
            body.serialize_entry("predictions", &probabilities)?;
        }
        body.end()
    }
}

/// Whether the body is CSV; 415 for anything but CSV and JSON.
fn is_csv(request: &HttpRequest) -> Result<bool, MlflowError> {
    let given = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(false),
        "text/csv" => Ok(true),
        other => {
            let detail = format!("Content-Type `{}`: application/json or text/csv is allowed", brief(other, 80));
            Err(Problem::new(Code::UnsupportedMediaType, detail).into())
        }
    }
}

fn read_table(bytes: &[u8], csv: bool) -> Result<Table, String> {
    if csv {
        return Table::from_csv(bytes, limits::PREDICT_ROWS);
    }
    let (longest, most) = (longest_text(bytes), limits::PREDICT_TEXT);
    if longest > most {
        return Err(format!("a text has {longest} bytes; at most {most} are allowed"));
    }
    match value_of_few_lists(bytes, limits::PREDICT_VALUES, limits::PREDICT_LISTS) {
        Ok(Value::Object(body)) => Table::from_json(body, limits::PREDICT_ROWS),
        Ok(_) => Err("the body is no JSON object".to_owned()),
        Err(error) => Err(format!("the body is not readable: {error}")),
    }
}

enum Rows {
    Features(Vec<Vec<f32>>),
    Applications(Vec<Application>),
}

/// The rows of a table. Its columns are features, or names that an import takes.
fn rows(features: &[String], table: Table) -> Result<Rows, String> {
    let known = table.columns.iter().filter(|name| features.contains(name)).count();
    if known == 0 {
        return applications(table).map(Rows::Applications);
    }
    if let Some(other) = table.columns.iter().find(|name| !features.contains(name)) {
        let (other, feature) = (brief(other, 80), &features[0]);
        return Err(format!(
            "column `{other}` is no feature of the model, but others (such as `{feature}`) are; features and other columns are not mixed"
        ));
    }
    let mut columns: Vec<(String, Vec<f64>)> = table.columns.into_iter().map(|name| (name, Vec::new())).collect();
    for (row, cells) in table.rows.iter().enumerate() {
        for ((name, column), cell) in columns.iter_mut().zip(cells) {
            column.push(
                number(cell).map_err(|shown| format!("row {row}, column `{name}` is {shown}; a number is needed"))?,
            );
        }
    }
    columns::rows(features, &columns).map(Rows::Features).map_err(|why| format!("column {why}"))
}

fn number(cell: &Value) -> Result<f64, String> {
    match cell {
        Value::Null => Ok(f64::NAN),
        Value::Number(n) => Ok(n.as_f64().unwrap_or(f64::NAN)),
        Value::Bool(flag) => Ok(f64::from(u8::from(*flag))),
        Value::String(text) => text.trim().parse().map_err(|_| format!("`{}`", brief(text, 80))),
        other => Err(brief(&other.to_string(), 80).into_owned()),
    }
}

/// Rows with the names that an import takes: `gpa`, `profile.gpa`, `gre_verbal`. An outcome is ignored.
fn applications(mut table: Table) -> Result<Vec<Application>, String> {
    const OUTCOME: &str = "decision";
    if let Some(at) = table.columns.iter().position(|name| name == OUTCOME) {
        table.columns.remove(at);
        table.rows.iter_mut().for_each(|row| {
            row.remove(at);
        });
    }
    let has_id = table.columns.iter().any(|name| name == "data_point_id");
    let mut mapping = json!({"constants": {OUTCOME: "deferred"}});
    if !has_id {
        mapping["id_prefix"] = json!("row-");
    }
    let plan =
        Mapping::from_json(&mapping).plan(table.columns.iter().map(String::as_str)).map_err(|e| e.to_string())?;
    if let Some(unread) = plan.unread().first() {
        return Err(format!("{unread}; columns are names that an import takes, or features of the model"));
    }
    let texts = |row: &Vec<Value>| -> Vec<(String, bool)> {
        let text = |cell: &Value| match cell {
            Value::Null => (String::new(), false),
            Value::String(text) => (text.clone(), false),
            other => (other.to_string(), other.is_number()),
        };
        row.iter().map(text).collect()
    };
    let mut read = Vec::new();
    for (number, row) in table.rows.iter().enumerate() {
        let cells = texts(row);
        let cell = |i: usize| cells.get(i).map_or(("", false), |(text, is_number)| (text.as_str(), *is_number));
        let point = plan.members(number as u64, cells.len(), cell, &[], &mut Tally::default());
        let point = point.map_err(|faults| format!("row {number}: {faults}"))?;
        let Some(point) = point else { return Err(format!("row {number} cannot be read")) };
        let mut application = Application::from_point(point);
        if !has_id {
            application.data_point_id = None;
        }
        read.push(application);
    }
    Ok(read)
}

/// An error as MLflow has it: `{"error_code": "...", "message": "..."}`.
#[derive(Debug)]
pub struct MlflowError {
    status: StatusCode,
    problem: Box<Problem>,
}

impl MlflowError {
    fn bad(detail: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, problem: Box::new(Problem::new(Code::InvalidRequest, detail)) }
    }
}

impl From<Problem> for MlflowError {
    fn from(problem: Problem) -> Self {
        let status = problem.code.status();
        let status = if status == StatusCode::UNPROCESSABLE_ENTITY { StatusCode::BAD_REQUEST } else { status };
        Self { status, problem: Box::new(problem) }
    }
}

impl std::fmt::Display for MlflowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.problem.fmt(f)
    }
}

impl actix_web::ResponseError for MlflowError {
    fn status_code(&self) -> StatusCode {
        self.status
    }
    fn error_response(&self) -> HttpResponse {
        self.problem.in_dialect(problem::Dialect::Mlflow, self.status)
    }
}
