//! Moves messages that could not be processed: to a retry queue, or to the parking queue with the reason.

use super::amqp::Message;
use super::topology::{PARKED, RETRIES};
use chrono::{DateTime, SecondsFormat, Utc};
use provost_domain::event::{Refusal, RefusalCode};

pub const REASON: &str = "x-provost-reason";
pub const DETAIL: &str = "x-provost-detail";
pub const QUEUE: &str = "x-provost-queue";
pub const EXCHANGE: &str = "x-provost-exchange";
pub const ROUTING_KEY: &str = "x-provost-routing-key";
pub const AT: &str = "x-provost-at";
pub const ATTEMPTS: &str = "x-provost-attempts";

/// The headers of a parked message, with their meanings.
pub const HEADERS: [(&str, &str); 7] = [
    (REASON, "Why: one of the codes of refusals"),
    (DETAIL, "What is wrong, and what would be allowed"),
    (QUEUE, "The queue that it was taken from"),
    (EXCHANGE, "The exchange that it was first published to"),
    (ROUTING_KEY, "The routing key that it was first published with"),
    (AT, "When it was parked"),
    (ATTEMPTS, "How often it was tried in vain before"),
];

/// Longest detail in a header, in bytes: all headers must fit into one frame.
const DETAIL_BYTES: usize = 4096;

/// Where a failed message goes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Later(&'static str),
    Parked,
}

/// The number of failed attempts at a message. This is our own header, because brokers count differently and start
/// again when a message is published again.
pub fn attempts(message: &Message) -> u32 {
    message.header(ATTEMPTS).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// The message as it is published to the parking queue.
pub fn parked(message: Message, queue: &str, refusal: &Refusal, at: DateTime<Utc>) -> Message {
    let attempts = attempts(&message);
    let mut parked = moved(message, queue, at, "", PARKED);
    parked.set_header(REASON, refusal.code.as_str());
    parked.set_header(DETAIL, cut(&refusal.detail));
    parked.set_count(ATTEMPTS, attempts);
    parked
}

/// The message after a failure that may pass: for the next retry queue, or parked as exhausted.
pub fn retried(message: Message, queue: &str, why: &str, at: DateTime<Utc>) -> (Message, Next) {
    // The count is a header, so a publisher may have set any value.
    let before = attempts(&message);
    let failed = before.saturating_add(1);
    match RETRIES.get(before as usize) {
        Some(retry) => {
            let mut later = moved(message, queue, at, retry, queue);
            later.set_count(ATTEMPTS, failed);
            later.set_header(DETAIL, cut(why));
            (later, Next::Later(retry))
        }
        None => {
            let refusal = Refusal::new(RefusalCode::Exhausted, format!("{failed} attempts failed; the last: {why}"));
            let mut message = message;
            message.set_count(ATTEMPTS, failed);
            (parked(message, queue, &refusal, at), Next::Parked)
        }
    }
}

fn moved(message: Message, queue: &str, at: DateTime<Utc>, exchange: &str, routing_key: &str) -> Message {
    // A message from a retry queue names its original queue.
    let origin = |name: &str, now: &str| message.header(name).unwrap_or_else(|| now.to_owned());
    let (from, key) = (origin(EXCHANGE, message.exchange()), origin(ROUTING_KEY, message.routing_key()));
    let mut moved = message.moved_to(exchange, routing_key);
    moved.set_header(QUEUE, queue);
    moved.set_header(EXCHANGE, &from);
    moved.set_header(ROUTING_KEY, &key);
    moved.set_header(AT, &at.to_rfc3339_opts(SecondsFormat::Millis, true));
    moved
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(DETAIL_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message() -> Message {
        Message::new("ml.events", "admission.data.recorded", "application/cloudevents+json", "m", b"{}".to_vec())
    }

    #[test]
    fn three_later_tries_then_parked_as_exhausted_with_its_origin() {
        let at = DateTime::UNIX_EPOCH;
        let (mut message, mut ways) = (message(), Vec::new());
        for _ in 0..4 {
            let (moved, next) = retried(message, "ml.data", "jobs are down", at);
            ways.push((moved.exchange().to_owned(), moved.routing_key().to_owned(), next));
            message = moved;
        }
        let later = |queue: &'static str| (queue.to_owned(), "ml.data".to_owned(), Next::Later(queue));
        assert_eq!(ways[..3], RETRIES.map(later));
        assert_eq!(ways[3], (String::new(), "ml.parked".to_owned(), Next::Parked));
        let header = |name: &str| message.header(name).unwrap();
        assert_eq!(header(REASON), "exhausted");
        assert_eq!(header(DETAIL), "4 attempts failed; the last: jobs are down");
        assert_eq!(
            (header(EXCHANGE), header(ROUTING_KEY)),
            ("ml.events".to_owned(), "admission.data.recorded".to_owned())
        );
        assert_eq!((header(QUEUE), header(ATTEMPTS)), ("ml.data".to_owned(), "4".to_owned()));
        assert_eq!(header(AT), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_count_that_a_publisher_made_up_does_no_harm() {
        for (count, next) in
            [("4294967295", Next::Parked), ("-1", Next::Later(RETRIES[0])), ("many", Next::Later(RETRIES[0]))]
        {
            let mut message = message();
            message.set_header(ATTEMPTS, count);
            assert_eq!(retried(message, "ml.data", "jobs are down", DateTime::UNIX_EPOCH).1, next, "{count}");
        }
    }

    #[test]
    fn a_long_detail_is_cut() {
        let refusal = Refusal::new(RefusalCode::Malformed, "é".repeat(5000));
        let parked = parked(message(), "ml.data", &refusal, DateTime::UNIX_EPOCH);
        assert_eq!(parked.header(DETAIL).unwrap().len(), DETAIL_BYTES);
    }
}
