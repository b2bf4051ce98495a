//! The rows of a request: each is read by itself, so that a bad row costs no other row its answer.

use super::answer::RowFault;
use super::request::PredictRequest;
use crate::http::code::Code;
use crate::http::problem::Problem;
use provost_domain::{Fault, Faults, limits};
use provost_predict::application::Application;

/// The rows that could be read, and the faults of the others.
pub struct ReadRows {
    pub applications: Vec<Application>,
    /// The row's number in the request, from 0, of each application.
    pub numbers: Vec<usize>,
    pub faults: Vec<RowFault>,
    many: bool,
}

impl ReadRows {
    pub fn read(request: &PredictRequest<'_>) -> Self {
        let mut rows = Self { applications: Vec::new(), numbers: Vec::new(), faults: Vec::new(), many: request.many };
        for (number, text) in request.rows.iter().enumerate() {
            match row(text.as_bytes()) {
                Ok(application) => {
                    rows.applications.push(application);
                    rows.numbers.push(number);
                }
                Err(faults) => {
                    let named = if rows.faults.len() < limits::PREDICT_FAULTS { limits::PREDICT_ROW_FAULTS } else { 1 };
                    rows.faults.extend(faults.0.into_iter().take(named).map(|fault| RowFault::new(number, fault)));
                }
            }
        }
        rows
    }

    /// The problem of a request without a good row: 422 with every fault, its pointer beginning at the body.
    pub fn all_faulty(self) -> Problem {
        let pointer = |fault: &RowFault| match self.many {
            true => format!("/applications/{}{}", fault.row, fault.pointer),
            false => fault.pointer.clone(),
        };
        let faults: Vec<Fault> = self
            .faults
            .iter()
            .take(limits::FAULTS)
            .map(|fault| Fault { pointer: pointer(fault), message: fault.message.clone() })
            .collect();
        Problem { code: Code::NoReadableRow, ..Problem::from(Faults(faults)) }
    }
}

/// Reads one application.
///
/// # Errors
/// The first faults of the row, each with its pointer.
pub fn row(text: &[u8]) -> Result<Application, Faults> {
    if text.len() > limits::PREDICT_ROW_BYTES {
        let message =
            format!("the application has {} bytes; at most {} are allowed", text.len(), limits::PREDICT_ROW_BYTES);
        return Err(Faults(vec![Fault { pointer: String::new(), message }]));
    }
    Application::from_json(text).map_err(|mut faults| {
        faults.0.truncate(limits::PREDICT_ROW_FAULTS);
        faults
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::options::PredictOptions;
    use super::*;
    use serde_json::{Value, json};

    fn read(body: &Value) -> ReadRows {
        let text = body.to_string();
        ReadRows::read(&PredictRequest::read(text.as_bytes(), PredictOptions::default()).unwrap())
    }

    #[test]
    fn a_bad_row_is_listed_and_the_others_keep_their_numbers() {
        let good = json!({"profile": {"gpa": 3.5}, "program": {}});
        let bad = json!({"profile": {"gpa": -1, "test_scores": [{"test_type": "gres"}]}, "program": {}});
        let long = json!({"profile": {}, "program": {}, "note": "x".repeat(limits::PREDICT_ROW_BYTES)});
        let rows = read(&json!({"applications": [good, bad, 7, good, long]}));
        assert_eq!(rows.numbers, [0, 3]);
        let faults: Vec<(usize, &str)> = rows.faults.iter().map(|fault| (fault.row, fault.pointer.as_str())).collect();
        assert_eq!(faults, [(1, "/profile/gpa"), (1, "/profile/test_scores/0/test_type"), (2, ""), (4, "")]);
    }

    #[test]
    fn a_request_full_of_faults_has_a_short_answer() {
        let test = json!({"total_score": -1, "verbal_score": -1});
        let bad = json!({"profile": {"test_scores": vec![test; limits::POINT_TESTS]}, "program": {}});
        let rows = read(&json!({"applications": vec![bad; 1_000]}));
        let of = |number: usize| rows.faults.iter().filter(|fault| fault.row == number).count();
        assert_eq!((of(0), of(999)), (limits::PREDICT_ROW_FAULTS, 1));
        assert!(
            rows.faults.len() <= limits::PREDICT_FAULTS + limits::PREDICT_ROW_FAULTS + 1_000,
            "{}",
            rows.faults.len()
        );
    }

    #[test]
    fn without_a_good_row_the_problem_has_pointers_into_the_body() {
        let problem = |body: &Value| read(body).all_faulty();
        let many = problem(&json!({"applications": [{"profile": {"gpa": -1}, "program": {}}]}));
        assert_eq!((many.status, many.errors[0].pointer.as_str()), (422, "/applications/0/profile/gpa"));
        let one = problem(&json!({"profile": {"gpa": -1}, "program": {}}));
        assert_eq!(one.errors[0].pointer, "/profile/gpa");
    }
}
