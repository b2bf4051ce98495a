//! `GET /models/{model_id}/export`: a model version as a file that other systems predict with.

use super::code::Code;
use super::page::Query;
use super::problem::{Problem, only};
use super::{State, models};
use crate::export::{ConvertError, Format, convert};
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/models/{model_id}/export").route(web::get().to(export)).default_service(only("GET")));
}

/// A model version as a file.
///
/// `onnx` has the calibrated probability, from the feature columns on; of a model that takes categories as rates these are inputs, which
/// `feature_names` in the file's metadata names. `xgboost-json` is the booster alone: its probabilities are not calibrated. `artifact` is
/// what the service itself stores, which `provost predict --artifact` reads. No file has a row of an applicant.
#[utoipa::path(get, path = "/models/{model_id}/export", operation_id = "export_model", tag = "models",
    params(("model_id" = String, Path),
        ("format" = String, Query, description = "onnx, xgboost-json or artifact", max_length = 12)),
    responses(
        (status = 200, description = "The file", body = Vec<u8>, content_type = "application/octet-stream",
            headers(("Content-Disposition" = String, description = "The file's name"))),
        (status = 404, description = "No such model", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 409, description = "A model of the replaced service, which has no artifact (`code`: `no_artifact`), or one whose file would take too much memory (`export_too_large`)", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "An unknown format, or one that this model has no form in", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn export(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let allowed = || format!("one of {} is allowed", Format::ALL.map(Format::as_str).join(", "));
    let format = query.read("format", None, |text| Format::parse(text).map(Some).ok_or_else(allowed));
    query.check()?;
    let format = format.ok_or_else(|| Problem::invalid("/format", format!("`format` is missing; {}", allowed())))?;
    let version = models::record(&state, &path).await?.version;
    if !version.has_artifact() {
        let detail = format!("model {} is of the replaced service and has no artifact", version.model_id);
        return Err(Problem::new(Code::NoArtifact, detail));
    }
    let (artifacts, sha256) = (state.handle.artifacts().clone(), version.model_sha256);
    let converted = state.exports.run(move || Ok::<_, Problem>(convert(artifacts.get(&sha256)?, format))).await??;
    let (bytes, _) = converted.map_err(problem)?;
    let disposition = format!("attachment; filename=\"{}.{}\"", version.model_id, format.extension());
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/octet-stream"))
        .insert_header((CONTENT_DISPOSITION, disposition))
        .body(bytes))
}

fn problem(error: ConvertError) -> Problem {
    match error {
        ConvertError::NoSuchForm(why) => Problem::invalid("/format", why),
        ConvertError::TooLarge(why) => Problem::new(Code::ExportTooLarge, why.to_string()),
        failed @ ConvertError::Failed(_) => Problem::internal(&failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_export::ExportError;

    #[test]
    fn an_export_that_takes_too_much_memory_has_a_code_of_its_own() {
        let problem = problem(ConvertError::TooLarge(ExportError::TooLarge { bytes: 7, most: 5 }));
        assert_eq!(problem.code, Code::ExportTooLarge);
        assert_eq!(problem.code.status(), 409);
        assert!(problem.detail.contains("7 bytes of memory; 5 are allowed"), "{}", problem.detail);
    }
}
