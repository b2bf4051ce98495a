//! Descriptions of the parameters by name, with an example of each that a client chooses itself.

use super::records::{COMPARISON_PLOT, job_id, model_id};
use provost_domain::Algorithm;
use provost_domain::evaluation::PLOTS;
use serde_json::{Value, json};

/// A description for a parameter whose operation gives none, and an example; None for values that only an answer can
/// give.
fn of(name: &str, operation: &str) -> (&'static str, Option<Value>) {
    match name {
        "job_id" => ("The job's id, as `POST /train` answered it", Some(json!(job_id()))),
        "model_id" => ("The model's id, as `GET /models` lists it", Some(json!(model_id(Algorithm::Xgboost)))),
        "file" if operation == "get_plot" => ("The plot's file name", Some(json!(format!("{}.svg", PLOTS[1])))),
        "file" => ("The file's name, as the comparison named it", Some(json!(COMPARISON_PLOT))),
        "format" if operation == "import_points" => ("The file's format", Some(json!("csv"))),
        "format" if operation == "export_model" => ("The file's format", Some(json!("onnx"))),
        "limit" => ("Items of a page", Some(json!(20))),
        "Idempotency-Key" => (
            "Makes a repeated request safe: the same key and body answer the stored response, the same key and another body 422",
            Some(json!("nightly-2026-02-16")),
        ),
        "Last-Event-ID" => ("Goes on after this event", Some(json!(12))),
        "format" => {
            ("What the answer is written as; by default what `Accept` asks for, else markdown", Some(json!("markdown")))
        }
        "explain" => ("Adds the contribution of each feature", Some(json!(true))),
        "name" => ("The setting `predict.name`", Some(json!("admission"))),
        "need_id" => ("The need's id", Some(json!(super::needs::need().need_id))),
        "at" => ("A moment", Some(json!("2026-02-16T08:00:00Z"))),
        "status" => ("Only jobs in this status", Some(json!("completed"))),
        _ => ("", None),
    }
}

/// Adds descriptions and examples to the parameters of one operation.
pub fn describe(operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) else { return };
    for parameter in parameters.iter_mut().filter_map(Value::as_object_mut) {
        let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (meaning, example) = of(&name, &id);
        if !parameter.contains_key("description") && !meaning.is_empty() {
            parameter.insert("description".to_owned(), json!(meaning));
        }
        if let Some(example) = example.filter(|_| !parameter.contains_key("example")) {
            parameter.insert("example".to_owned(), example);
        }
    }
}
