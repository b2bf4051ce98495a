//! Requests for predictions and their answers in the document.

use super::schemas::{self, reference};
use super::{Parts, STRUCTURED};
use crate::http::example_ids::{minute, model_id};
use crate::http::openapi::applications::APPLICATION;
use provost_actors::bridge::topology::{PREDICT, PREDICTIONS};
use provost_actors::serving::PredictAnswer;
use provost_domain::Algorithm;
use provost_domain::event::SPEC_VERSION;
use serde_json::{Value, json};

const REQUESTED: &str = "admission.prediction.requested";
const MADE: &str = "admission.prediction.made";
const REFUSED: &str = "admission.prediction.refused";

impl Parts {
    pub(super) fn predictions(&mut self) {
        let summary = "Asks the active model for predictions; the answer comes on `ml.predictions`";
        let name = format!("{REQUESTED}.v1");
        self.messages.insert(name.clone(), message(&name, summary, &request_data(), &request()));
        self.exchange_channel(REQUESTED, summary, &[&name]);
        let bindings = json!({"deliveryMode": 2, "mandatory": true, "ack": true, "bindingVersion": "0.3.0"});
        self.operation("receive", REQUESTED, summary, bindings);
        let queue = json!({"name": PREDICT, "durable": true, "exclusive": false, "autoDelete": false});
        let binding = json!({"is": "queue", "queue": queue, "bindingVersion": "0.3.0"});
        self.channel(PREDICT, "The service's queue of requests for predictions", binding, &[&name]);
        let answer = self.schemas.named::<PredictAnswer>();
        for (topic, summary, data) in [
            (
                MADE,
                "The predictions; the routing key ends in the request's `replykey`, where it has one",
                made_data(&answer),
            ),
            (REFUSED, "Why a request got no predictions; it is parked as well", refused_data()),
        ] {
            let name = format!("{topic}.v1");
            self.messages.insert(name.clone(), message(&name, summary, &data.0, &event(topic, &data.1)));
            let exchange = json!({"name": PREDICTIONS, "type": "topic", "durable": true, "autoDelete": false});
            let binding = json!({"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"});
            self.channel(topic, summary, binding, &[&name]);
            self.operation("send", topic, summary, json!({"deliveryMode": 2, "bindingVersion": "0.3.0"}));
        }
    }
}

fn message(name: &str, summary: &str, data: &Value, example: &Value) -> Value {
    json!({
        "name": name, "title": name, "summary": summary, "contentType": STRUCTURED,
        "payload": {"allOf": [
            reference(schemas::ENVELOPE),
            {"type": "object", "properties": {"type": {"const": name}, "data": data}},
        ]},
        "examples": [{"name": name, "summary": summary, "payload": example}],
    })
}

fn request_data() -> Value {
    json!({
        "type": "object", "required": ["applications"], "additionalProperties": false,
        "properties": {
            "applications": {
                "type": "array", "minItems": 1, "maxItems": 1000, "items": reference(APPLICATION),
                "description": "Data points without an outcome; at most 100 where something is explained",
            },
            "replykey": {"type": "string", "pattern": "^[a-z0-9-]{1,64}$", "description": "End of the answer's routing key"},
            "model_id": {"type": "string", "maxLength": 200, "description": "Another model than the active one"},
            "explain": {"type": "boolean"},
            "counterfactual": {"type": "boolean"},
            "coverage": {"type": "number", "minimum": 0.5, "maximum": 0.999, "description": "Of the conformal sets"},
        },
    })
}

fn request() -> Value {
    json!({
        "specversion": SPEC_VERSION, "id": "ask-4711", "source": "/admissions/portal", "type": format!("{REQUESTED}.v1"),
        "time": minute(0), "expirytime": minute(1), "correlationid": "session-17",
        "data": {
            "applications": [{
                "data_point_id": "row-4711",
                "profile": {"gpa": 3.7, "gpa_scale": 4.0, "research_publications": 1},
                "program": {"university_name": "Carnegie Mellon University", "program_name": "Data Science"},
            }],
            "replykey": "portal",
        },
    })
}

fn event(topic: &str, data: &Value) -> Value {
    json!({
        "specversion": SPEC_VERSION, "id": format!("{topic}:5f0c"), "source": "/provost/1", "type": format!("{topic}.v1"),
        "time": minute(0), "correlationid": "session-17", "causationid": "ask-4711",
        "datacontenttype": "application/json", "data": data,
    })
}

/// Schema and example of the data of an event that carries predictions. `answer` is the schema of what `POST /predict`
/// answers.
fn made_data(answer: &str) -> (Value, Value) {
    let schema = reference(answer);
    let example = json!({
        "model_id": model_id(Algorithm::Xgboost), "algorithm": "xgboost", "predicted_at": minute(0), "threshold": 0.46, "coverage": 0.9,
        "predictions": [{
            "row": 0, "prediction_id": "pred_0193817f3b2c7d5aa1e0c5b6d7e8f901", "data_point_id": "row-4711",
            "probability": 0.64, "predicted_outcome": "accepted", "warnings": [],
        }],
        "errors": [],
    });
    (schema, example)
}

/// Schema and example of the data of an event that refuses a request.
fn refused_data() -> (Value, Value) {
    let schema = json!({
        "type": "object", "required": ["code", "message"],
        "properties": {
            "code": {"enum": ["bad_request", "mismatch", "no_active_model", "unknown_model", "cannot_serve"]},
            "message": {"type": "string"},
        },
    });
    (schema, json!({"code": "no_active_model", "message": "no model is active"}))
}
