//! The envelope of stored bytes: magic, format version, length, checksum, payload. An artifact never contains code.
//!
//! ```text
//! 8 bytes  magic
//! 4 bytes  format version, little-endian
//! 8 bytes  length of the payload, little-endian
//! 32 bytes SHA-256 of the payload
//! n bytes  payload (postcard)
//! ```

use crate::error::PredictError;
use sha2::{Digest, Sha256};

const HEADER: usize = 8 + 4 + 8 + 32;
/// Maximum number of bytes of a payload: 1 GiB.
pub const MAX_PAYLOAD: u64 = 1 << 30;

/// The kind of an artifact, and the newest format version that this program writes and reads.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// The first eight bytes.
    pub magic: [u8; 8],
    /// Format version, from 1.
    pub version: u32,
}

/// Puts a payload into its envelope.
pub fn seal(format: Format, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + payload.len());
    out.extend_from_slice(&format.magic);
    out.extend_from_slice(&format.version.to_le_bytes());
    out.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    out.extend_from_slice(&Sha256::digest(payload));
    out.extend_from_slice(payload);
    out
}

/// The format version and the payload, after all checks of the envelope.
///
/// # Errors
///
/// `Artifact` for bytes that are truncated, altered, of another kind or of a newer format.
pub fn open(format: Format, bytes: &[u8]) -> Result<(u32, &[u8]), PredictError> {
    let fault = |text: String| Err(PredictError::Artifact(text));
    let Some((header, payload)) = bytes.split_at_checked(HEADER) else {
        return fault(format!("truncated: {} bytes, the header alone has {HEADER}", bytes.len()));
    };
    let mut at = 0;
    let mut take = |n: usize| {
        at += n;
        &header[at - n..at]
    };
    if take(8) != format.magic {
        return fault("not a file of this kind: the first 8 bytes differ".to_owned());
    }
    let version = take(4).iter().rev().fold(0u32, |v, b| v << 8 | u32::from(*b));
    if version == 0 || version > format.version {
        return fault(format!("format version {version}; this program reads 1 to {}", format.version));
    }
    let length = take(8).iter().rev().fold(0u64, |v, b| v << 8 | u64::from(*b));
    if length > MAX_PAYLOAD {
        return fault(format!("a payload of {length} bytes, more than {MAX_PAYLOAD}"));
    }
    if length != payload.len() as u64 {
        return fault(format!("truncated or extended: {} bytes where the header says {length}", payload.len()));
    }
    if take(32) != Sha256::digest(payload).as_slice() {
        return fault("altered: the checksum differs".to_owned());
    }
    Ok((version, payload))
}
