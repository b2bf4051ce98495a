//! Live regions of a page as server-sent events: whole regions and never changes of them, so that a stream that was broken off
//! goes on from what is true then, without a gap.

use super::{PageError, State};
use crate::http::auth;
use crate::http::code::Code;
use crate::http::connection_limit::LimitSlot;
use crate::http::problem::Problem;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use provost_domain::limits;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// At most four updates a second.
const BETWEEN: Duration = Duration::from_millis(250);
/// So often a stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(4);

/// What a page shows now.
pub struct Regions {
    pub title: String,
    /// An element's id and its inner HTML.
    pub regions: BTreeMap<&'static str, String>,
    /// Nothing will change any more.
    pub is_final: bool,
}

/// Where a page's regions come from.
pub trait Source: Send + 'static {
    fn read(&mut self) -> impl Future<Output = Result<Regions, PageError>>;
    /// Resolves when something may have changed. It is dropped and called again at will.
    fn changed(&mut self) -> impl Future<Output = ()>;
}

struct Reader<S> {
    source: S,
    sent: BTreeMap<&'static str, String>,
    title: String,
    number: u64,
    last: Option<Instant>,
    closing: watch::Receiver<bool>,
    is_over: bool,
    _slot: LimitSlot<String>,
}

/// Answers with the stream of a source. `Last-Event-ID` is the number to go on from; the regions come whole.
pub fn stream<S: Source>(state: &Data<State>, request: &HttpRequest, source: S) -> Result<HttpResponse, PageError> {
    let slot = state.streams.take_slot(auth::owner(request)).ok_or_else(|| {
        let detail =
            format!("this caller has {} event streams open, which is as many as may be", limits::EVENT_STREAMS);
        Problem::new(Code::TooManyStreams, detail).with_header("retry-after", "10".to_owned())
    })?;
    let last_id = request.headers().get("last-event-id").and_then(|v| v.to_str().ok()?.trim().parse::<u64>().ok());
    let reader = Reader {
        source,
        sent: BTreeMap::new(),
        title: String::new(),
        number: last_id.unwrap_or(0),
        last: None,
        closing: state.closing.clone(),
        is_over: false,
        _slot: slot,
    };
    let events = stream::unfold(reader, |mut reader| async move {
        let chunk = reader.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), reader))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(events))
}

impl<S: Source> Reader<S> {
    /// The next event, none at the end. What a failure cuts off the browser asks for again.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        loop {
            if *self.closing.borrow() {
                return None;
            }
            // What changes from here on is seen by the next reading.
            let Ok(read) = self.source.read().await else { return None };
            if let Some(chunk) = self.news(read) {
                self.last = Some(Instant::now());
                return Some(chunk);
            }
            tokio::select! {
                () = self.source.changed() => {}
                _ = self.closing.changed() => {}
                () = tokio::time::sleep(HEARTBEAT) => return Some(Bytes::from_static(b"event: alive\ndata: 1\n\n")),
            }
            let due = self.last.map_or(Duration::ZERO, |last| BETWEEN.saturating_sub(last.elapsed()));
            tokio::time::sleep(due).await;
        }
    }

    /// The regions that have changed since they were sent.
    fn news(&mut self, read: Regions) -> Option<Bytes> {
        let changed: BTreeMap<&str, &String> = read
            .regions
            .iter()
            .filter(|(id, html)| self.sent.get(*id) != Some(&timeless(html)))
            .map(|(id, html)| (*id, html))
            .collect();
        if changed.is_empty() && read.title == self.title && !read.is_final {
            return None;
        }
        self.number += 1;
        let data = json!({ "title": format!("{} – Provost", read.title), "regions": changed });
        let end = if read.is_final { "event: end\ndata: 1\n\n" } else { "" };
        let text = format!("id: {}\nevent: regions\ndata: {data}\n\n{end}", self.number);
        self.is_over = read.is_final;
        self.title = read.title;
        self.sent.extend(read.regions.into_iter().map(|(id, html)| (id, timeless(&html))));
        Some(Bytes::from(text))
    }
}

/// A region without the texts of its relative times: those go on by themselves in the browser, and are no news.
fn timeless(html: &str) -> String {
    const MARKS: [&str; 2] = ["data-ago>", "data-clock>"];
    let mut rest = html;
    let mut kept = String::with_capacity(html.len());
    while let Some(end) = MARKS.iter().filter_map(|mark| Some(rest.find(mark)? + mark.len())).min() {
        kept.push_str(&rest[..end]);
        rest = rest[end..].find('<').map_or("", |text| &rest[end + text..]);
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_goes_by_is_no_news() {
        let at =
            |ago: &str, rest: &str| format!("<time datetime=\"x\" data-ago>{ago}</time> {rest}<b data-clock>{ago}</b>");
        assert_eq!(timeless(&at("4 s ago", "a")), timeless(&at("2 min ago", "a")));
        assert_ne!(timeless(&at("4 s ago", "a")), timeless(&at("4 s ago", "b")));
        assert_eq!(timeless("plain"), "plain");
    }
}
