//! Settings that may hold a password: they are shown without it, wherever a setting is shown.

use super::layers::Values;
use provost_actors::MailUrl;
use provost_actors::bridge::Address;
use provost_domain::{Secret, visible};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use toml::Value;

/// Longest file with an address or a key, in bytes.
const LONGEST_FILE: u64 = 1 << 16;
/// Shown in place of what may hold a password.
const HIDDEN: &str = "***";

/// The value as it may be shown: of an address scheme, hosts, ports and a plain name. What is no address, though one was
/// expected, is not shown at all: a password that is not encoded as it should be may stand anywhere in it.
pub fn shown(key: &str, value: &Value) -> Value {
    let address = |text: &str| match key {
        "bridge.url" => Some(Address::parse(text).map(|address| address.to_string()).ok()),
        "mail.url" => Some(MailUrl::parse(text).map(|address| address.to_string()).ok()),
        "store.url" => Some(super::StoreAddress::parse(text).map(|address| address.to_string()).ok()),
        _ => None,
    };
    let shown = match value {
        Value::String(text) if text.trim().is_empty() => return value.clone(),
        Value::String(text) => address(text).unwrap_or_else(|| (!looks_secret(text)).then(|| text.clone())),
        // An address that was written as something else, in a list perhaps.
        other if address("").is_some() || looks_secret(&other.to_string()) => None,
        other => return other.clone(),
    };
    Value::String(shown.unwrap_or_else(|| HIDDEN.to_owned()))
}

/// Whether it is an address with more in it than is shown.
pub fn holds_secret(key: &str, value: &Value) -> bool {
    matches!(key, "bridge.url" | "mail.url" | "store.url") && value.as_str().is_some_and(|text| text.contains("***"))
}

/// An address or a key, where neither is expected.
fn looks_secret(text: &str) -> bool {
    let has_login = text.split_once(':').is_some_and(|(_, rest)| rest.contains('@'));
    has_login || text.contains("://") || text.contains("pvk_")
}

/// A path in a message. An address or a key that was given as a path is not shown.
pub fn shown_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    if looks_secret(&text) { HIDDEN.to_owned() } else { visible::line(&text).into_owned() }
}

/// The one line of a file that holds an address or a key. Blank lines after it are allowed, and nothing else.
///
/// # Errors
/// Says what is wrong with the file, and nothing of what is in it.
pub fn read_file(path: &Path) -> Result<Secret, String> {
    let name = shown_path(path);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes));
    read.map_err(|e| format!("cannot read {name}: {e}"))?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(format!("{name} is longer than {LONGEST_FILE} bytes; allowed is one line"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8 text; allowed is one line"))?;
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines();
    let first = lines.next().unwrap_or_default().trim();
    if lines.any(|line| !line.trim().is_empty()) {
        return Err(format!("{name} has more than one line; allowed is one line"));
    }
    if first.is_empty() {
        return Err(format!("the first line of {name} is empty; allowed is one line"));
    }
    Ok(Secret::new(first))
}

/// Once everything is read, the plain values are kept nowhere but where they are needed.
pub fn forget(values: &mut Values) {
    for (key, (value, _)) in values.iter_mut() {
        *value = shown(key, value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
            // Written where it does not belong.
            ("bridge.url_file", "amqp://u:geheim@bus", "***"),
            ("http.listen", "http://u:geheim@bus", "***"),
            ("http.tls_key", "pvk_geheim", "***"),
            ("bridge.ca_file", "olga:geheim@bus", "***"),
        ] {
            assert_eq!(shown(key, &Value::from(text)), Value::from(expected), "{key} = {text:?}");
        }
        let list = Value::Array(vec![Value::from("amqp://u:geheim@bus")]);
        assert_eq!(shown("bridge.url", &list), Value::from("***"));
        assert_eq!(shown("log.level", &list), Value::from("***"));
        assert_eq!(shown("bridge.url", &Value::from(5)), Value::from("***"));
        assert_eq!(shown("http.workers", &Value::from(5)), Value::from(5));
    }

    #[test]
    fn a_file_has_one_line_and_no_message_repeats_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            read_file(file.path())
        };
        for good in ["geheim", "geheim\n", "\u{feff} geheim \r\n\r\n  \n"] {
            assert_eq!(read(good.as_bytes()).unwrap().expose(), "geheim");
        }
        for (bytes, wanted) in [
            (&b"geheim\ngeheim\n"[..], "more than one line"),
            (b"geheim\r\n\r\ngeheim", "more than one line"),
            (b"\ngeheim", "more than one line"),
            (b"", "is empty"),
            (b"  \n\n", "is empty"),
            (b"geheim\xff", "not UTF-8"),
            (&[b'x'; 1 << 17], "longer than"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(wanted) && error.contains("one line") && !error.contains("geheim"), "{error}");
            assert!(error.contains(&file.path().display().to_string()), "{error}");
        }
        let error = read_file(Path::new("amqp://u:geheim@bus")).unwrap_err();
        assert!(error.starts_with("cannot read ***: "), "{error}");
    }
}
