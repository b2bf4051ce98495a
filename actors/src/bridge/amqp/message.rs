//! A message with its properties, before publishing or after delivery.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use std::collections::BTreeMap;

const PERSISTENT: u8 = 2;
/// Headers with which a publisher routes a message to further queues; a copy must not be routed there again.
const COPIES: [&str; 2] = ["CC", "BCC"];
/// Longest short string that AMQP knows, in bytes.
const SHORT: usize = 255;

#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(in crate::bridge) properties: BasicProperties,
    pub body: Vec<u8>,
}

/// At most 255 bytes of a text, the limit of short strings.
pub(super) fn short(text: &str) -> ShortString {
    let mut end = text.len().min(SHORT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    ShortString::try_new(&text[..end]).unwrap_or_default()
}

impl Message {
    /// A persistent message.
    pub fn new(exchange: &str, routing_key: &str, content_type: &str, message_id: &str, body: Vec<u8>) -> Self {
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type(short(content_type))
            .with_message_id(short(message_id));
        Self { exchange: short(exchange), routing_key: short(routing_key), properties, body }
    }

    pub fn exchange(&self) -> &str {
        self.exchange.as_str()
    }
    pub fn routing_key(&self) -> &str {
        self.routing_key.as_str()
    }
    pub fn content_type(&self) -> Option<&str> {
        self.properties.content_type().as_ref().map(ShortString::as_str)
    }
    pub fn content_encoding(&self) -> Option<&str> {
        self.properties.content_encoding().as_ref().map(ShortString::as_str)
    }
    pub fn message_id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(ShortString::as_str).filter(|id| !id.is_empty())
    }

    fn headers(&self) -> impl Iterator<Item = (&str, &AMQPValue)> {
        self.properties
            .headers()
            .iter()
            .flat_map(|table| table.inner().iter().map(|(name, value)| (name.as_str(), value)))
    }

    /// A header as text, if it is a text, a number or a time.
    pub fn header(&self, name: &str) -> Option<String> {
        self.properties.headers().as_ref()?.inner().get(name).and_then(text_of)
    }

    /// Every header that can be shown as text; arrays and tables as JSON.
    pub fn header_texts(&self) -> BTreeMap<String, String> {
        let told = |value: &AMQPValue| text_of(value).or_else(|| serde_json::to_string(value).ok()).unwrap_or_default();
        self.headers().map(|(name, value)| (name.to_owned(), told(value))).collect()
    }

    /// The headers with one of these prefixes, without the prefix.
    pub fn headers_below(&self, prefixes: &[&str]) -> BTreeMap<String, String> {
        self.headers()
            .filter_map(|(name, value)| {
                let rest = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix))?;
                Some((rest.to_owned(), text_of(value)?))
            })
            .collect()
    }

    /// Exchange and routing key at the broker's first dead-lettering of the message.
    pub fn first_death(&self) -> Option<(String, String)> {
        let AMQPValue::FieldArray(deaths) = self.properties.headers().as_ref()?.inner().get("x-death")? else {
            return None;
        };
        let AMQPValue::FieldTable(death) = deaths.as_slice().last()? else { return None };
        let exchange = death.inner().get("exchange").and_then(text_of)?;
        let AMQPValue::FieldArray(keys) = death.inner().get("routing-keys")? else { return None };
        Some((exchange, keys.as_slice().first().and_then(text_of)?))
    }

    pub fn set_header(&mut self, name: &str, value: &str) {
        self.set(name, AMQPValue::LongString(value.into()));
    }

    pub fn set_count(&mut self, name: &str, value: u32) {
        self.set(name, AMQPValue::LongLongInt(i64::from(value)));
    }

    fn set(&mut self, name: &str, value: AMQPValue) {
        let mut headers = self.properties.headers().clone().unwrap_or_default();
        headers.insert(short(name), value);
        self.properties = std::mem::take(&mut self.properties).with_headers(headers);
    }

    pub fn remove_headers(&mut self, unwanted: impl Fn(&str) -> bool) {
        if let Some(headers) = self.properties.headers() {
            let kept: BTreeMap<_, _> = headers
                .inner()
                .iter()
                .filter(|(name, _)| !unwanted(name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            self.properties = std::mem::take(&mut self.properties).with_headers(FieldTable::from(kept));
        }
    }

    /// A copy of the message for another destination: persistent, without expiration and further recipients, and
    /// without a user id, because the broker only accepts our own.
    pub fn moved_to(mut self, exchange: &str, routing_key: &str) -> Self {
        self.remove_headers(|name| COPIES.contains(&name));
        let old = std::mem::take(&mut self.properties);
        let mut new = BasicProperties::default().with_delivery_mode(PERSISTENT);
        macro_rules! keep {
            ($($get:ident $with:ident),*) => { $(if let Some(value) = old.$get() { new = new.$with(value.clone()); })* };
        }
        keep!(
            content_type with_content_type, content_encoding with_content_encoding, headers with_headers,
            priority with_priority, correlation_id with_correlation_id, reply_to with_reply_to,
            message_id with_message_id, timestamp with_timestamp, kind with_type, app_id with_app_id
        );
        Self { exchange: short(exchange), routing_key: short(routing_key), properties: new, body: self.body }
    }
}

fn text_of(value: &AMQPValue) -> Option<String> {
    Some(match value {
        AMQPValue::ShortString(s) => s.as_str().to_owned(),
        AMQPValue::LongString(s) => String::from_utf8_lossy(s.as_bytes()).into_owned(),
        AMQPValue::Boolean(b) => b.to_string(),
        AMQPValue::ShortShortInt(n) => n.to_string(),
        AMQPValue::ShortShortUInt(n) => n.to_string(),
        AMQPValue::ShortInt(n) => n.to_string(),
        AMQPValue::ShortUInt(n) => n.to_string(),
        AMQPValue::LongInt(n) => n.to_string(),
        AMQPValue::LongUInt(n) => n.to_string(),
        AMQPValue::LongLongInt(n) => n.to_string(),
        AMQPValue::Float(n) => n.to_string(),
        AMQPValue::Double(n) => n.to_string(),
        AMQPValue::Timestamp(seconds) => {
            let at = chrono::DateTime::from_timestamp(i64::try_from(*seconds).ok()?, 0)?;
            at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        }
        AMQPValue::DecimalValue(_)
        | AMQPValue::FieldArray(_)
        | AMQPValue::FieldTable(_)
        | AMQPValue::ByteArray(_)
        | AMQPValue::Void => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_moved_message_keeps_what_it_says_and_drops_what_would_steer_it() {
        let mut message = Message::new("ml.events", "a.b", "text/plain", "m1", b"x".to_vec());
        message.set_header("CC", "elsewhere");
        message.set_header("k", "v");
        message.set_count("n", 3);
        message.properties = message.properties.with_expiration("5".into()).with_user_id("someone".into());
        let moved = message.moved_to("", "ml.parked");
        assert_eq!((moved.exchange(), moved.routing_key(), moved.body.as_slice()), ("", "ml.parked", b"x".as_slice()));
        assert_eq!((moved.message_id(), moved.content_type()), (Some("m1"), Some("text/plain")));
        assert_eq!(
            moved.header_texts().into_iter().collect::<Vec<_>>(),
            [("k".to_owned(), "v".to_owned()), ("n".to_owned(), "3".to_owned())]
        );
        assert!(moved.properties.expiration().is_none() && moved.properties.user_id().is_none());
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(short(&"ü".repeat(200)).as_str().len(), 254);
    }
}
