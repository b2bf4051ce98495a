//! The response's side of a prediction stream: what the client reads, and what it shares with the task that answers rows.

use super::super::lines;
use super::super::spool::Spool;
use crate::http::code::Code;
use crate::http::connection::TwoWay;
use crate::http::connection_limit::LimitSlot;
use crate::http::problem::Problem;
use actix_web::web::{Bytes, BytesMut};
use provost_domain::ModelId;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{Mutex, Notify};

/// What the task that answers rows shares with the response that the client reads. Both run on one thread.
pub(super) struct Shared {
    /// Held while a file is read or written, which is done on the threads for blocking calls.
    pub spool: Arc<Mutex<Spool>>,
    pub state: RefCell<Progress>,
    /// Whether no further bytes will be added.
    pub is_whole: Cell<bool>,
    /// Notified when bytes were added or taken, and at the end.
    pub moved: Notify,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Progress {
    Working,
    /// All rows are answered, or the stream broke off.
    Done,
    /// The caller's key or session has ended: answers that wait are not sent any more.
    Refused,
    /// The client has left.
    Abandoned,
}

impl Shared {
    async fn pop(&self) -> io::Result<Option<Bytes>> {
        let mut spool = self.spool.clone().lock_owned().await;
        if !spool.pops_from_file() {
            return spool.pop();
        }
        tokio::task::spawn_blocking(move || spool.pop()).await.map_err(io::Error::other)?
    }

    /// Adds bytes if there is room; otherwise returns them.
    pub async fn push(&self, bytes: Bytes) -> io::Result<Option<Bytes>> {
        let mut spool = self.spool.clone().lock_owned().await;
        if !spool.has_room_for(bytes.len()) {
            return Ok(Some(bytes));
        }
        if spool.has_memory_for(bytes.len()) {
            return spool.push(bytes);
        }
        tokio::task::spawn_blocking(move || spool.push(bytes)).await.map_err(io::Error::other)?
    }
}

/// The response's body.
pub(super) struct Reader {
    pub shared: Rc<Shared>,
    pub model_id: ModelId,
    /// The number of whole lines that the response has got.
    pub lines: usize,
    /// Whether the response has got the beginning of a further line.
    pub in_line: bool,
    /// Whether the last bytes were given.
    pub is_over: bool,
    pub _two_way: Option<TwoWay>,
    pub _slot: LimitSlot<String>,
}

impl Reader {
    /// The next bytes of the answer; None at its end.
    pub async fn next(&mut self) -> Option<Bytes> {
        let shared = self.shared.clone();
        while !self.is_over {
            let moved = shared.moved.notified();
            // Read before the bytes, because the last bytes are added before the state changes.
            let progress = *shared.state.borrow();
            if progress == Progress::Refused {
                return self.refusal().await;
            }
            match shared.pop().await {
                Ok(Some(bytes)) => {
                    shared.moved.notify_waiters();
                    self.lines += bytes.iter().filter(|b| **b == b'\n').count();
                    self.in_line = bytes.last().is_some_and(|b| *b != b'\n');
                    return Some(bytes);
                }
                Ok(None) if progress != Progress::Working => return None,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "waiting answers of a prediction stream cannot be read");
                    return None;
                }
            }
            moved.await;
        }
        None
    }

    /// The rest of the line that was begun, and the line that says why no more follow; None where no more would have followed.
    async fn refusal(&mut self) -> Option<Bytes> {
        self.is_over = true;
        let mut rest = BytesMut::new();
        loop {
            let waiting = match self.shared.pop().await {
                Ok(waiting) => waiting,
                Err(error) => {
                    tracing::error!(%error, "waiting answers of a prediction stream cannot be read");
                    return None;
                }
            };
            let Some(bytes) = waiting else {
                if self.shared.is_whole.get() {
                    return (!rest.is_empty()).then(|| rest.freeze());
                }
                break;
            };
            if !self.in_line {
                break;
            }
            let end = bytes.iter().position(|b| *b == b'\n');
            rest.extend_from_slice(&bytes[..end.map_or(bytes.len(), |at| at + 1)]);
            self.in_line = end.is_none();
            self.lines += usize::from(end.is_some());
            // Further lines follow in the same bytes.
            if end.is_some_and(|at| at + 1 < bytes.len()) {
                break;
            }
        }
        let problem = Problem::new(Code::KeyInvalid, "the key or session is no longer valid");
        rest.extend_from_slice(&lines::last(&self.model_id, self.lines, &problem));
        Some(rest.freeze())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        *self.shared.state.borrow_mut() = Progress::Abandoned;
        self.shared.moved.notify_waiters();
    }
}

/// Resolves when the client has left.
pub(super) async fn left(shared: &Shared) {
    loop {
        let moved = shared.moved.notified();
        if *shared.state.borrow() == Progress::Abandoned {
            return;
        }
        moved.await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::spool::SpoolDisk;
    use super::*;
    use crate::http::connection_limit::KeyedLimit;
    use chrono::DateTime;
    use provost_domain::Algorithm;

    /// The rest of an answer of which these pieces wait, of which the client has got the first `sent` ones when its key ends.
    async fn rest(pieces: &[&'static str], sent: usize, is_whole: bool) -> String {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(SpoolDisk::new(folder.path().to_owned(), 1 << 20));
        let shared = Rc::new(Shared {
            spool: Arc::new(Mutex::new(Spool::new(disk))),
            state: RefCell::new(Progress::Working),
            is_whole: Cell::new(is_whole),
            moved: Notify::new(),
        });
        for piece in pieces {
            assert_eq!(shared.push(Bytes::from_static(piece.as_bytes())).await.unwrap(), None);
        }
        let limit = KeyedLimit::new(1);
        let mut reader = Reader {
            shared: shared.clone(),
            model_id: ModelId::new(Algorithm::Xgboost, DateTime::UNIX_EPOCH, 1),
            lines: 0,
            in_line: false,
            is_over: false,
            _two_way: None,
            _slot: limit.take_slot("caller".to_owned()).unwrap(),
        };
        for piece in &pieces[..sent] {
            assert_eq!(reader.next().await.unwrap(), piece.as_bytes());
        }
        *shared.state.borrow_mut() = Progress::Refused;
        let mut rest = Vec::new();
        while let Some(bytes) = reader.next().await {
            rest.extend_from_slice(&bytes);
        }
        String::from_utf8(rest).unwrap()
    }

    #[actix_web::test]
    async fn a_refused_stream_completes_its_line_and_says_which_row_has_no_answer() {
        let broken = |text: &str, row: usize| {
            let line: serde_json::Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
            assert_eq!((&line["row"], &line["broken"]["code"]), (&row.into(), &"key_invalid".into()));
        };
        broken(&rest(&[], 0, false).await, 0);
        broken(&rest(&["a\nb\n", "c\n"], 1, false).await, 2);
        broken(&rest(&["a\nb\n"], 1, false).await, 2);
        let half = rest(&["a\nb\nc", "c\nd\n"], 1, false).await;
        broken(half.strip_prefix("c\n").unwrap(), 3);
        let half = rest(&["a\nb", "b", "b\n"], 1, false).await;
        broken(half.strip_prefix("bb\n").unwrap(), 2);
        broken(&rest(&["a\n", "b\n"], 1, true).await, 1);
    }

    #[actix_web::test]
    async fn an_answer_of_which_nothing_waits_ends_as_usual() {
        assert_eq!(rest(&["a\nb\n"], 1, true).await, "");
        assert_eq!(rest(&["a\nb", "b\n"], 1, true).await, "b\n");
    }
}
