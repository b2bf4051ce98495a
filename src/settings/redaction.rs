//! Removes passwords from settings before they are shown.

use super::StoreAddress;
use super::secret::{HIDDEN, looks_secret};
use super::value::Values;
use provost_actors::MailUrl;
use provost_actors::bridge::Address;
use toml::Value;

/// The value as it may be shown. Of an address only scheme, hosts, ports and a plain name are shown. A value that should be
/// an address and is not is hidden as a whole, because a password may stand anywhere in it.
pub fn redacted(key: &str, value: &Value) -> Value {
    let address = |text: &str| match key {
        "bridge.url" => Some(Address::parse(text).map(|address| address.to_string()).ok()),
        "mail.url" => Some(MailUrl::parse(text).map(|address| address.to_string()).ok()),
        "store.url" => Some(StoreAddress::parse(text).map(|address| address.to_string()).ok()),
        _ => None,
    };
    let shown = match value {
        Value::String(text) if text.trim().is_empty() => return value.clone(),
        Value::String(text) => address(text).unwrap_or_else(|| (!looks_secret(text)).then(|| text.clone())),
        // An address in an unexpected form, such as a list.
        other if address("").is_some() || looks_secret(&other.to_string()) => None,
        other => return other.clone(),
    };
    Value::String(shown.unwrap_or_else(|| HIDDEN.to_owned()))
}

/// Whether the value is an address with parts that are not shown.
pub fn holds_secret(key: &str, value: &Value) -> bool {
    matches!(key, "bridge.url" | "mail.url" | "store.url") && value.as_str().is_some_and(|text| text.contains("***"))
}

/// Removes passwords from values that are kept only to be shown.
pub fn redact(values: &mut Values) {
    for (key, (value, _)) in values.iter_mut() {
        *value = redacted(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_hold_a_password_is_left_out() {
        for (key, text, expected) in [
            ("mail.url", "smtps://user:geheim@mail.example.org", "smtps://***@mail.example.org:465"),
            ("mail.url", "smtp://localhost:25", "smtp://localhost:25"),
            ("mail.url", "smtps://user:p@geheim/w#rd@mail.example.org:1", "***"),
            ("mail.url", "user:geheim@mail.example.org", "***"),
            ("mail.url", "", ""),
            ("mail.from", "a@b.org", "a@b.org"),
            ("store.url", "sqlite:", "sqlite:"),
            ("store.url", "mongodb://h/db?appName=geheim", "mongodb://h/db"),
            ("store.url", "mongodb://h/db?tlsCertificateKeyFilePassword=geheim", "***"),
            ("bridge.url", "amqp://u:geheim@bus/prod", "amqp://***@bus:5672/prod"),
            ("bridge.url", "amqp://u:geheim@h\namqp://u:geheim@h", "***"),
            ("bridge.url", "amqp://h/amqp:%2f%2fu:geheim%40h", "***"),
            // An address in a setting for a path.
            ("bridge.url_file", "amqp://u:geheim@bus", "***"),
            ("http.listen", "http://u:geheim@bus", "***"),
            ("http.tls_key", "pvk_geheim", "***"),
            ("bridge.ca_file", "olga:geheim@bus", "***"),
        ] {
            assert_eq!(redacted(key, &Value::from(text)), Value::from(expected), "{key} = {text:?}");
        }
        let list = Value::Array(vec![Value::from("amqp://u:geheim@bus")]);
        assert_eq!(redacted("bridge.url", &list), Value::from("***"));
        assert_eq!(redacted("log.level", &list), Value::from("***"));
        assert_eq!(redacted("bridge.url", &Value::from(5)), Value::from("***"));
        assert_eq!(redacted("http.workers", &Value::from(5)), Value::from(5));
    }
}
