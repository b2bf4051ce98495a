//! Examples of predictions, in the service's own form and in those of the inference protocols.

use super::super::example_ids::{minute, model_id};
use super::super::oip::OUTPUTS;
use provost_domain::Algorithm;
use provost_domain::features::FEATURES;
use serde_json::{Value, json};

/// An application as a client sends it.
fn application() -> Value {
    json!({
        "data_point_id": "application-2027-0042",
        "profile": {
            "gpa": 3.71, "gpa_scale": 4.0, "undergraduate_major": "Computer Science", "undergraduate_university_ranking": 87,
            "test_scores": [
                {"test_type": "gre", "verbal_score": 158, "quantitative_score": 168, "date_taken": "2026-09-12"},
                {"test_type": "toefl", "total_score": 108},
            ],
            "research_publications": 1, "work_experience_months": 14, "internships_count": 2,
        },
        "program": {
            "university_name": "Example University", "university_ranking": 24, "program_name": "Computer Science",
            "degree_level": "masters", "acceptance_rate": 0.14, "average_gpa": 3.7, "gre_quant_avg": 166,
        },
        "application_year": 2027, "application_cycle": "fall",
    })
}

/// A prediction as it is logged.
fn logged() -> Value {
    let features: serde_json::Map<String, Value> =
        FEATURES.iter().map(|name| ((*name).to_owned(), json!(0.5))).collect();
    json!({
        "prediction_id": "pred_0199c7a2b4d87c3e9f10a1b2c3d4e5f6", "predicted_at": minute(30), "model_id": model_id(Algorithm::Xgboost),
        "data_point_id": "application-2027-0042", "probability": 0.64, "predicted_outcome": "accepted", "outcome": null, "features": features,
    })
}

fn explanation() -> Value {
    json!({"base": 0.51, "contributions": [{"feature": "gpa_normalized", "value": 0.9275, "contribution": 0.13}]})
}

/// The example of an operation's request body.
pub fn request(operation: &str) -> Option<Value> {
    Some(match operation {
        "predict" => json!({"applications": [application()], "explain": true}),
        "replace_shadow" => json!({"model_ids": [model_id(Algorithm::RandomForest)]}),
        "infer" => json!({
            "id": "42",
            "inputs": [{"name": "application", "shape": [1], "datatype": "BYTES", "data": [application().to_string()]}],
            "outputs": [{"name": "probability"}],
        }),
        "invoke" => json!({
            "dataframe_split": {"columns": ["gpa", "gre_quant", "acceptance_rate"], "data": [[3.71, 168, 0.14]]},
        }),
        _ => return None,
    })
}

/// A line of a streamed request.
pub fn line(operation: &str) -> Option<Value> {
    (operation == "predict").then(|| json!(format!("{}\n", application())))
}

/// A line of a streamed answer.
pub fn answer_line(operation: &str) -> Option<Value> {
    let line = json!({
        "model_id": model_id(Algorithm::Xgboost), "row": 0, "prediction_id": "pred_0199c7a2b4d87c3e9f10a1b2c3d4e5f6",
        "probability": 0.64, "predicted_outcome": "accepted", "warnings": [],
    });
    (operation == "predict").then(|| json!(format!("{line}\n")))
}

/// The example of an operation's JSON answer with this status.
pub fn answer(operation: &str, status: u16) -> Option<Value> {
    let model = model_id(Algorithm::Xgboost);
    let tensor = |name: &str, datatype: &str| json!({"name": name, "datatype": datatype, "shape": [-1]});
    Some(match (operation, status) {
        ("predict", 200) => json!({
            "model_id": model, "algorithm": Algorithm::Xgboost, "predicted_at": minute(30), "threshold": 0.46, "coverage": 0.9,
            "predictions": [{
                "row": 0, "prediction_id": "pred_0199c7a2b4d87c3e9f10a1b2c3d4e5f6", "data_point_id": "application-2027-0042",
                "probability": 0.64, "probability_low": 0.58, "probability_high": 0.69, "predicted_outcome": "accepted",
                "plausible_outcomes": ["accepted", "rejected"],
                "warnings": [{"code": "missing_value", "pointer": "/profile/test_scores", "message": "gmat_percentile is missing"}],
                "explanation": explanation(),
            }],
            "errors": [],
        }),
        ("list_predictions", 200) => json!([logged()]),
        ("get_prediction", 200) => {
            let mut prediction = logged();
            prediction["explanation"] = explanation();
            prediction
        }
        ("get_shadow" | "replace_shadow", 200) => json!({
            "model_ids": [model_id(Algorithm::RandomForest)], "since": minute(20), "dropped": 0,
            "models": [{
                "model_id": model_id(Algorithm::RandomForest), "predictions": 1200, "agreement": 0.957, "mean_difference": -0.004,
                "with_outcome": 0, "metrics": null,
            }],
        }),
        ("get_server_metadata", 200) => {
            json!({"name": "provost", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"]})
        }
        ("get_server_live" | "get_server_ready", 200) => json!({"live": true, "ready": true}),
        ("get_server_ready", 503) => json!({"live": false, "ready": false}),
        ("get_model_metadata", 200) => json!({
            "name": "admission", "versions": [model], "platform": "provost",
            "inputs": FEATURES.map(|name| tensor(name, "FP32")),
            "outputs": OUTPUTS.map(|name| tensor(name, if name == "predicted_outcome" { "BYTES" } else { "FP64" })),
        }),
        ("get_model_ready", 200) => json!({"name": "admission", "ready": true}),
        ("infer", 200) => json!({
            "model_name": "admission", "model_version": model, "id": "42",
            "outputs": [{"name": "probability", "datatype": "FP64", "shape": [1], "data": [0.64]}],
        }),
        ("invoke", 200) => json!({"predictions": [0.64]}),
        ("invoke", 401) => {
            json!({"error_code": "UNAUTHENTICATED", "message": "an API key is needed: Authorization: Bearer KEY"})
        }
        ("invoke", 400) => {
            json!({"error_code": "BAD_REQUEST", "message": "column `gre_qant` is not read; did you mean `gre_quant`?"})
        }
        ("invoke", _) => json!({"error_code": "BAD_REQUEST", "message": "the request was not carried out"}),
        ("infer", 400) => {
            json!({"error": "input `gpa_normalised` is no feature of the model; did you mean `gpa_normalized`?"})
        }
        ("get_server_metadata" | "get_model_metadata" | "get_model_ready" | "infer", 404) => {
            json!({"error": "there is no model `admissions`; the model is `admission`"})
        }
        ("get_server_metadata" | "get_model_metadata" | "get_model_ready" | "infer", _) => {
            json!({"error": "the request was not carried out"})
        }
        _ => return None,
    })
}
