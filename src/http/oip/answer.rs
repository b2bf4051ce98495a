//! The answer of the Open Inference Protocol: outputs as JSON or as binary data behind the JSON.

use super::request::Output;
use super::tensor;
use serde_json::{Value, json};

/// The values of one output, one per row.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Predicted {
    pub probability: Vec<f64>,
    pub probability_low: Vec<f64>,
    pub probability_high: Vec<f64>,
    pub outcome: Vec<&'static str>,
}

/// A body as it is sent.
#[derive(Debug, PartialEq)]
pub struct InferAnswer {
    pub body: Vec<u8>,
    /// Length of the JSON in front of the binary data; None where there are none.
    pub json_length: Option<usize>,
}

impl InferAnswer {
    /// The outputs in the requested order; `id` is the request's.
    pub fn new(model: &str, version: &str, id: Option<&str>, outputs: &[Output], predicted: &Predicted) -> Self {
        let mut binary = Vec::new();
        let rows = predicted.probability.len();
        let described: Vec<Value> =
            outputs.iter().map(|output| describe(output, rows, predicted, &mut binary)).collect();
        let mut answer = json!({"model_name": model, "model_version": version});
        if let Some(id) = id {
            answer["id"] = json!(id);
        }
        answer["outputs"] = Value::Array(described);
        let mut body = answer.to_string().into_bytes();
        let json_length = outputs.iter().any(|output| output.binary).then_some(body.len());
        body.extend(binary);
        Self { body, json_length }
    }
}

/// The description of an output. Its data are in it, or are appended to `binary`.
fn describe(output: &Output, rows: usize, predicted: &Predicted, binary: &mut Vec<u8>) -> Value {
    let numbers = match output.name {
        "probability" => Some(&predicted.probability),
        "probability_low" => Some(&predicted.probability_low),
        "probability_high" => Some(&predicted.probability_high),
        _ => None,
    };
    let datatype = if numbers.is_some() { "FP64" } else { "BYTES" };
    let mut described = json!({"name": output.name, "datatype": datatype, "shape": [rows]});
    if output.binary {
        let data = numbers
            .map_or_else(|| tensor::texts_to_bytes(&predicted.outcome), |values| tensor::doubles_to_bytes(values));
        described["parameters"] = json!({"binary_data_size": data.len()});
        binary.extend(data);
    } else {
        described["data"] = numbers.map_or_else(|| json!(predicted.outcome), |values| json!(values));
    }
    described
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::request::OUTPUTS;
    use super::*;

    fn predicted() -> Predicted {
        Predicted {
            probability: vec![0.25, 0.75],
            probability_low: vec![0.125, 0.5],
            probability_high: vec![0.5, 1.0],
            outcome: vec!["rejected", "accepted"],
        }
    }

    #[test]
    fn an_answer_in_json_has_the_outputs_that_were_asked_for() {
        let outputs =
            [Output { name: "predicted_outcome", binary: false }, Output { name: "probability", binary: false }];
        let answer = InferAnswer::new("admission", "model_1", Some("7"), &outputs, &predicted());
        assert_eq!(answer.json_length, None);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(
            (&body["id"], &body["model_name"], &body["model_version"]),
            (&json!("7"), &json!("admission"), &json!("model_1"))
        );
        assert_eq!(body["outputs"][0]["data"], json!(["rejected", "accepted"]));
        let probability = json!({"name": "probability", "datatype": "FP64", "shape": [2], "data": [0.25, 0.75]});
        assert_eq!(body["outputs"][1], probability);
    }

    #[test]
    fn binary_outputs_follow_the_json_in_the_same_order() {
        let outputs = OUTPUTS.map(|name| Output { name, binary: name != "probability_low" });
        let answer = InferAnswer::new("admission", "model_1", None, &outputs, &predicted());
        let (json, binary) = answer.body.split_at(answer.json_length.unwrap());
        let body: Value = serde_json::from_slice(json).unwrap();
        assert_eq!(body.get("id"), None);
        let sizes: Vec<Option<u64>> =
            (0..4).map(|i| body["outputs"][i]["parameters"]["binary_data_size"].as_u64()).collect();
        assert_eq!(sizes, [Some(16), None, Some(16), Some(24)]);
        assert_eq!(body["outputs"][1]["data"], json!([0.125, 0.5]));
        let doubles = [0.25f64, 0.75, 0.5, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        assert_eq!(&binary[..32], doubles);
        assert_eq!(&binary[32..], [&[8, 0, 0, 0][..], b"rejected", &[8, 0, 0, 0], b"accepted"].concat());
    }
}
