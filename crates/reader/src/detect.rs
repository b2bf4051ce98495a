//! Detects the encoding of a CSV file that has no byte order mark and whose mapping names none. Detection starts at the
//! first byte beyond ASCII, wherever it is, and decides line by line. A line that is valid UTF-8 is read as UTF-8. Any other
//! line is read in the older encoding that its bytes resemble, but only while most lines beyond ASCII are not UTF-8. In a
//! file that is otherwise UTF-8 such a line keeps its bytes, and its row is rejected.

use crate::text::{decode, read_buffered};
use crate::unpack::Input;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, WINDOWS_1252};
use std::collections::BTreeSet;
use std::io::{self, BufRead, Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// How many bytes the encoding is guessed from.
const GUESSED_BYTES: usize = 1 << 16;
const CHUNK: usize = 1 << 16;
/// With fewer bytes beyond ASCII than this, all of them letters in Windows-1252, Windows-1252 is assumed: a guess from so
/// few bytes is not reliable.
const FEWEST_FOR_GUESS: usize = 3;
/// A line with fewer characters beyond ASCII than this may be valid UTF-8 by chance if the older encoding is a multi-byte
/// one.
const FEWEST_FOR_UTF8: usize = 4;

/// What was detected; complete once the text has been read. Lines of only ASCII are not counted.
#[derive(Debug, Default)]
pub struct Found {
    encoding: OnceLock<&'static Encoding>,
    utf8: AtomicU64,
    decoded: AtomicU64,
    broken: AtomicU64,
}

pub type Detected = Arc<Found>;

impl Found {
    /// The older encoding, if all lines beyond ASCII are in it.
    pub fn older(&self) -> Option<&'static Encoding> {
        self.encoding.get().copied().filter(|_| self.utf8.load(Relaxed) == 0)
    }

    /// Notes for the report; empty if the text is UTF-8.
    pub fn told(&self) -> Vec<String> {
        let counted = |count: &AtomicU64| count.load(Relaxed);
        let (utf8, decoded, broken) = (counted(&self.utf8), counted(&self.decoded), counted(&self.broken));
        let mut told = Vec::new();
        if let Some(encoding) = self.encoding.get().filter(|_| decoded > 0) {
            let name = encoding.name();
            told.push(match utf8 {
                0 => format!("encoding {name} (detected)"),
                _ => format!("lines in {name} (detected): {decoded}, in UTF-8: {utf8}"),
            });
        }
        if broken > 0 {
            told.push(format!("lines that are not UTF-8: {broken}"));
        }
        told
    }
}

enum State {
    /// All bytes so far were ASCII, which every candidate encoding shares. The number counts the next bytes that are known
    /// to be ASCII.
    Ascii(usize),
    /// The encoding is decided line by line; the next `ahead` complete lines are counted already.
    Lines { encoding: &'static Encoding, utf8: u64, other: u64, ahead: u64 },
}

/// A reader that returns UTF-8, except for lines that are neither UTF-8 nor in the older encoding.
pub struct Detecting {
    from: Input,
    line_end: u8,
    /// The most bytes of one line; a longer line is decided in pieces.
    longest: usize,
    state: State,
    out: Vec<u8>,
    at: usize,
    ended: bool,
    /// A read error that is returned after the bytes read before it.
    fault: Option<io::Error>,
    /// A read error behind the bytes that the encoding was guessed from.
    behind: Option<io::Error>,
    found: Detected,
}

impl Detecting {
    pub fn new(from: Input, line_end: u8, longest: usize, found: Detected) -> Self {
        let state = State::Ascii(0);
        Self { from, line_end, longest, state, out: Vec::new(), at: 0, ended: false, fault: None, behind: None, found }
    }

    /// Guesses the encoding from the bytes that begin with the first one beyond ASCII. The bytes before it have been
    /// returned.
    fn look(&mut self) {
        let mut window = Vec::new();
        self.behind = (&mut self.from).take(GUESSED_BYTES as u64).read_to_end(&mut window).err();
        let whole = window.len() < GUESSED_BYTES;
        let lines: Vec<&[u8]> = window.split_inclusive(|b| *b == self.line_end).collect();
        let encoding = older_encoding(&lines);
        let (mut utf8, mut other, mut ahead) = (0, 0, 0);
        for line in &lines {
            if !whole && line.last() != Some(&self.line_end) && lines.len() > 1 {
                // The end of the window cuts this line off.
                break;
            }
            ahead += 1;
            utf8 += u64::from(kind(line) == Kind::Utf8);
            other += u64::from(kind(line) == Kind::Other);
        }
        self.state = State::Lines { encoding, utf8, other, ahead };
        let rest: Input = if self.behind.is_some() {
            Box::new(io::empty())
        } else {
            std::mem::replace(&mut self.from, Box::new(io::empty()))
        };
        self.from = Box::new(Cursor::new(window).chain(rest));
    }

    /// Decodes the next lines.
    fn refill(&mut self) {
        let State::Lines { encoding, utf8, other, ahead } = &mut self.state else { return };
        self.out.clear();
        self.at = 0;
        while self.out.len() < CHUNK && !self.ended {
            let start = self.out.len();
            let read = (&mut self.from).take(self.longest as u64).read_until(self.line_end, &mut self.out);
            self.ended = !matches!(read, Ok(1..));
            self.fault = if self.ended { read.err().or_else(|| self.behind.take()) } else { None };
            let line = &self.out[start..];
            let kind = kind(line);
            if *ahead > 0 {
                *ahead -= 1;
            } else {
                *utf8 += u64::from(kind == Kind::Utf8);
                *other += u64::from(kind == Kind::Other);
            }
            let older = *other > *utf8;
            match kind {
                Kind::Ascii => {}
                Kind::Utf8 if !(older && may_be_chance(line, encoding)) => drop(self.found.utf8.fetch_add(1, Relaxed)),
                Kind::Utf8 | Kind::Other if older => {
                    let mut decoded = Vec::new();
                    decode(&mut encoding.new_decoder_without_bom_handling(), line, true, &mut decoded);
                    self.out.truncate(start);
                    self.out.append(&mut decoded);
                    let _ = self.found.encoding.set(encoding); // always the same value
                    self.found.decoded.fetch_add(1, Relaxed);
                }
                Kind::Utf8 | Kind::Other => drop(self.found.broken.fetch_add(1, Relaxed)),
            }
        }
    }
}

/// The likeliest encoding of the lines that are not valid UTF-8.
fn older_encoding(lines: &[&[u8]]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let mut beyond_ascii = Vec::new();
    let mut seen = BTreeSet::new();
    // Lines of valid UTF-8 give no evidence about the other lines.
    for line in lines.iter().filter(|line| std::str::from_utf8(line).is_err()) {
        detector.feed(line, false);
        seen.extend(line.iter().copied().filter(|b| !b.is_ascii()));
        if beyond_ascii.len() < FEWEST_FOR_GUESS {
            beyond_ascii.extend(line.iter().copied().filter(|b| !b.is_ascii()));
        }
    }
    detector.feed(b"", true);
    let letters = || WINDOWS_1252.decode_without_bom_handling(&beyond_ascii).0.chars().all(char::is_alphabetic);
    if beyond_ascii.len() < FEWEST_FOR_GUESS && letters() {
        return WINDOWS_1252;
    }
    let guess = detector.guess(None, Utf8Detection::Deny);
    // Windows-1252 is preferred if the text is the same in both, because it is the most common.
    let same = |b: &u8| guess.decode_without_bom_handling(&[*b]).0 == WINDOWS_1252.decode_without_bom_handling(&[*b]).0;
    if guess.is_single_byte() && seen.iter().all(same) { WINDOWS_1252 } else { guess }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ascii,
    Utf8,
    Other,
}

fn kind(line: &[u8]) -> Kind {
    match std::str::from_utf8(line) {
        _ if line.is_ascii() => Kind::Ascii,
        Ok(_) => Kind::Utf8,
        Err(_) => Kind::Other,
    }
}

/// Whether a line of valid UTF-8 may also be text in the older encoding of the other lines.
fn may_be_chance(line: &[u8], encoding: &'static Encoding) -> bool {
    let characters = String::from_utf8_lossy(line).chars().filter(|c| !c.is_ascii()).count();
    !encoding.is_single_byte() && characters < FEWEST_FOR_UTF8
}

impl Read for Detecting {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buf)
    }
}

impl BufRead for Detecting {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let State::Ascii(0) = self.state {
            let bytes = self.from.fill_buf()?;
            let plain = if bytes.is_ascii() { bytes.len() } else { bytes.iter().take_while(|b| b.is_ascii()).count() };
            let ended = bytes.is_empty();
            self.state = State::Ascii(plain);
            if plain == 0 && !ended {
                self.look();
            }
        }
        if let State::Ascii(plain) = self.state {
            return Ok(&self.from.fill_buf()?[..plain]);
        }
        if self.at == self.out.len() && self.fault.is_none() && !self.ended {
            self.refill();
        }
        if self.at == self.out.len()
            && let Some(fault) = self.fault.take()
        {
            return Err(fault);
        }
        Ok(&self.out[self.at..])
    }
    fn consume(&mut self, n: usize) {
        match &mut self.state {
            State::Ascii(plain) => {
                *plain -= n;
                self.from.consume(n);
            }
            State::Lines { .. } => self.at += n,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use encoding_rs::{GBK, WINDOWS_1251};
    use std::io::BufReader;

    fn read(bytes: &[u8], buffer: usize) -> (Vec<u8>, Detected) {
        let found = Detected::default();
        let from = Box::new(BufReader::with_capacity(buffer, Cursor::new(bytes.to_vec())));
        let mut out = Vec::new();
        Detecting::new(from, b'\n', 1 << 20, found.clone()).read_to_end(&mut out).unwrap();
        (out, found)
    }

    fn latin(text: &str) -> Vec<u8> {
        WINDOWS_1252.encode(text).0.into_owned()
    }

    #[test]
    fn an_older_encoding_is_detected_wherever_it_begins() {
        for (plain, size) in [(0, 5), (1, 1 << 18), (100_000, 1000), (1_000_000, 1 << 18)] {
            let name = "Universität Zürich, École Polytechnique Fédérale, Córdoba\n";
            let text = "a,b,c\n".repeat(plain / 6) + &name.repeat(3000);
            let (out, found) = read(&latin(&text), size);
            assert!(out == text.as_bytes(), "{plain}");
            assert_eq!(
                (found.older(), found.told()),
                (Some(WINDOWS_1252), vec!["encoding windows-1252 (detected)".into()])
            );
            let (out, found) = read(text.as_bytes(), size);
            assert!(out == text.as_bytes() && found.told().is_empty() && found.older().is_none(), "{plain}");
        }
    }

    #[test]
    fn other_scripts_are_detected_too() {
        for (encoding, text) in [
            (WINDOWS_1251, "Московский государственный университет имени Ломоносова\nРоссия\nё\n"),
            (GBK, "清华大学计算机科学与技术系研究生\n北京大学\n中国\n"),
        ] {
            let text = text.repeat(50);
            let (out, found) = read(&encoding.encode(&text).0, 100);
            assert_eq!(String::from_utf8(out).unwrap(), text);
            assert_eq!(found.older(), Some(encoding), "{:?}", found.told());
        }
    }

    #[test]
    fn a_stray_byte_costs_its_line_and_not_the_encoding() {
        let good = "École,Zürich\n".repeat(10);
        let stray = latin("Málaga,x\n");
        let long = "a,b\n".repeat(200_000);
        for (name, text) in [
            ("in the head", [good.as_bytes(), &stray, good.as_bytes()].concat()),
            ("late", [good.as_bytes(), long.as_bytes(), &stray, long.as_bytes(), good.as_bytes()].concat()),
            ("at the end", [good.as_bytes(), &stray[..2]].concat()),
        ] {
            for size in [1, 7, 1 << 16] {
                let (out, found) = read(&text, size);
                assert!(out == text, "{name}: what is not UTF-8 stays as it is");
                assert_eq!(found.told(), ["lines that are not UTF-8: 1"], "{name}");
                assert!(found.older().is_none());
            }
        }
    }

    #[test]
    fn a_stray_byte_before_all_others_does_not_spoil_the_utf8_behind_it() {
        // At the time this line is read, no other line within 64 KiB is evidence of the encoding.
        let plain = "a,b\n".repeat(50_000);
        let good = "École,Zürich\n".repeat(10);
        let text = [&latin("Málaga,x\n"), plain.as_bytes(), good.as_bytes(), &latin("Cádiz,x\n")].concat();
        let (out, found) = read(&text, 1000);
        let expected = ["Málaga,x\n".as_bytes(), plain.as_bytes(), good.as_bytes(), &latin("Cádiz,x\n")].concat();
        assert!(out == expected);
        assert_eq!(found.told(), ["lines in windows-1252 (detected): 1, in UTF-8: 10", "lines that are not UTF-8: 1"]);
        // The reverse: some lines of UTF-8 in a file of the older encoding.
        let text = [latin("Málaga,x\n").repeat(5), "École\n".as_bytes().to_vec(), latin("Cádiz\n")].concat();
        let (out, found) = read(&text, 9);
        assert_eq!(String::from_utf8(out).unwrap(), "Málaga,x\n".repeat(5) + "École\nCádiz\n");
        assert_eq!(found.told(), ["lines in windows-1252 (detected): 6, in UTF-8: 1"]);
        assert!(found.older().is_none(), "no one encoding reads all of it");
    }

    #[test]
    fn a_line_without_an_end_takes_bounded_memory() {
        let text = [&b"\xe9"[..], &vec![b'x'; 3 << 20]].concat();
        let found = Detected::default();
        let from = Box::new(BufReader::new(Cursor::new(text.clone())));
        let mut detecting = Detecting::new(from, b'\n', 1 << 10, found);
        let mut read = 0;
        loop {
            let part = detecting.fill_buf().unwrap().len();
            if part == 0 {
                break;
            }
            detecting.consume(part);
            read += part;
            assert!(detecting.out.capacity() <= 4 * CHUNK, "{}", detecting.out.capacity());
        }
        assert_eq!(read, text.len() + 1, "the first byte has become two");
    }
}
