//! How a model treats the groups of its held-out rows.

use super::ids::model_id;
use super::problem::{Problem, only, readable};
use super::{State, send};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path};
use provost_actors::evaluator::Audit;
use provost_domain::fairness::FairnessReport;
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// The report of an audit, shared with the cache.
struct Report(Arc<Audit>);

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fairness.serialize(serializer)
    }
}

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/fairness/{model_id}").route(readable().to(read)).default_service(only("GET, HEAD")));
}

/// How a model treats groups of applicants: nationality, gender, those of the setting `fairness.attributes`, and pairs of these.
///
/// Computed on the model's held-out rows with the groups that the data has now; models never see them. Each figure has
/// its 95 % interval and is compared with that of all other rows. Groups with fewer than 30 rows, or fewer than 10 of
/// an outcome, get the verdict `too few to say`. The same data gives the same answer.
#[utoipa::path(get, path = "/fairness/{model_id}", operation_id = "get_fairness", tag = "evaluations", params(("model_id" = String, Path)),
    responses(
        (status = 200, description = "The audit", body = FairnessReport),
        (status = 404, description = "No such model", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 409, description = "A model of the replaced service, which has no artifact (`code`: `no_artifact`)", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn read(state: Data<State>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let id = model_id(&state, &path).await?;
    let audit = state.handle.fairness_audit(&id).await?;
    send(&state, StatusCode::OK, Report(audit)).await
}
