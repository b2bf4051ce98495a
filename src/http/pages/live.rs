//! Live regions of a page as server-sent events. An event holds whole regions, so a stream that reconnects continues
//! from the current state without a gap. Streams of the same page share the renderings ([`feed`]).

mod feed;

use super::{PageError, State};
use crate::http::connection_limit::LimitSlot;
use crate::http::event_stream;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
pub use feed::{FeedKey, Feeds};
use feed::{Latest, Rendered};
use futures_util::stream;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// After this time without news, a stream says that it is alive as soon as the page was rendered again. A page whose data cannot be
/// read is not rendered, so that its stream is silent and the browser says "Disconnected".
const HEARTBEAT: Duration = Duration::from_secs(3);

/// The current content of a page.
pub struct Regions {
    pub title: String,
    /// An element's id and its inner HTML.
    pub regions: BTreeMap<&'static str, String>,
    /// Whether the content will not change any more.
    pub is_final: bool,
}

/// Where a page's regions come from.
pub trait Source: Send + 'static {
    fn read(&mut self) -> impl Future<Output = Result<Regions, PageError>>;
    /// Resolves when something may have changed since the last `read`. The future may be dropped at any time; `changed`
    /// is then called again.
    fn changed(&mut self) -> impl Future<Output = ()>;
}

struct Reader {
    feed: watch::Receiver<Latest>,
    /// The rendering that the browser has.
    sent: Latest,
    number: u64,
    /// When the browser was last sent something.
    last: Instant,
    closing: watch::Receiver<bool>,
    is_over: bool,
    _slot: LimitSlot<String>,
}

/// Answers with the stream of a page. Events are numbered on from `Last-Event-ID`, and the first one has all regions.
/// `source` is used only if no other stream shows the same page. `slot` is the caller's ([`event_stream::slot`]).
pub fn stream<S: Source>(
    state: &Data<State>,
    request: &HttpRequest,
    slot: LimitSlot<String>,
    key: FeedKey,
    source: S,
) -> HttpResponse {
    let reader = Reader {
        feed: state.feeds.join(key, source, state.closing.clone()),
        sent: None,
        number: event_stream::last_event(request),
        last: Instant::now(),
        closing: state.closing.clone(),
        is_over: false,
        _slot: slot,
    };
    event_stream::respond(stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) }))
}

impl Reader {
    /// The next event; None at the end. After a failure the browser connects again.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        loop {
            if *self.closing.borrow() {
                return None;
            }
            let latest = self.feed.borrow_and_update().clone();
            let is_rendered = latest.is_some();
            let mut chunk = latest.and_then(|latest| self.news(latest));
            if chunk.is_none() && is_rendered && self.last.elapsed() >= HEARTBEAT {
                chunk = Some(Bytes::from_static(b"event: alive\ndata: 1\n\n"));
            }
            if chunk.is_some() {
                self.last = Instant::now();
                return chunk;
            }
            tokio::select! {
                changed = self.feed.changed() => changed.ok()?,
                _ = self.closing.changed() => {}
            }
        }
    }

    /// The regions that have changed since they were sent.
    fn news(&mut self, latest: Arc<Rendered>) -> Option<Bytes> {
        let sent = self.sent.as_deref();
        let had = |id: &str| sent.and_then(|sent| sent.regions.get(id)).map(|region| &region.timeless);
        let changed = latest.regions.iter().filter(|(id, region)| had(id) != Some(&region.timeless));
        let changed: BTreeMap<&str, &String> = changed.map(|(id, region)| (*id, &region.html)).collect();
        let same_title = sent.map_or("", |sent| sent.title.as_str()) == latest.title;
        if changed.is_empty() && same_title && !latest.is_final {
            return None;
        }
        self.number = self.number.saturating_add(1);
        let data = json!({ "title": format!("{} – Provost", latest.title), "regions": changed });
        let end = if latest.is_final { "event: end\ndata: 1\n\n" } else { "" };
        let text = format!("id: {}\nevent: regions\ndata: {data}\n\n{end}", self.number);
        self.is_over = latest.is_final;
        self.sent = Some(latest);
        Some(Bytes::from(text))
    }
}
