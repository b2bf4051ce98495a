//! The model card of a model.

use super::State;
use super::models::record;
use super::page::Query;
use super::problem::{Problem, only, readable};
use crate::card::{Format, Records, write};
use actix_web::http::header;
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use provost_domain::ModelId;
use provost_domain::audit::AuditEntry;
use provost_domain::limits::PAGE;
use provost_domain::model::{Activation, ModelRecord};
use provost_domain::watch_record::WatchedWindow;
use provost_store::{Store, StoreError, WindowFilter};

/// How many entries of the audit log are searched for one card, in pages.
const LOG_PAGES: usize = 50;
/// How many activations are searched for one card, in pages.
const ACTIVATION_PAGES: usize = 10;
/// The most windows of each kind (predictions, points) that a card lists.
const WINDOWS: u32 = 20;
/// How many trials are counted exactly.
const TRIALS: u32 = 500;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/models/{model_id}/card").route(readable().to(read)).default_service(only("GET, HEAD")),
    );
}

/// The model's card: a model card, and the technical file of Annex IV of the EU's AI Act.
///
/// Written only from records: purpose, data, design choices and search, figures with intervals and by group, the gate's
/// decision, activations, and the audit log's entries about the model with their hashes. A question marks what only a
/// person can answer. The same records give the same bytes.
#[utoipa::path(get, path = "/models/{model_id}/card", operation_id = "get_model_card", tag = "models",
    params(("model_id" = String, Path), ("format" = Option<String>, Query)),
    responses(
        (status = 200, description = "The card", content((String = "text/markdown"), (String = "text/html"), (Object = "application/yaml"))),
        (status = 404, description = "No such model", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn read(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let format = query.read("format", None, |word| {
        let found = Format::ALL.into_iter().find(|format| format.as_str() == word);
        found.map(Some).ok_or_else(|| format!("one of {} is allowed", Format::ALL.map(Format::as_str).join(", ")))
    });
    query.check()?;
    let format = format.unwrap_or_else(|| accepted(&request));
    let model = record(&state, &path).await?;
    let place = state.cards.place().await?;
    let records = records(&state, model).await?;
    let text = state.compute.run(move || write(&records, format)).await?;
    drop(place);
    Ok(HttpResponse::Ok()
        .content_type(format!("{}; charset=utf-8", format.media_type()))
        .insert_header((header::VARY, "accept"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"))
        .body(text))
}

/// The first format that the client names.
fn accepted(request: &HttpRequest) -> Format {
    let accepts = request.headers().get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut kinds = accepts.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let named = kinds.find_map(|kind| Format::ALL.into_iter().find(|format| format.media_type() == kind));
    named.unwrap_or(Format::Markdown)
}

/// The records of this model's card.
async fn records(state: &State, model: ModelRecord) -> Result<Records, Problem> {
    let store = state.handle.store();
    let id = model.version.model_id.clone();
    let job = store.job(&model.job_id).await?.map(|record| record.job);
    let trials = store.trials_from(&model.job_id, model.version.algorithm, 0, TRIALS).await?.len();
    let audit = if model.version.has_artifact() {
        match state.handle.fairness_audit(&id).await {
            Ok(audit) => Ok(audit),
            // A failure that may pass must not look like an audit that cannot be computed.
            Err(error) if error.may_pass() => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, model = %id, "a card is without its audit");
                Err("its artifact or its rows cannot be read".to_owned())
            }
        }
    } else {
        Err("the model is a record of the replaced service, without an artifact".to_owned())
    };
    let since = job.as_ref().map_or(model.version.training_date, |job| job.created_at);
    let names = [id.to_string(), model.job_id.to_string()];
    let (log, log_is_cut) = log(&**store, &names, since).await?;
    let options = state.handle.options();
    Ok(Records {
        trials: (trials as u64, trials == TRIALS as usize),
        results: store.evaluation(&id).await?.and_then(|evaluation| evaluation.results),
        decision: store.decision(&model.job_id).await?,
        activations: activations(&**store, &id).await?,
        windows: windows(&**store, &id).await?,
        audit,
        log,
        log_is_cut,
        texts: state.card.clone(),
        logs_predictions: options.predict.log,
        is_scheduled: options.schedule_enabled,
        job,
        model,
    })
}

/// The model's activations and those of its successors, the newest first.
async fn activations(store: &dyn Store, id: &ModelId) -> Result<Vec<Activation>, StoreError> {
    let (mut found, mut before) = (Vec::new(), None);
    for _ in 0..ACTIVATION_PAGES {
        let page = store.activations(before, PAGE as u32).await?.items;
        before = page.last().map(|activation| activation.rev);
        found.extend(page.into_iter().filter(|a| a.model_id == *id || a.previous_model_id.as_ref() == Some(id)));
        if before.is_none_or(|rev| rev <= 1) {
            break;
        }
    }
    Ok(found)
}

/// The newest windows in which the model was watched.
async fn windows(store: &dyn Store, id: &ModelId) -> Result<Vec<WatchedWindow>, StoreError> {
    let of_model = WindowFilter { model_id: Some(id.clone()), kind: None };
    Ok(store.watched_windows(of_model, None, WINDOWS).await?.items)
}

/// Entries of the audit log that name the model or its job, the oldest first, and whether older ones were not searched.
async fn log(
    store: &dyn Store,
    names: &[String],
    since: chrono::DateTime<chrono::Utc>,
) -> Result<(Vec<AuditEntry>, bool), StoreError> {
    let about = |entry: &AuditEntry| {
        let named = |text: &str| names.iter().any(|name| text.contains(name.as_str()));
        named(&entry.deed.subject) || entry.deed.details.values().any(|value| named(value))
    };
    let (mut found, mut cursor) = (Vec::new(), None);
    for _ in 0..LOG_PAGES {
        let page = store.audit(cursor.as_deref(), PAGE as u32).await?;
        let reaches_back = page.items.last().is_none_or(|entry| entry.deed.at < since);
        found.extend(page.items.into_iter().filter(|entry| about(entry)));
        cursor = page.next;
        if reaches_back || cursor.is_none() {
            found.reverse();
            return Ok((found, false));
        }
    }
    found.reverse();
    Ok((found, true))
}
