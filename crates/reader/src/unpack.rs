//! Decompresses a file and counts its bytes.

use crate::limits::Limits;
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes read so far, before decompression.
pub type ReadBytes = Arc<AtomicU64>;
/// Decompressed text.
pub type Input = Box<dyn BufRead + Send>;

const BUFFER: usize = 1 << 18;
/// The ratio is checked from this many bytes on, because small repetitive files compress very well.
const FREE: u64 = 64 << 20;
/// The largest window that a zstd frame may ask the decoder to keep.
const WINDOW: u64 = 32 << 20;

/// The compression, detected from the first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// The decompressed text of `file`, bounded in length; `read` counts the bytes before decompression.
///
/// # Errors
/// If the first bytes cannot be read.
pub fn unpack(file: impl Read + Send + 'static, limits: &Limits, read: ReadBytes) -> io::Result<(Input, Packing)> {
    let counted = Counted { file, count: 0, all: read };
    let mut packed = BufReader::with_capacity(BUFFER, counted);
    let packing = Packing::of(packed.fill_buf()?);
    let bounded = Bounded { limits: *limits, from: packed, came: 0 };
    let text: Input = match packing {
        Packing::Plain => Box::new(bounded),
        Packing::Gzip => {
            Box::new(unpacked(MultiGzDecoder::new(bounded.from), limits, |gz| gz.get_ref().get_ref().count))
        }
        Packing::Zstd => Box::new(unpacked(Zstd::new(bounded.from), limits, |zstd| zstd.source.get_ref().count)),
    };
    Ok((text, packing))
}

/// Counts the bytes read from the file, for the ratio and for the progress bar over all files.
struct Counted<R> {
    file: R,
    count: u64,
    all: ReadBytes,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buf)?;
        self.count += n as u64;
        self.all.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Fails once a file is longer than its limit.
struct Bounded<R> {
    limits: Limits,
    from: R,
    came: u64,
}

impl<R> Bounded<R> {
    fn check(&self) -> io::Result<()> {
        if self.came > self.limits.bytes {
            let most = self.limits.bytes;
            return Err(io::Error::new(
                ErrorKind::FileTooLarge,
                format!("the file is longer than {most} bytes (import.max_bytes)"),
            ));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buf)?;
        self.came += n as u64;
        self.check()?;
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check()?;
        self.from.fill_buf()
    }
    fn consume(&mut self, n: usize) {
        self.came += n as u64;
        self.from.consume(n);
    }
}

/// The output of a decoder; fails if its ratio to the input exceeds the limit.
struct Ratio<R, F> {
    from: R,
    /// The number of compressed bytes read so far.
    packed: F,
    limits: Limits,
    came: u64,
}

impl<R: Read, F: Fn(&R) -> u64> Read for Ratio<R, F> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buf)?;
        self.came += n as u64;
        let packed = (self.packed)(&self.from).max(1);
        if self.came > FREE && self.came / packed > self.limits.ratio {
            let why = format!(
                "{packed} compressed bytes expand to more than {} bytes each (import.max_ratio): the file may be a decompression bomb",
                self.limits.ratio
            );
            return Err(io::Error::new(ErrorKind::FileTooLarge, why));
        }
        Ok(n)
    }
}

fn unpacked<R: Read, F: Fn(&R) -> u64>(from: R, limits: &Limits, packed: F) -> Bounded<BufReader<Ratio<R, F>>> {
    let ratio = Ratio { from, packed, limits: *limits, came: 0 };
    Bounded { limits: *limits, from: BufReader::with_capacity(BUFFER, ratio), came: 0 }
}

/// The frames of a zstd file, one after the other.
struct Zstd<R> {
    source: R,
    frame: FrameDecoder,
    inside: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(WINDOW);
        Self { source, frame, inside: false }
    }

    /// Starts the next frame; false at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.frame.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.source).take(length), &mut io::sink())? < length {
                        return Err(corrupt("the file ends inside a frame"));
                    }
                }
                Err(e) => return Err(corrupt(e)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.inside {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.inside = true;
            }
            while self.frame.can_collect() == 0 && !self.frame.is_finished() {
                self.frame.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)).map_err(corrupt)?;
            }
            let n = self.frame.read(buf)?;
            if n > 0 || buf.is_empty() {
                return Ok(n);
            }
            let sums = (self.frame.get_checksum_from_data(), self.frame.get_calculated_checksum());
            if let (Some(written), Some(found)) = sums
                && written != found
            {
                return Err(corrupt("the checksum of a frame does not match"));
            }
            self.inside = false;
        }
    }
}

fn corrupt(why: impl std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the zstd data is cut off or corrupt: {why}"))
}

/// Describes why reading ended early.
pub fn broken(e: &io::Error) -> String {
    match e.kind() {
        ErrorKind::UnexpectedEof => "the gzip data is cut off, or other data follows it".to_owned(),
        ErrorKind::InvalidInput => format!("the gzip data is corrupt: {e}"),
        ErrorKind::InvalidData if !e.to_string().contains("zstd") => format!("the gzip data is corrupt: {e}"),
        _ => e.to_string(),
    }
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Cursor, Write};

    pub fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn text(bytes: Vec<u8>, limits: &Limits) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        unpack(Cursor::new(bytes), limits, ReadBytes::default())?.0.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn packed_or_not_the_text_is_the_same() {
        let plain: Vec<u8> =
            (0..300_000u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 20).to_le_bytes()).collect();
        let limits = Limits::default();
        let twice = [plain.clone(), plain.clone()].concat();
        assert_eq!(text(plain.clone(), &limits).unwrap(), plain);
        assert_eq!(text([gzip(&plain), gzip(&plain)].concat(), &limits).unwrap(), twice);
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9];
        assert_eq!(text([&skipped[..], &zstd(&plain), &zstd(&plain)].concat(), &limits).unwrap(), twice);
        for packed in [gzip(&plain), zstd(&plain)] {
            let error = text(packed[..packed.len() / 2].to_vec(), &limits).unwrap_err();
            assert!(broken(&error).contains("cut off"), "{error}");
        }
    }

    #[test]
    fn length_and_ratio_are_bounded() {
        let limits = Limits { bytes: 1000, ..Limits::default() };
        assert_eq!(text(vec![b'x'; 1000], &limits).unwrap().len(), 1000);
        for bytes in [vec![b'x'; 1001], gzip(&[b'x'; 1001]), zstd(&[b'x'; 1001])] {
            assert!(text(bytes, &limits).unwrap_err().to_string().contains("import.max_bytes"));
        }
        let bomb = gzip(&vec![b' '; 80 << 20]);
        let limits = Limits { ratio: 500, ..Limits::default() };
        let error = text(bomb, &limits).unwrap_err();
        assert!(error.to_string().contains("import.max_ratio"), "{error}");
    }
}
