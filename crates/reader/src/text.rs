//! Converts bytes to UTF-8. A byte order mark and UTF-16 are detected from the first bytes; `detect` handles older encodings
//! of CSV files. JSON is UTF-8 or UTF-16 by its standard.

use crate::unpack::Input;
use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use std::io::{self, BufRead, Read};

/// How many bytes are inspected before a file is read.
pub const HEAD: usize = 1 << 18;
const CHUNK: usize = 1 << 16;

/// Text whose beginning can be inspected before it is read.
pub struct Headed {
    head: Vec<u8>,
    at: usize,
    rest: Input,
    /// An error from reading the beginning; returned after it.
    fault: Option<io::Error>,
}

impl Headed {
    pub fn new(mut rest: Input) -> Self {
        let mut head = Vec::new();
        let fault = (&mut rest).take(HEAD as u64).read_to_end(&mut head).err();
        Self { head, at: 0, rest, fault }
    }
    pub fn head(&self) -> &[u8] {
        &self.head[self.at..]
    }
    /// Whether the head is the whole text.
    pub fn is_whole(&self) -> bool {
        self.head.len() < HEAD && self.fault.is_none()
    }
    /// Why the head is not longer, if reading it failed.
    pub fn fault(&self) -> Option<&io::Error> {
        self.fault.as_ref()
    }
    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

impl Read for Headed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buf)
    }
}

impl BufRead for Headed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at < self.head.len() {
            return Ok(&self.head[self.at..]);
        }
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => self.rest.fill_buf(),
        }
    }
    fn consume(&mut self, n: usize) {
        if self.at < self.head.len() { self.at += n } else { self.rest.consume(n) }
    }
}

pub fn read_buffered(from: &mut impl BufRead, buf: &mut [u8]) -> io::Result<usize> {
    let n = from.fill_buf()?.read(buf)?;
    from.consume(n);
    Ok(n)
}

/// The text in UTF-8 without its byte order mark, decoded from UTF-16 if the first bytes show it, else from the encoding
/// `named`; and the encoding, if it was detected from the first bytes.
pub fn decoded(mut text: Headed, named: Option<&'static Encoding>) -> (Headed, Option<&'static Encoding>) {
    let told = match text.head() {
        [0xef, 0xbb, 0xbf, ..] => {
            text.skip(3);
            return (text, Some(UTF_8));
        }
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        _ if named.is_some() => None,
        head => wide(head),
    };
    match told.or(named).filter(|encoding| *encoding != UTF_8) {
        None => (text, None),
        Some(encoding) => (Headed::new(Box::new(Decoding::new(Box::new(text), encoding))), told),
    }
}

/// UTF-16 without a byte order mark: every other byte of ASCII text is 0.
fn wide(head: &[u8]) -> Option<&'static Encoding> {
    let pairs = head.get(..head.len().min(1024) / 2 * 2)?.chunks_exact(2);
    let (all, mut first, mut second) = (pairs.len(), 0, 0);
    for pair in pairs {
        first += usize::from(pair[0] == 0);
        second += usize::from(pair[1] == 0);
    }
    if all < 2 {
        None
    } else if second * 2 > all && first * 20 < all {
        Some(UTF_16LE)
    } else if first * 2 > all && second * 20 < all {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// A reader that decodes one encoding.
pub struct Decoding {
    from: Input,
    decoder: Decoder,
    out: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Decoding {
    fn new(from: Input, encoding: &'static Encoding) -> Self {
        Self { from, decoder: encoding.new_decoder_with_bom_removal(), out: Vec::new(), at: 0, ended: false }
    }

    fn refill(&mut self) -> io::Result<()> {
        while self.at == self.out.len() && !self.ended {
            let bytes = self.from.fill_buf()?;
            let bytes = &bytes[..bytes.len().min(CHUNK)];
            self.ended = bytes.is_empty();
            (self.at, self.out) = (0, std::mem::take(&mut self.out));
            let read = decode(&mut self.decoder, bytes, self.ended, &mut self.out);
            self.from.consume(read);
        }
        Ok(())
    }
}

/// Decodes all of `bytes` into `out`; returns how many bytes were decoded.
pub fn decode(decoder: &mut Decoder, bytes: &[u8], last: bool, out: &mut Vec<u8>) -> usize {
    let room = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len() * 4 + 16);
    out.clear();
    out.resize(room, 0);
    let (_, read, written, _) = decoder.decode_to_utf8(bytes, out, last);
    out.truncate(written);
    read
}

impl Read for Decoding {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buf)
    }
}

impl BufRead for Decoding {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.refill()?;
        Ok(&self.out[self.at..])
    }
    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use encoding_rs::WINDOWS_1252;
    use std::io::{BufReader, Cursor};

    fn input(bytes: &[u8], buffer: usize) -> Input {
        Box::new(BufReader::with_capacity(buffer, Cursor::new(bytes.to_vec())))
    }

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|u| if little { u.to_le_bytes() } else { u.to_be_bytes() }).collect()
    }

    #[test]
    fn marks_and_utf16_are_told_from_the_first_bytes() {
        let text = "data_point_id,gpa\n1,3.5\nä,é 𝄞\n".repeat(20_000);
        for (bytes, told) in [
            (text.as_bytes().to_vec(), None),
            ([&[0xef, 0xbb, 0xbf], text.as_bytes()].concat(), Some(UTF_8)),
            ([vec![0xff, 0xfe], utf16(&text, true)].concat(), Some(UTF_16LE)),
            ([vec![0xfe, 0xff], utf16(&text, false)].concat(), Some(UTF_16BE)),
            (utf16(&text, true), Some(UTF_16LE)),
            (utf16(&text, false), Some(UTF_16BE)),
        ] {
            let (mut decoded, found) = decoded(Headed::new(input(&bytes, 7919)), None);
            assert_eq!(found, told);
            let mut out = String::new();
            decoded.read_to_string(&mut out).unwrap();
            assert!(out == text, "{told:?}: {} bytes", out.len());
        }
        let latin = WINDOWS_1252.encode("Universität").0.into_owned();
        let (mut decoded, found) = decoded(Headed::new(input(&latin, 3)), Some(WINDOWS_1252));
        let mut out = String::new();
        decoded.read_to_string(&mut out).unwrap();
        assert_eq!((out.as_str(), found), ("Universität", None));
    }
}
