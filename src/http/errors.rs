//! The one table from errors of the crates below to the codes and statuses that clients see.

use super::code::Code;
use super::problem::{Problem, key_reused};
use provost_actors::error::{CancelError, EvaluateError, LoadError, RegistryError, SubmitError, Unreachable};
use provost_actors::serving::PredictionError;
use provost_actors::{Busy, WorkError};
use provost_domain::quality::DataQualityReport;
use provost_store::StoreError;
use serde_json::json;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what, id } => Self::not_found(what, &id),
            StoreError::NoArtifact { .. } => Self::new(Code::NoArtifact, error.to_string()),
            StoreError::Conflict { .. } => Self::new(Code::Conflict, error.to_string()),
            StoreError::Unavailable(_) | StoreError::Denied(_) => {
                tracing::debug!(%error, "request failed");
                Self::unavailable(Code::StoreUnavailable, error.for_callers(), 5)
            }
            StoreError::Full(_) => {
                tracing::warn!(%error, "request failed");
                Self::new(Code::StorageFull, error.for_callers())
            }
            StoreError::Invalid(why) => Self::invalid("", why),
            _ => {
                tracing::error!(%error, "request failed");
                Self::new(Code::Internal, error.for_callers())
            }
        }
    }
}

impl From<Unreachable> for Problem {
    fn from(error: Unreachable) -> Self {
        match error {
            // Work that panicked would panic again, so the client is not asked to retry.
            Unreachable::Panicked(_) => Self::internal(&error),
            Unreachable::Restarted(_) | Unreachable::Down(_) => Self::unavailable(Code::Busy, error.to_string(), 1),
        }
    }
}

impl From<Busy> for Problem {
    fn from(error: Busy) -> Self {
        Self::unavailable(Code::Busy, error.to_string(), 1)
    }
}

impl From<WorkError> for Problem {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Busy(e) => e.into(),
            WorkError::Ended(_) => Self::internal(&error),
        }
    }
}

impl From<LoadError> for Problem {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Busy(e) => e.into(),
            LoadError::Data(why) => Self::invalid("/data_path", why),
            LoadError::Store(e) => e.into(),
            LoadError::Unreachable(e) => e.into(),
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Quality(report) => quality(&report),
            SubmitError::QueueFull { .. } => Self::unavailable(Code::QueueFull, error.to_string(), 60),
            SubmitError::Mismatch => key_reused(),
            SubmitError::Settled => Self::new(Code::TriggerSettled, error.to_string()),
            SubmitError::Data(why) => Self::invalid("/data_path", why),
            SubmitError::Config(faults) => faults.into(),
            SubmitError::Busy(e) => e.into(),
            SubmitError::ShuttingDown => Self::unavailable(Code::ShuttingDown, error.to_string(), 10),
            SubmitError::Store(e) => e.into(),
            SubmitError::Unreachable(e) => e.into(),
        }
    }
}

impl From<PredictionError> for Problem {
    fn from(error: PredictionError) -> Self {
        match error {
            PredictionError::NoActiveModel => Self::new(Code::NoActiveModel, error.to_string()),
            PredictionError::UnknownModel(id) => Self::not_found("model", id.as_str()),
            PredictionError::Opening => Self::unavailable(Code::Starting, error.to_string(), 1),
            PredictionError::TooManyShadows => Self::invalid("/model_ids", error.to_string()),
            PredictionError::CannotServe { .. } => Self::new(Code::CannotServe, error.to_string()),
            PredictionError::Busy(e) => e.into(),
            PredictionError::Store(e) => e.into(),
            PredictionError::Unreachable(e) => e.into(),
        }
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::NotFound(id) => Self::not_found("job", id.as_str()),
            CancelError::AlreadyFinal(_) => Self::new(Code::JobEnded, error.to_string()),
            CancelError::Store(e) => e.into(),
            CancelError::Unreachable(e) => e.into(),
        }
    }
}

impl From<EvaluateError> for Problem {
    fn from(error: EvaluateError) -> Self {
        match error {
            EvaluateError::NotFound(id) => Self::not_found("model", id.as_str()),
            EvaluateError::Busy(e) => e.into(),
            EvaluateError::Load(e) => e.into(),
            EvaluateError::Store(e) => e.into(),
            EvaluateError::Unreachable(e) => e.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::NotFound(id) => Self::not_found("model", id.as_str()),
            RegistryError::Busy(e) => e.into(),
            // The caller has gone, so nobody reads this answer.
            RegistryError::Abandoned => Self::unavailable(Code::Busy, error.to_string(), 1),
            RegistryError::CannotServe { .. } => Self::new(Code::CannotServe, error.to_string()),
            RegistryError::NothingBefore => Self::new(Code::NoPreviousModel, error.to_string()),
            RegistryError::Invalid(why) => Self::invalid("", why),
            RegistryError::Store(e) => e.into(),
            RegistryError::Load(e) => e.into(),
            RegistryError::Unreachable(e) => e.into(),
            other => Self::internal(&other),
        }
    }
}

/// Data that fails its quality check, with the report that says what to fix.
fn quality(report: &DataQualityReport) -> Problem {
    let mut problem = Problem::new(
        Code::DataQuality,
        format!("the data fails its quality check: {}", report.quality_issues.join("; ")),
    );
    problem.more.insert("error".to_owned(), json!("Data quality check failed"));
    problem.more.insert("issues".to_owned(), json!(report.quality_issues));
    problem.more.insert("recommendations".to_owned(), json!(report.recommendations));
    problem.more.insert("report".to_owned(), json!(report));
    problem
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_domain::{Algorithm, ModelId};

    #[test]
    fn each_error_of_a_prediction_has_its_code_and_what_may_pass_says_when_to_come_again() {
        let model = ModelId::new(Algorithm::Xgboost, chrono::DateTime::UNIX_EPOCH, 1);
        let busy = Busy { what: "batches of predictions", waiting: 64 };
        for (error, code, status) in [
            (PredictionError::NoActiveModel, Code::NoActiveModel, 409),
            (PredictionError::UnknownModel(model.clone()), Code::ModelNotFound, 404),
            (PredictionError::CannotServe { model, why: "it is damaged".to_owned() }, Code::CannotServe, 409),
            (PredictionError::Opening, Code::Starting, 503),
            (PredictionError::TooManyShadows, Code::InvalidRequest, 422),
            (busy.into(), Code::Busy, 503),
            (StoreError::Unavailable("away".to_owned()).into(), Code::StoreUnavailable, 503),
            (Unreachable::Restarted("serving".to_owned()).into(), Code::Busy, 503),
            (Unreachable::Panicked("no answer".to_owned()).into(), Code::Internal, 500),
        ] {
            let may_pass = error.may_pass();
            let problem = Problem::from(error);
            assert_eq!((problem.code, problem.status), (code, status), "{}", problem.detail);
            let seconds = problem.headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, value)| value);
            assert_eq!(seconds.is_some(), may_pass, "{}", problem.detail);
            assert!(seconds.is_none_or(|seconds| seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0)));
        }
    }
}
