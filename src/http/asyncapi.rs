//! The AsyncAPI 3.0 document, generated from the types: what the service takes from the bus, and what it announces there.

mod examples;
mod predictions;
mod schemas;
#[cfg(test)]
mod tests;

use examples::{Example, PREFIX};
use provost_actors::bridge::PARKED_HEADERS;
use provost_actors::bridge::topology::{Argument, EVENTS, PARKED, PREDICT, TOPOLOGY};
use provost_domain::event::outbound::Topic;
use provost_domain::event::{InboundType, RefusalCode, STRUCTURED};
use schemas::{Schemas, reference};
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

const DESCRIPTION: &str = "The service receives data points and requests for training as CloudEvents 1.0, and announces \
    changes of jobs and models. Delivery is at least once and effects are idempotent: an event is identified by its source \
    and id. An event that cannot be processed is parked with the reason. The service declares exchanges and queues; other \
    programs should only check them passively. `x-topology` lists them with every argument.";

/// The document as it is served.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| document().to_string())
}

/// The document.
pub fn document() -> Value {
    let mut parts = Parts::default();
    for kind in InboundType::ALL {
        parts.inbound(*kind);
    }
    for topic in Topic::ALL {
        parts.outbound(*topic);
    }
    parts.queues();
    parts.predictions();
    json!({
        "asyncapi": "3.0.0",
        "info": {"title": "Provost", "version": env!("CARGO_PKG_VERSION"), "description": DESCRIPTION},
        "defaultContentType": STRUCTURED,
        "servers": {"amqp": server("amqp", "5672"), "amqps": server("amqps", "5671")},
        "channels": parts.channels,
        "operations": parts.operations,
        "components": {
            "securitySchemes": {"login": {"type": "userPassword", "description": "A user of the broker"}},
            "messages": parts.messages,
            "schemas": parts.schemas.finish(),
        },
        "x-topology": topology(),
    })
}

/// The broker's address is left out: it differs by installation and must not be public.
fn server(protocol: &str, port: &str) -> Value {
    json!({
        "host": "{host}:{port}",
        "pathname": "/{vhost}",
        "protocol": protocol,
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ, 3.10 or newer",
        "variables": {
            "host": {"default": "localhost"},
            "port": {"default": port},
            "vhost": {"default": "%2F", "description": "The virtual host, percent-encoded"},
        },
        "security": [{"$ref": "#/components/securitySchemes/login"}],
    })
}

/// The parts that the document is built from.
#[derive(Default)]
struct Parts {
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
    schemas: Schemas,
}

impl Parts {
    fn inbound(&mut self, kind: InboundType) {
        let (data, example) = (self.schemas.inbound(kind), examples::inbound(kind));
        let (name, key) = (kind.versioned(), kind.routing_key());
        let in_headers = format!("{name}-headers");
        self.messages.insert(name.clone(), structured(&name, &data, &example));
        self.messages.insert(in_headers.clone(), binary(&name, &data, &example));
        self.exchange_channel(key, example.summary, &[&name, &in_headers]);
        let bindings = json!({"deliveryMode": 2, "mandatory": true, "ack": true, "bindingVersion": "0.3.0"});
        self.operation("receive", key, example.summary, bindings);
    }

    fn outbound(&mut self, topic: Topic) {
        let (data, example) = (self.schemas.outbound(topic), examples::outbound(topic));
        let (name, key) = (format!("{topic}.v1"), topic.as_str());
        self.messages.insert(name.clone(), structured(&name, &data, &example));
        self.exchange_channel(key, example.summary, &[&name]);
        let bindings = json!({"deliveryMode": 2, "mandatory": true, "bindingVersion": "0.3.0"});
        self.operation("send", key, example.summary, bindings);
    }

    /// A routing key of the events' exchange.
    fn exchange_channel(&mut self, key: &str, summary: &str, messages: &[&str]) {
        let exchange = json!({"name": EVENTS, "type": "topic", "durable": true, "autoDelete": false});
        let binding = json!({"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"});
        self.channel(key, summary, binding, messages);
    }

    fn channel(&mut self, address: &str, summary: &str, binding: Value, messages: &[&str]) {
        let refer = |m: &&str| ((*m).to_owned(), json!({"$ref": format!("#/components/messages/{m}")}));
        let messages: Map<String, Value> = messages.iter().map(refer).collect();
        let channel =
            json!({"address": address, "summary": summary, "messages": messages, "bindings": {"amqp": binding}});
        self.channels.insert(address.to_owned(), channel);
    }

    fn operation(&mut self, action: &str, channel: &str, summary: &str, binding: Value) {
        let of_channel = self.channels.get(channel).and_then(|c| c["messages"].as_object());
        let messages: Vec<Value> = of_channel
            .into_iter()
            .flat_map(Map::keys)
            .map(|m| json!({"$ref": format!("#/channels/{channel}/messages/{m}")}))
            .collect();
        let operation = json!({
            "action": action, "channel": {"$ref": format!("#/channels/{channel}")}, "summary": summary,
            "messages": messages, "bindings": {"amqp": binding},
        });
        self.operations.insert(format!("{action}_{}", channel.replace('.', "_")), operation);
    }

    /// The queues of inbound events, and the parking queue.
    fn queues(&mut self) {
        let binding = |name: &str| {
            let queue = json!({"name": name, "durable": true, "exclusive": false, "autoDelete": false});
            json!({"is": "queue", "queue": queue, "bindingVersion": "0.3.0"})
        };
        let of_events = |(queue, exchange, _): &&(&str, &str, &str)| *exchange == EVENTS && *queue != PREDICT;
        for (queue, _, pattern) in TOPOLOGY.bindings.iter().filter(of_events) {
            let prefix = pattern.trim_end_matches('#');
            let bound = InboundType::ALL.iter().filter(|kind| kind.routing_key().starts_with(prefix));
            let messages: Vec<String> =
                bound.flat_map(|kind| [kind.versioned(), format!("{}-headers", kind.versioned())]).collect();
            let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
            let summary = format!("The service's queue of all events published with `{pattern}`");
            self.channel(queue, &summary, binding(queue), &messages);
        }
        let summary = "Messages that could not be processed, with the reason in the headers";
        let example = examples::parked();
        let code = self.schemas.named::<RefusalCode>();
        let of_header = |(name, what): &(&str, &str)| {
            let schema = match *name {
                "x-provost-reason" => json!({"allOf": [reference(&code)], "description": what}),
                "x-provost-attempts" => json!({"type": "integer", "minimum": 0, "description": what}),
                _ => json!({"type": "string", "description": what}),
            };
            ((*name).to_owned(), schema)
        };
        let headers: Map<String, Value> = PARKED_HEADERS.iter().map(of_header).collect();
        let required: Vec<&String> = headers.keys().collect();
        let message = json!({
            "name": "parked", "title": "parked", "summary": summary,
            "description": "Body, content type and other headers are those of the message as it came.",
            "headers": {"type": "object", "required": required, "properties": headers},
            "payload": {},
            "examples": [{"name": "parked", "summary": summary, "headers": example.headers, "payload": example.payload}],
        });
        self.messages.insert("parked".to_owned(), message);
        self.channel(PARKED, summary, binding(PARKED), &["parked"]);
        let bindings = json!({"deliveryMode": 2, "bindingVersion": "0.3.0"});
        self.operation("send", PARKED, summary, bindings);
    }
}

/// An event with its attributes in the body.
fn structured(name: &str, data: &str, example: &Example) -> Value {
    json!({
        "name": name, "title": name, "summary": example.summary, "contentType": STRUCTURED,
        "payload": {"allOf": [
            reference(schemas::ENVELOPE),
            {"type": "object", "properties": {"type": {"const": name}, "data": reference(data)}},
        ]},
        "examples": [{"name": name, "summary": example.summary, "payload": example.event}],
    })
}

/// The same event with its attributes in the headers.
fn binary(name: &str, data: &str, example: &Example) -> Value {
    let (headers, body) = example.in_headers();
    json!({
        "name": name, "title": format!("{name}, attributes in headers"), "summary": example.summary,
        "description": format!("`{PREFIX}` may be written `cloudEvents_` as well."),
        "contentType": "application/json",
        "headers": schemas::headers(name),
        "payload": reference(data),
        "examples": [{"name": name, "summary": example.summary, "headers": headers, "payload": body}],
    })
}

/// Exchanges, queues and bindings with every argument.
fn topology() -> Value {
    let arguments = |list: &[(&str, Argument)]| -> Map<String, Value> {
        let value = |argument: &Argument| match argument {
            Argument::Text(text) => json!(text),
            Argument::Number(number) => json!(number),
        };
        list.iter().map(|(name, argument)| ((*name).to_owned(), value(argument))).collect()
    };
    let exchanges = TOPOLOGY.exchanges.iter().map(|e| {
        let kind = if e.fanout { "fanout" } else { "topic" };
        json!({"name": e.name, "type": kind, "durable": true, "arguments": arguments(e.arguments)})
    });
    let queues =
        TOPOLOGY.queues.iter().map(|q| json!({"name": q.name, "durable": true, "arguments": arguments(q.arguments)}));
    let bindings = TOPOLOGY
        .bindings
        .iter()
        .map(|(queue, exchange, key)| json!({"queue": queue, "exchange": exchange, "routing_key": key}));
    json!({
        "exchanges": exchanges.collect::<Vec<_>>(),
        "queues": queues.collect::<Vec<_>>(),
        "bindings": bindings.collect::<Vec<_>>(),
    })
}
