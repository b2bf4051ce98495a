//! Settings that may hold a password: they are shown without it, wherever a setting is shown.

use super::layers::Values;
use toml::Value;

/// Addresses with a user and a password in them.
const SECRETS: [&str; 3] = ["bridge.url", "mail.url", "store.url"];

/// The value as it may be shown: what stands before the host is left out.
pub fn shown(key: &str, value: &Value) -> Value {
    let Value::String(text) = value else { return value.clone() };
    if !SECRETS.contains(&key) {
        return value.clone();
    }
    // Up to the last @ of whatever was written: a password that is not encoded as it should be may hold any character.
    Value::String(match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://***@{rest}"),
        (None, Some((_, rest))) => format!("***@{rest}"),
        (_, None) => text.clone(),
    })
}

/// Once everything is read, the plain values are kept nowhere but where they are needed.
pub fn forget(values: &mut Values) {
    for (key, (value, _)) in values.iter_mut() {
        *value = shown(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_host_is_left_out() {
        for (text, expected) in [
            ("smtps://user:pass@mail.example.org", "smtps://***@mail.example.org"),
            ("smtps://user:p@ss/w#rd@mail.example.org:1", "smtps://***@mail.example.org:1"),
            ("user:pass@mail.example.org", "***@mail.example.org"),
            ("smtp://localhost:25", "smtp://localhost:25"),
            ("", ""),
        ] {
            assert_eq!(shown("mail.url", &Value::from(text)), Value::from(expected));
        }
        assert_eq!(shown("mail.from", &Value::from("a@b.org")), Value::from("a@b.org"));
    }
}
