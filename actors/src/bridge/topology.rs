//! Exchanges, queues and bindings, as plain data. Every argument is explicit, because brokers' defaults differ by
//! version.

/// All events, by topic.
pub const EVENTS: &str = "ml.events";
/// Events that no queue is bound for on `EVENTS`.
pub const UNROUTED: &str = "ml.unrouted";
/// Messages that a quorum queue delivered too often.
pub const DEAD: &str = "ml.dlx";
/// Data points.
pub const DATA: &str = "ml.data";
/// Requests for training.
pub const TRAIN: &str = "ml.train";
/// Requests for predictions.
pub const PREDICT: &str = "ml.predict";
/// Answers to requests for predictions, by topic. Answers without a listener are dropped.
pub const PREDICTIONS: &str = "ml.predictions";
/// Messages that could not be processed, with the reason.
pub const PARKED: &str = "ml.parked";
/// The retry queues, by the number of earlier failures.
pub const RETRIES: [&str; 3] = ["ml.retry.5s", "ml.retry.1m", "ml.retry.10m"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    Text(&'static str),
    Number(i64),
}

#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    pub name: &'static str,
    /// Whether messages go to all queues; else by topic.
    pub fanout: bool,
    pub arguments: &'static [(&'static str, Argument)],
}

#[derive(Debug, Clone, Copy)]
pub struct Queue {
    pub name: &'static str,
    pub arguments: &'static [(&'static str, Argument)],
}

#[derive(Debug, Clone, Copy)]
pub struct Topology {
    pub exchanges: &'static [Exchange],
    pub queues: &'static [Queue],
    /// Queue, exchange, routing key.
    pub bindings: &'static [(&'static str, &'static str, &'static str)],
}

use Argument::{Number, Text};

const fn fanout(name: &'static str) -> Exchange {
    Exchange { name, fanout: true, arguments: &[] }
}

/// A queue of work: replicated if the broker has replicas, and it refuses messages beyond its length instead of
/// dropping old ones.
macro_rules! work {
    ($name:expr, $length:expr) => {
        Queue {
            name: $name,
            arguments: &[
                ("x-queue-type", Text("quorum")),
                ("x-delivery-limit", Number(10)),
                ("x-dead-letter-exchange", Text(DEAD)),
                ("x-dead-letter-strategy", Text("at-least-once")),
                ("x-overflow", Text("reject-publish")),
                ("x-max-length", Number($length)),
            ],
        }
    };
}

/// Messages arrive with their original queue as routing key, and return there through the default exchange. Quorum
/// queues, because only these dead-letter at least once.
macro_rules! retry {
    ($name:expr, $seconds:expr) => {
        Queue {
            name: $name,
            arguments: &[
                ("x-queue-type", Text("quorum")),
                ("x-message-ttl", Number($seconds * 1000)),
                ("x-dead-letter-exchange", Text("")),
                ("x-dead-letter-strategy", Text("at-least-once")),
                ("x-overflow", Text("reject-publish")),
                ("x-max-length", Number(100_000)),
            ],
        }
    };
}

pub const TOPOLOGY: Topology = Topology {
    exchanges: &[
        fanout(UNROUTED),
        Exchange { name: EVENTS, fanout: false, arguments: &[("alternate-exchange", Text(UNROUTED))] },
        Exchange { name: PREDICTIONS, fanout: false, arguments: &[] },
        fanout(DEAD),
        fanout(RETRIES[0]),
        fanout(RETRIES[1]),
        fanout(RETRIES[2]),
    ],
    queues: &[
        // Parked and unrouted messages are read and returned, which a quorum queue would count as failures.
        Queue { name: PARKED, arguments: &[("x-queue-type", Text("classic"))] },
        Queue {
            name: UNROUTED,
            arguments: &[
                ("x-queue-type", Text("classic")),
                ("x-max-length", Number(100_000)),
                ("x-overflow", Text("drop-head")),
            ],
        },
        work!(DATA, 1_000_000),
        work!(TRAIN, 10_000),
        work!(PREDICT, 100_000),
        retry!(RETRIES[0], 5),
        retry!(RETRIES[1], 60),
        retry!(RETRIES[2], 600),
    ],
    bindings: &[
        (UNROUTED, UNROUTED, ""),
        (PARKED, DEAD, ""),
        (RETRIES[0], RETRIES[0], ""),
        (RETRIES[1], RETRIES[1], ""),
        (RETRIES[2], RETRIES[2], ""),
        (DATA, EVENTS, "admission.data.#"),
        (TRAIN, EVENTS, "training.trigger.#"),
        (PREDICT, EVENTS, "admission.prediction.requested"),
    ],
};

/// Whether a message with this routing key is for one of our queues.
pub fn is_inbound(routing_key: &str) -> bool {
    ["admission.data", "training.trigger", "admission.prediction.requested"]
        .iter()
        .any(|prefix| routing_key.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_names_its_type_and_every_binding_its_ends() {
        for queue in TOPOLOGY.queues {
            assert!(queue.arguments.iter().any(|(name, _)| *name == "x-queue-type"), "{}", queue.name);
        }
        for (queue, exchange, _) in TOPOLOGY.bindings {
            assert!(TOPOLOGY.queues.iter().any(|q| q.name == *queue), "{queue}");
            assert!(TOPOLOGY.exchanges.iter().any(|e| e.name == *exchange), "{exchange}");
        }
    }

    #[test]
    fn what_is_for_us() {
        for key in
            ["admission.data.recorded", "admission.data", "training.trigger.cancel", "admission.prediction.requested"]
        {
            assert!(is_inbound(key), "{key}");
        }
        for key in
            ["admission.database", "admission.prediction.made", "training.job.queued", "model.version.activated", ""]
        {
            assert!(!is_inbound(key), "{key}");
        }
    }
}
