//! Parses the parts of a `multipart/form-data` body (RFC 7578) while its bytes arrive. No part is held in memory.

use actix_web::web::{Bytes, BytesMut};

/// The most bytes of a part's headers.
const HEAD: usize = 8 * 1024;

/// The next piece of a body.
#[derive(Debug, PartialEq)]
pub enum Piece {
    /// A part begins: its name, and the name of the file that it holds.
    Part { name: String, file_name: Option<String> },
    /// Bytes of the part that began last.
    Bytes(Bytes),
    /// All parts have ended.
    End,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum BadMultipart {
    #[error("a part of the body has more than {HEAD} bytes of headers")]
    LongHead,
    #[error("a part of the body has no name")]
    NoName,
    #[error("after a boundary the body does not go on as multipart/form-data does")]
    Boundary,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    /// Before the first boundary.
    Preamble,
    /// Behind a boundary.
    Behind,
    Head,
    Body,
    Over,
}

pub struct Multipart {
    /// A line end, two hyphens and the boundary.
    delimiter: Vec<u8>,
    buffer: BytesMut,
    place: Place,
}

/// The boundary in a content type; None for another type.
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// A parameter's value: `; name="value"`, quoted or not.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (key, value) = rest.split_once('=')?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.char_indices().find(|(at, c)| *c == '"' && !quoted[..*at].ends_with('\\'))?.0;
                (quoted[..end].replace("\\\"", "\"").replace("%22", "\""), &quoted[end + 1..])
            }
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

impl Multipart {
    pub fn new(boundary: &str) -> Self {
        // The first boundary need not follow a line end.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Self { delimiter: format!("\r\n--{boundary}").into_bytes(), buffer, place: Place::Preamble }
    }

    /// Adds bytes that have arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next piece; None until more has arrived.
    ///
    /// # Errors
    /// If the body is not `multipart/form-data`.
    pub fn next(&mut self) -> Result<Option<Piece>, BadMultipart> {
        loop {
            match self.place {
                Place::Over => return Ok(Some(Piece::End)),
                Place::Preamble => {
                    let Some(at) = find(&self.buffer, &self.delimiter) else {
                        self.keep_the_end();
                        return Ok(None);
                    };
                    let _ = self.buffer.split_to(at + self.delimiter.len());
                    self.place = Place::Behind;
                }
                Place::Behind => match self.buffer.first_chunk::<2>() {
                    None => return Ok(None),
                    Some(b"--") => self.place = Place::Over,
                    Some(b"\r\n") => {
                        let _ = self.buffer.split_to(2);
                        self.place = Place::Head;
                    }
                    Some(_) => return Err(BadMultipart::Boundary),
                },
                Place::Head => {
                    let Some(end) = find(&self.buffer, b"\r\n\r\n") else {
                        return if self.buffer.len() > HEAD { Err(BadMultipart::LongHead) } else { Ok(None) };
                    };
                    let head = self.buffer.split_to(end + 4);
                    self.place = Place::Body;
                    return part(&String::from_utf8_lossy(&head)).map(Some);
                }
                Place::Body => {
                    if let Some(at) = find(&self.buffer, &self.delimiter) {
                        let bytes = self.buffer.split_to(at).freeze();
                        let _ = self.buffer.split_to(self.delimiter.len());
                        self.place = Place::Behind;
                        if !bytes.is_empty() {
                            return Ok(Some(Piece::Bytes(bytes)));
                        }
                        continue;
                    }
                    // Bytes that may begin a boundary wait for the following ones.
                    let whole = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
                    return Ok((whole > 0).then(|| Piece::Bytes(self.buffer.split_to(whole).freeze())));
                }
            }
        }
    }

    fn keep_the_end(&mut self) {
        let gone = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
        let _ = self.buffer.split_to(gone);
    }
}

/// The content of a part's headers.
fn part(head: &str) -> Result<Piece, BadMultipart> {
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let (_, parameters) = disposition.and_then(|value| value.split_once(';')).ok_or(BadMultipart::NoName)?;
    let name = parameter(parameters, "name").ok_or(BadMultipart::NoName)?;
    Ok(Piece::Part { name, file_name: parameter(parameters, "filename") })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BODY: &[u8] = b"--xY\r\nContent-Disposition: form-data; name=\"verified\"\r\n\r\nyes\r\n--xY\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".csv\"\r\nContent-Type: text/csv\r\n\r\n\
        gpa\r\n--x\r\n3.5\r\n\r\n--xY\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--xY--\r\nend";

    /// Name, file name and content.
    type Read = (String, Option<String>, Vec<u8>);

    /// The parts with their whole content, however the body is split.
    fn parts(body: &[u8], step: usize) -> Result<Vec<Read>, BadMultipart> {
        let (mut cut, mut parts) = (Multipart::new("xY"), Vec::new());
        for chunk in body.chunks(step) {
            cut.push(chunk);
            while let Some(piece) = cut.next()? {
                match piece {
                    Piece::Part { name, file_name } => parts.push((name, file_name, Vec::new())),
                    Piece::Bytes(bytes) => parts.last_mut().unwrap().2.extend_from_slice(&bytes),
                    Piece::End => return Ok(parts),
                }
            }
        }
        panic!("it has no end: {parts:?}")
    }

    #[test]
    fn parts_are_the_same_however_their_bytes_arrive() {
        let expected = vec![
            ("verified".to_owned(), None, b"yes".to_vec()),
            ("file".to_owned(), Some("a \"b\".csv".to_owned()), b"gpa\r\n--x\r\n3.5\r\n".to_vec()),
            ("empty".to_owned(), None, Vec::new()),
        ];
        for step in [1, 2, 3, 7, 50, 10_000] {
            assert_eq!(parts(BODY, step).unwrap(), expected, "{step} bytes at a time");
        }
    }

    #[test]
    fn a_body_that_is_none_is_refused() {
        assert_eq!(parts(b"--xYz\r\n", 3), Err(BadMultipart::Boundary));
        assert_eq!(parts(b"--xY\r\nContent-Type: a/b\r\n\r\n", 9), Err(BadMultipart::NoName));
        let long = [b"--xY\r\nA: ".as_slice(), &[b'x'; HEAD + 1]].concat();
        assert_eq!(parts(&long, 100), Err(BadMultipart::LongHead));
    }

    #[test]
    fn a_content_type_names_its_boundary() {
        for (text, expected) in [
            ("multipart/form-data; boundary=----x1", Some("----x1")),
            ("Multipart/Form-Data; charset=utf-8; boundary=\"a b\"", Some("a b")),
            ("multipart/mixed; boundary=x", None),
            ("multipart/form-data", None),
            ("text/csv", None),
            ("multipart/form-data; boundary=", None),
        ] {
            assert_eq!(boundary(text).as_deref(), expected, "{text}");
        }
    }
}
