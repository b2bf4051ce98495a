//! Escapes for text from outside: control characters, characters that change the direction of text, and invisible
//! characters are replaced by escapes. All code that prints data (terminal, log, mail) uses these functions.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes a text for a place with one line. Line breaks and tabs become `\n`, `\r` and `\t`; all other escapes have
/// the form `\u{1b}`.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |c| !is_plain_char(c), braces)
}

/// Escapes a text for a place with several lines; line feeds stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && !is_plain_char(c), braces)
}

/// Escapes JSON text, by JSON's own escapes (`\u202e`), so that its value does not change. Line feeds stay: they occur
/// only between tokens, as white space.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |c| c != '\n' && !is_plain_char(c),
        |out, c| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}"); // writing to a String cannot fail
            }
        },
    )
}

/// Whether a text has no character that these functions escape.
pub fn is_plain(text: &str) -> bool {
    text.chars().all(is_plain_char)
}

/// Whether the functions of this module leave this character as it is.
pub fn is_plain_char(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c if c.is_control() => false, // C0, DEL and C1
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' => false,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => false,
        '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => false,
        _ => true,
    }
}

fn braces(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c)); // writing to a String cannot fail
        }
    }
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool, write: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let Some(first) = text.find(&is_escaped) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    for c in text[first..].chars() {
        if is_escaped(c) { write(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_obeys_and_what_nobody_sees_is_written_out() {
        assert_eq!(line("U\u{1b}[31m\u{202e}x\r\n"), r"U\u{1b}[31m\u{202e}x\r\n");
        assert_eq!(lines("U\u{1b}[31m\u{202e}x\r\n"), "U\\u{1b}[31m\\u{202e}x\\r\n");
        assert_eq!(json("{\"u\":\"\u{9b}31m\u{e0041}\"}"), r#"{"u":"\u009b31m\udb40\udc41"}"#);
        let escaped: Vec<char> = ('\0'..=char::MAX).filter(|c| !is_plain(&c.to_string())).collect();
        for wanted in [
            0x00..=0x1f,
            0x7f..=0x9f,
            0x61c..=0x61c,
            0x200b..=0x200f,
            0x2028..=0x202e,
            0x2060..=0x2064,
            0x2066..=0x2069,
            0xfeff..=0xfeff,
            0xe0020..=0xe007f,
        ] {
            for code in wanted {
                assert!(escaped.contains(&char::from_u32(code).unwrap()), "U+{code:04X}");
            }
        }
    }

    #[test]
    fn names_of_the_world_stay_as_they_are() {
        for name in ["École Polytechnique", "東京大学", "جامعة القاهرة", "ETH Zürich", "Łódź", "🎓", ""]
        {
            assert!(matches!(line(name), Cow::Borrowed(same) if same == name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_plain_and_json_keeps_its_value(text: String) {
            prop_assert!(is_plain(&line(&text)));
            prop_assert!(lines(&text).split('\n').all(is_plain));
            let value = serde_json::Value::String(text);
            let shown = json(&value.to_string()).into_owned();
            prop_assert!(is_plain(&shown));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }
}
