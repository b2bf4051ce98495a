//! Escapes text for the HTML of mails.

use askama::filters::Escaper;
use std::fmt::{self, Write};

/// Writes the special characters of HTML as named entities.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entities;

impl Escaper for Entities {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        for part in string.split_inclusive(['&', '<', '>', '"', '\'']) {
            let (text, entity) = match part.as_bytes().last() {
                Some(b'&') => (&part[..part.len() - 1], "&amp;"),
                Some(b'<') => (&part[..part.len() - 1], "&lt;"),
                Some(b'>') => (&part[..part.len() - 1], "&gt;"),
                Some(b'"') => (&part[..part.len() - 1], "&quot;"),
                Some(b'\'') => (&part[..part.len() - 1], "&#x27;"),
                _ => (part, ""),
            };
            dest.write_str(text)?;
            dest.write_str(entity)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_html_takes_for_itself_is_written_as_entities() {
        let mut text = String::new();
        Entities.write_escaped_str(&mut text, "<b>\"Grüße\" & 'x'").unwrap();
        assert_eq!(text, "&lt;b&gt;&quot;Grüße&quot; &amp; &#x27;x&#x27;");
    }
}
