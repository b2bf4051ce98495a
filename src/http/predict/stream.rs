//! `POST /predict` as NDJSON: one application a line in, one prediction or fault a line out, in order, by the model that was
//! active when the stream began. Memory does not depend on the number of rows.

use super::answer::{PredictionAnswer, RowFault};
use super::options::PredictOptions;
use super::spool::Spool;
use super::{access, rows};
use crate::http::connection::{Activity, TwoWay};
use crate::http::problem::Problem;
use crate::http::{State, idempotency};
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesOrdered};
use provost_actors::serving::{Answered, ServedModel};
use provost_domain::{Fault, Faults, ModelId, limits};
use provost_predict::application::Application;
use serde::Serialize;
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

/// Rows that are predicted together, and those that are explained together.
const BATCH: usize = 1_000;
const EXPLAINED: usize = 20;
/// Batches that are read, predicted and written at the same time.
const AT_WORK: usize = 3;
/// Bytes of rows that are predicted together.
const BATCH_BYTES: usize = 1 << 20;

/// Starts to answer; the rows are read and answered behind it.
pub async fn answer(
    state: Data<State>,
    request: &HttpRequest,
    payload: Payload,
    options: PredictOptions,
) -> Result<HttpResponse, Problem> {
    access::check(request, &state.predict, &options)?;
    let key = idempotency::key_of(request)?.map(|key| key.name());
    let model = access::model(&state, options.model_id.as_deref()).await?;
    let spool = Spool::new(state.predict.spool_dir.clone(), state.predict.spool_bytes);
    let shared =
        Rc::new(Shared { spool: RefCell::new(spool), state: RefCell::new(Progress::Working), moved: Notify::new() });
    let work = Work { state, model, options, key, shared: shared.clone(), next_row: 0, answered: 0 };
    actix_web::rt::spawn(work.run(payload));
    let two_way = request.conn_data::<Activity>().map(Activity::two_way);
    let reader = Reader { shared, _two_way: two_way };
    let lines =
        stream::unfold(reader, |reader| async move { Some((Ok::<_, Infallible>(reader.next().await?), reader)) });
    Ok(HttpResponse::Ok().content_type(super::NDJSON).insert_header(("x-accel-buffering", "no")).streaming(lines))
}

/// Between the task that answers rows and the response that the client reads, which run on one thread.
struct Shared {
    spool: RefCell<Spool>,
    state: RefCell<Progress>,
    /// Something was added, taken, or has ended.
    moved: Notify,
}

#[derive(PartialEq)]
enum Progress {
    Working,
    /// All rows are answered, or the stream broke off.
    Done,
    /// The client has left.
    Abandoned,
}

struct Reader {
    shared: Rc<Shared>,
    _two_way: Option<TwoWay>,
}

impl Reader {
    /// The next bytes of the answer; None at its end.
    async fn next(&self) -> Option<Bytes> {
        loop {
            let moved = self.shared.moved.notified();
            match self.shared.spool.borrow_mut().pop() {
                Ok(Some(bytes)) => {
                    self.shared.moved.notify_waiters();
                    return Some(bytes);
                }
                Ok(None) if *self.shared.state.borrow() != Progress::Working => return None,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "waiting answers of a prediction stream cannot be read");
                    return None;
                }
            }
            moved.await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        *self.shared.state.borrow_mut() = Progress::Abandoned;
        self.shared.moved.notify_waiters();
    }
}

/// The task that reads rows and answers them.
struct Work {
    state: Data<State>,
    model: Arc<ServedModel>,
    options: PredictOptions,
    key: Option<String>,
    shared: Rc<Shared>,
    /// The number of the next row that is read, and how many rows are answered.
    next_row: usize,
    answered: usize,
}

impl Work {
    async fn run(mut self, payload: Payload) {
        let shared = self.shared.clone();
        let broken = {
            let left = async {
                loop {
                    let moved = shared.moved.notified();
                    if *shared.state.borrow() == Progress::Abandoned {
                        return;
                    }
                    moved.await;
                }
            };
            tokio::select! {
                broken = self.answer_rows(payload) => broken.err(),
                () = left => return,
            }
        };
        if let Some(problem) = broken {
            let line = LastLine { row: self.answered, model_id: &self.model.model_id, broken: &problem };
            if let Err(error) = self.push(to_line(&line)).await {
                tracing::debug!(%error, "the end of a prediction stream cannot be told");
            }
        }
        let mut state = shared.state.borrow_mut();
        if *state == Progress::Working {
            *state = Progress::Done;
        }
        drop(state);
        shared.moved.notify_waiters();
    }

    /// Answers row after row to the end of the body. Up to [`AT_WORK`] batches are at work while the next rows arrive.
    async fn answer_rows(&mut self, mut payload: Payload) -> Result<(), Problem> {
        let (mut buffer, mut ended) = (BytesMut::new(), false);
        let mut at_work = FuturesOrdered::new();
        loop {
            while at_work.len() < AT_WORK
                && let Some(lines) = self.next_batch(&mut buffer, ended)?
            {
                at_work.push_back(self.batch(lines));
            }
            if ended && at_work.is_empty() {
                return Ok(());
            }
            tokio::select! {
                // Answers first: the rows that wait are bounded by the batches at work.
                biased;
                Some(answered) = at_work.next() => {
                    let (rows, lines) = answered?;
                    self.answered += rows;
                    self.push(lines).await?;
                }
                chunk = self.chunk(&mut payload), if !ended && at_work.len() < AT_WORK => match chunk? {
                    Some(chunk) => buffer.extend_from_slice(&chunk),
                    None => ended = true,
                },
            }
        }
    }

    /// Whole lines off the front of `buffer` that are answered together; None until there are some.
    fn next_batch(&mut self, buffer: &mut BytesMut, ended: bool) -> Result<Option<Bytes>, Problem> {
        let whole = if ended { buffer.len() } else { buffer.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1) };
        if whole == 0 {
            // The rest is the beginning of one line.
            if buffer.len() > limits::PREDICT_ROW_BYTES {
                let message = format!("a line is longer than {} bytes", limits::PREDICT_ROW_BYTES);
                return Err(Problem::invalid("", message));
            }
            return Ok(None);
        }
        let most = if self.options.is_costly() { EXPLAINED } else { BATCH };
        let mut end = 0;
        for line in buffer[..whole].split_inclusive(|b| *b == b'\n').take(most) {
            if end > 0 && end + line.len() > BATCH_BYTES {
                break;
            }
            end += line.len();
        }
        Ok(Some(buffer.split_to(end).freeze()))
    }

    /// The next part of the body, which has to come in time.
    async fn chunk(&self, payload: &mut Payload) -> Result<Option<Bytes>, Problem> {
        use crate::http::code::Code;
        tokio::select! {
            chunk = payload.next() => match chunk {
                None => Ok(None),
                Some(Ok(chunk)) => Ok(Some(chunk)),
                Some(Err(error)) => Err(Problem::new(Code::BodyIncomplete, format!("the body broke off: {error}"))),
            },
            () = self.state.handle.options().clock.sleep(self.state.body_timeout) => {
                Err(Problem::new(Code::BodyTimeout, format!("no row came within {:?}", self.state.body_timeout)))
            }
        }
    }

    /// The answer to these lines: how many rows they are, and the lines of the answer.
    fn batch(&mut self, lines: Bytes) -> impl Future<Output = Result<(usize, Bytes), Problem>> + use<> {
        let first = self.next_row;
        let rows = lines.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        self.next_row += rows;
        let (state, model) = (self.state.clone(), self.model.clone());
        let asked = self.options.for_actor(&state.predict, self.key.as_ref().map(|key| format!("{key}:{first}")));
        async move {
            let Batch { applications, numbers, faults } = state.compute.run(move || Batch::read(&lines, first)).await?;
            let answered = match applications.is_empty() {
                true => Vec::new(),
                false => state.handle.predict_with(&model, applications, &asked).await?.rows,
            };
            let model_id = model.model_id.clone();
            let text = state.compute.run(move || write(&model_id, numbers, answered, faults)).await?;
            Ok((rows, text))
        }
    }

    /// Adds bytes to the answer, once there is room for them.
    async fn push(&self, bytes: Bytes) -> Result<(), Problem> {
        loop {
            let moved = self.shared.moved.notified();
            if !self.shared.spool.borrow().is_full() {
                break;
            }
            moved.await;
        }
        let pushed = self.shared.spool.borrow_mut().push(bytes);
        self.shared.moved.notify_waiters();
        pushed.map_err(|error| Problem::internal(&format!("waiting answers cannot be stored: {error}")))
    }
}

/// Rows that were read together.
struct Batch {
    applications: Vec<Application>,
    numbers: Vec<usize>,
    faults: Vec<(usize, Faults)>,
}

impl Batch {
    fn read(lines: &[u8], first: usize) -> Self {
        let mut batch = Self { applications: Vec::new(), numbers: Vec::new(), faults: Vec::new() };
        let lines = lines.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        for (number, line) in (first..).zip(lines) {
            match rows::row(line) {
                Ok(application) => {
                    batch.applications.push(application);
                    batch.numbers.push(number);
                }
                Err(faults) => batch.faults.push((number, faults)),
            }
        }
        batch
    }
}

/// A prediction as a line.
#[derive(Serialize)]
struct PredictionLine<'a> {
    model_id: &'a ModelId,
    #[serde(flatten)]
    prediction: PredictionAnswer,
}

/// The faults of a row as a line.
#[derive(Serialize)]
struct FaultLine<'a> {
    row: usize,
    model_id: &'a ModelId,
    errors: Vec<LineFault>,
}

#[derive(Serialize)]
struct LineFault {
    code: &'static str,
    pointer: String,
    message: String,
}

/// Why the stream ends before its last row; `row` is the first one without an answer.
#[derive(Serialize)]
struct LastLine<'a> {
    row: usize,
    model_id: &'a ModelId,
    broken: &'a Problem,
}

/// The lines of a batch in the order of its rows.
fn write(model_id: &ModelId, numbers: Vec<usize>, answered: Vec<Answered>, faults: Vec<(usize, Faults)>) -> Bytes {
    let mut out = Vec::new();
    let mut faults = faults.into_iter().peekable();
    for (row, answered) in numbers.into_iter().zip(answered) {
        while let Some((number, found)) = faults.next_if(|(number, _)| *number < row) {
            write_faults(&mut out, model_id, number, found);
        }
        let prediction = PredictionAnswer::new(row, answered);
        write_line(&mut out, &PredictionLine { model_id, prediction });
    }
    for (number, found) in faults {
        write_faults(&mut out, model_id, number, found);
    }
    Bytes::from(out)
}

fn write_faults(out: &mut Vec<u8>, model_id: &ModelId, row: usize, faults: Faults) {
    let line = |fault: Fault| {
        let RowFault { code, pointer, message, .. } = RowFault::new(row, fault);
        LineFault { code, pointer, message }
    };
    let errors = faults.0.into_iter().take(limits::FAULTS).map(line).collect();
    write_line(out, &FaultLine { row, model_id, errors });
}

fn write_line(out: &mut Vec<u8>, line: &impl Serialize) {
    // Lines are plain structs of texts and numbers, written to memory: this does not fail.
    let _ = serde_json::to_writer(&mut *out, line);
    out.push(b'\n');
}

fn to_line(line: &impl Serialize) -> Bytes {
    let mut out = Vec::new();
    write_line(&mut out, line);
    Bytes::from(out)
}
