//! `POST /predict` as NDJSON: one application a line in, one prediction or fault a line out, in order. One model
//! answers all rows: the model that the request names, or else the one that was active when the stream began. Memory
//! does not depend on the number of rows.

mod reader;

use super::access;
use super::lines::{self, Batch};
use super::row_buffer::RowBuffer;
use super::spool::Spool;
use crate::http::code::Code;
use crate::http::connection::Activity;
use crate::http::problem::Problem;
use crate::http::{State, auth, body, idempotency};
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesOrdered};
use provost_actors::Lane;
use provost_actors::retry::{Backoff, never, retry};
use provost_actors::serving::{PredictOptions, RequestOptions, ServedModel};
use provost_domain::limits;
use reader::{Progress, Reader, Shared, left};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};

/// Rows that are predicted together, and those that are explained together.
const BATCH: usize = 1_000;
const EXPLAINED: usize = 20;
/// Batches that are read, predicted and written at the same time.
const AT_WORK: usize = 3;
/// Shortest and longest wait before work that was refused as busy is tried again. A stream that has begun is not broken
/// off because other requests are at work.
const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Starts to answer; a task reads and answers the rows while the response is sent.
pub async fn answer(
    state: Data<State>,
    request: &HttpRequest,
    payload: Payload,
    options: RequestOptions,
) -> Result<HttpResponse, Problem> {
    body::refuse_packed(request)?;
    access::check(request, &state.predict, &options)?;
    let key = idempotency::key_of(request)?.map(|key| key.name());
    let caller = auth::owner(request);
    let slot = state.predict_streams.take_slot(caller.clone()).ok_or_else(|| {
        let most = limits::PREDICT_STREAMS;
        let detail = format!("this caller has {most} streams of predictions open, which is as many as may be");
        Problem::new(Code::TooManyStreams, detail).with_header("retry-after", "10".to_owned())
    })?;
    let model = access::model(&state, options.model_id.as_deref()).await?;
    let spool = Arc::new(Mutex::new(Spool::new(state.spools.clone())));
    let shared = Rc::new(Shared {
        spool,
        state: RefCell::new(Progress::Working),
        is_whole: Cell::new(false),
        moved: Notify::new(),
    });
    let (asked, batch) = (options.for_service(None, key, &caller), if options.is_costly() { EXPLAINED } else { BATCH });
    let model_id = model.model_id.clone();
    let work = Work { state, model, asked, batch, shared: shared.clone(), next_row: 0, answered: 0 };
    actix_web::rt::spawn(Lane::current().scope(work.run(payload, auth::ended(request))));
    let two_way = request.conn_data::<Activity>().map(Activity::two_way);
    let reader = Reader { shared, model_id, lines: 0, in_line: false, is_over: false, _two_way: two_way, _slot: slot };
    let lines =
        stream::unfold(reader, |mut reader| async move { Some((Ok::<_, Infallible>(reader.next().await?), reader)) });
    let mut response =
        HttpResponse::Ok().content_type(super::NDJSON).insert_header(("x-accel-buffering", "no")).streaming(lines);
    response.extensions_mut().insert(auth::EndsItself);
    Ok(response)
}

/// The task that reads rows and answers them.
struct Work {
    state: Data<State>,
    model: Arc<ServedModel>,
    asked: PredictOptions,
    /// Rows that are answered together.
    batch: usize,
    shared: Rc<Shared>,
    /// The number of the next row that is read, and how many rows are answered.
    next_row: usize,
    answered: usize,
}

impl Work {
    /// Ends when the client has left or has read everything, or when `refused` resolves: the caller's key or session has ended.
    async fn run(mut self, payload: Payload, refused: impl Future<Output = ()>) {
        let shared = self.shared.clone();
        let end = |progress| {
            let mut state = shared.state.borrow_mut();
            if *state != Progress::Abandoned {
                *state = progress;
            }
            drop(state);
            shared.moved.notify_waiters();
        };
        let work = async {
            self.answer(payload).await;
            shared.is_whole.set(true);
            end(Progress::Done);
            std::future::pending().await
        };
        tokio::select! {
            () = work => {}
            () = refused => end(Progress::Refused),
            () = left(&shared) => {}
        }
    }

    /// Answers the rows, and says why not all of them are answered.
    async fn answer(&mut self, payload: Payload) {
        let Err(problem) = self.answer_rows(payload).await else { return };
        let line = lines::last(&self.model.model_id, self.answered, &problem);
        if let Err(error) = self.push(line).await {
            tracing::debug!(%error, "the end of a prediction stream cannot be told");
        }
    }

    /// Answers row after row to the end of the body. Up to [`AT_WORK`] batches are at work while the next rows arrive.
    async fn answer_rows(&mut self, mut payload: Payload) -> Result<(), Problem> {
        let (mut rows, mut ended) = (RowBuffer::default(), false);
        let mut at_work = FuturesOrdered::new();
        loop {
            while at_work.len() < AT_WORK
                && let Some(lines) = rows.next_batch(ended, self.batch)
            {
                at_work.push_back(self.batch(lines));
            }
            if ended && at_work.is_empty() {
                return Ok(());
            }
            tokio::select! {
                // Finished answers come before further rows, so the batches at work bound the rows that wait.
                biased;
                Some(answered) = at_work.next() => {
                    let (rows, lines) = answered?;
                    self.push(lines).await?;
                    self.answered += rows;
                }
                chunk = self.chunk(&mut payload), if !ended && at_work.len() < AT_WORK => match chunk? {
                    Some(chunk) => rows.add(&chunk),
                    None => ended = true,
                },
            }
        }
    }

    /// The next part of the body; fails if it does not arrive in time.
    async fn chunk(&self, payload: &mut Payload) -> Result<Option<Bytes>, Problem> {
        let mut closing = self.state.closing.clone();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => {
                Err(Problem::unavailable(Code::ShuttingDown, "the service is shutting down", 5))
            }
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

    /// The number of rows in these lines, and the lines of their answer.
    fn batch(&mut self, lines: Bytes) -> impl Future<Output = Result<(usize, Bytes), Problem>> + use<> {
        let first = self.next_row;
        let rows = lines::rows(&lines).count();
        self.next_row += rows;
        let (state, model) = (self.state.clone(), self.model.clone());
        let mut asked = self.asked.clone();
        async move {
            let read = || async {
                let lines = lines.clone();
                Ok(state.compute.run(move || Batch::read(&lines, first)).await?)
            };
            let Batch { applications, numbers, faults } = when_free(&state, read).await?;
            let applications = Arc::new(applications);
            asked.places.clone_from(&numbers);
            let predict = || async { Ok(state.handle.predict_with(&model, applications.clone(), &asked).await?.rows) };
            let answered = if applications.is_empty() { Vec::new() } else { when_free(&state, predict).await? };
            let answers = Arc::new((model.model_id.clone(), numbers, answered, faults));
            let to_text = || async {
                let answers = answers.clone();
                Ok(state.compute.run(move || lines::write(&answers.0, &answers.1, &answers.2, &answers.3)).await?)
            };
            Ok((rows, when_free(&state, to_text).await?))
        }
    }

    /// Adds bytes to the answer, once there is room for them.
    async fn push(&self, mut bytes: Bytes) -> Result<(), Problem> {
        loop {
            let moved = self.shared.moved.notified();
            let pushed = self.shared.push(bytes).await;
            let left =
                pushed.map_err(|error| Problem::internal(&format!("waiting answers cannot be stored: {error}")))?;
            let Some(left) = left else { break };
            bytes = left;
            moved.await;
        }
        self.shared.moved.notify_waiters();
        Ok(())
    }
}

/// The result of `work` once there is a place for it.
async fn when_free<T, F: Future<Output = Result<T, Problem>>>(
    state: &State,
    work: impl FnMut() -> F,
) -> Result<T, Problem> {
    let policy = Backoff::new(WAITS.0, WAITS.1).policy(|problem: &Problem, _| problem.code == Code::Busy);
    let done = retry(&*state.handle.options().clock, policy, never(), work).await;
    done.map_err(|ended| ended.error().unwrap_or_else(|| Problem::new(Code::Busy, "no place was free")))
}
