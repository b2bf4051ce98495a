//! The part of a stream's body that has arrived and is not answered yet, cut into lines.

use actix_web::web::{Bytes, BytesMut};
use provost_domain::limits;

/// Bytes of rows that are predicted together.
const BATCH_BYTES: usize = 1 << 20;

/// Whole lines, and the beginning of one.
#[derive(Default)]
pub struct RowBuffer(BytesMut);

impl RowBuffer {
    /// Adds a part of the body. All whole lines must have been taken before. Of a line that is too long, only as much
    /// is kept as shows that the line is too long: the line is a fault of its row, and later rows are answered.
    pub fn add(&mut self, chunk: &[u8]) {
        let kept = if self.0.len() > limits::PREDICT_ROW_BYTES {
            let end = chunk.iter().position(|b| *b == b'\n').unwrap_or(chunk.len());
            chunk.split_at(end).1
        } else {
            chunk
        };
        self.0.extend_from_slice(kept);
    }

    /// Takes whole lines that are answered together, `most` at most; None until there are some.
    pub fn next_batch(&mut self, ended: bool, most: usize) -> Option<Bytes> {
        let all = &mut self.0;
        let whole = if ended { all.len() } else { all.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1) };
        if whole == 0 {
            // The rest is the beginning of one line. If it is too long, no more is kept than shows that.
            if all.len() > limits::PREDICT_ROW_BYTES {
                all.truncate(limits::PREDICT_ROW_BYTES + 1);
                all.fill(b'x');
            }
            return None;
        }
        let mut end = 0;
        for line in all[..whole].split_inclusive(|b| *b == b'\n').take(most) {
            if end > 0 && end + line.len() > BATCH_BYTES {
                break;
            }
            end += line.len();
        }
        Some(all.split_to(end).freeze())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The lengths of the lines that arrive in these chunks.
    fn lengths(chunks: &[Vec<u8>]) -> Vec<usize> {
        let (mut rows, mut lengths) = (RowBuffer::default(), Vec::new());
        let mut take = |rows: &mut RowBuffer, ended| {
            while let Some(lines) = rows.next_batch(ended, 1_000) {
                lengths.extend(lines.split_inclusive(|b| *b == b'\n').map(<[u8]>::len));
            }
        };
        for chunk in chunks {
            rows.add(chunk);
            take(&mut rows, false);
            assert!(rows.0.len() <= limits::PREDICT_ROW_BYTES + 1, "{}", rows.0.len());
        }
        take(&mut rows, true);
        lengths
    }

    #[test]
    fn a_line_that_is_too_long_is_one_row_and_no_more_of_it_is_kept_than_shows_that() {
        let most = limits::PREDICT_ROW_BYTES;
        let x = |n: usize| vec![b'x'; n];
        assert_eq!(lengths(&[b"ab\nc".to_vec(), b"d\n".to_vec(), b"e".to_vec()]), [3, 3, 1]);
        assert_eq!(lengths(&[x(most), b"\n".to_vec()]), [most + 1], "just short enough");
        let long = [b"ab\n".to_vec(), x(most), x(most), x(3 * most), b"x\ncd\n".to_vec(), b"e\n".to_vec()];
        assert_eq!(lengths(&long), [3, most + 2, 3, 2]);
        assert_eq!(lengths(&[x(most), x(most)]), [most + 1], "the last line has no end");
        let mut blank = RowBuffer::default();
        blank.add(&vec![b' '; most + 1]);
        assert!(blank.next_batch(false, 1_000).is_none());
        blank.add(b" {}\n");
        let line = blank.next_batch(false, 1_000).unwrap();
        assert!(
            line.len() > most && !line.trim_ascii().is_empty(),
            "a line of blanks that is too long is a row with a fault"
        );
    }
}
