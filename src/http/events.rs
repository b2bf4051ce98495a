//! A job's event stream as server-sent events, resumable by `Last-Event-ID`.

use super::connection_limit::LimitSlot;
use super::ids::job_id;
use super::problem::Problem;
use super::{State, event_stream};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use provost_domain::JobId;
use provost_domain::job::JobEvent;
use provost_store::StoreError;
use std::time::Duration;
use tokio::sync::watch;

/// Events read from the store at a time.
const BATCH: u32 = 200;
/// A comment is sent after this long without an event, so that proxies and clients keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

struct Reader {
    state: Data<State>,
    id: JobId,
    after: u64,
    grown: watch::Receiver<u64>,
    closing: watch::Receiver<bool>,
    done: bool,
    _counted: LimitSlot<String>,
}

/// A job's events as they happen.
///
/// Server-sent events: `id` counts within the job, `event` is `state`, `progress`, `trial` or `log`, `data` is JSON (schema
/// `JobStreamEvent`). With `Last-Event-ID` the stream goes on after that event. It ends after the job's last event, and a comment every
/// 15 seconds keeps the connection.
#[utoipa::path(get, path = "/jobs/{job_id}/events", operation_id = "stream_job_events", tag = "jobs",
    params(("job_id" = String, Path), ("Last-Event-ID" = Option<u64>, Header, description = "Goes on after this event")),
    responses(
        (status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream"),
        (status = 404, description = "No such job", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn stream(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = job_id(&state, &path).await?;
    let counted = event_stream::slot(&state, &request)?;
    let grown = state.handle.watch(&id);
    if state.handle.store().job(&id).await?.is_none() {
        return Err(Problem::not_found("job", id.as_str()));
    }
    let after = event_stream::last_event(&request);
    let closing = state.closing.clone();
    let reader = Reader { state, id, after, grown, closing, done: false, _counted: counted };
    let events = stream::unfold(reader, |mut reader| async move {
        let chunk = reader.next().await?;
        Some((chunk, reader))
    });
    Ok(event_stream::respond(events))
}

impl Reader {
    /// The next events, or a comment to keep the connection; None at the end and after a failure, from which a client resumes.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.done || *self.closing.borrow() {
                return None;
            }
            self.grown.borrow_and_update();
            match self.read().await {
                Ok(Some(chunk)) => return Some(chunk),
                Ok(None) if self.done => return None,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(job = %self.id, %error, "an event stream broke off");
                    return None;
                }
            }
            tokio::select! {
                grown = self.grown.changed() => if grown.is_err() {
                    self.grown = self.state.handle.watch(&self.id);
                },
                _ = self.closing.changed() => {}
                () = tokio::time::sleep(HEARTBEAT) => return Some(Bytes::from_static(b": alive\n\n")),
            }
        }
    }

    async fn read(&mut self) -> Result<Option<Bytes>, StoreError> {
        let store = self.state.handle.store();
        // Read before the events: a job writes its last event together with its final state.
        let ended = store.job(&self.id).await?.is_none_or(|r| r.job.status.is_final());
        let events = store.job_events(&self.id, self.after, BATCH).await?;
        self.done = ended && events.len() < BATCH as usize;
        let Some(last) = events.last() else { return Ok(None) };
        self.after = last.seq;
        Ok(Some(Bytes::from(events.iter().map(frame).collect::<String>())))
    }
}

/// One event on the wire. JSON as serde_json writes it has no line breaks.
pub fn frame(event: &JobEvent) -> String {
    format!("id: {}\nevent: {}\ndata: {}\n\n", event.seq, event.kind, event.data)
}
