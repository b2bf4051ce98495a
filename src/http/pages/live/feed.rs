//! The current content of a page, rendered once for all streams that show the same.

use super::{Regions, Source};
use actix_web::rt;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The shortest time between two renderings: at most four a second.
const BETWEEN: Duration = Duration::from_millis(250);
/// How often a page is rendered even if no change was reported.
const LOOK_EVERY: Duration = Duration::from_secs(4);

/// What streams must have in common to share renderings: the page, and whether it has the operators' buttons.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FeedKey {
    pub page: String,
    pub may_operate: bool,
}

/// A rendering.
pub struct Rendered {
    pub title: String,
    pub regions: BTreeMap<&'static str, Region>,
    pub is_final: bool,
}

/// A region's HTML.
pub struct Region {
    pub html: String,
    /// The HTML without the texts that the browser updates by itself.
    pub timeless: String,
}

/// The latest rendering; None until there is one.
pub type Latest = Option<Arc<Rendered>>;

/// The pages that anybody watches. There are never more than there are streams.
#[derive(Default)]
pub struct Feeds(Mutex<Open>);

#[derive(Default)]
struct Open {
    feeds: HashMap<FeedKey, (u64, watch::Sender<Latest>)>,
    opened: u64,
}

/// A feed's entry in the table. Dropping it removes the feed.
struct Entry {
    feeds: Arc<Feeds>,
    key: FeedKey,
    number: u64,
}

impl Feeds {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes to the renderings of a page. The first subscriber provides the source, and the feed ends with its
    /// last subscriber. If a feed fails, it ends, and a later stream starts a new one.
    pub(super) fn join<S: Source>(
        self: &Arc<Self>,
        key: FeedKey,
        source: S,
        closing: watch::Receiver<bool>,
    ) -> watch::Receiver<Latest> {
        let mut open = self.lock();
        if let Some((_, feed)) = open.feeds.get(&key) {
            return feed.subscribe();
        }
        let (sender, receiver) = watch::channel(None);
        open.opened += 1;
        let number = open.opened;
        open.feeds.insert(key.clone(), (number, sender.clone()));
        drop(open);
        rt::spawn(run(Entry { feeds: self.clone(), key, number }, sender, source, closing));
        receiver
    }
}

impl Entry {
    /// Removes the feed from the table if nobody watches it.
    fn leave(&self, sender: &watch::Sender<Latest>) -> bool {
        let mut open = self.feeds.lock();
        let is_left = sender.receiver_count() == 0;
        if is_left {
            open.feeds.remove(&self.key);
        }
        is_left
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.feeds.lock();
        if open.feeds.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            open.feeds.remove(&self.key);
        }
    }
}

async fn run<S: Source>(
    entry: Entry,
    sender: watch::Sender<Latest>,
    mut source: S,
    mut closing: watch::Receiver<bool>,
) {
    loop {
        let began = Instant::now();
        // The next reading sees every change from here on.
        let Ok(read) = source.read().await else { return };
        let is_final = read.is_final;
        sender.send_replace(Some(Arc::new(Rendered::from(read))));
        if is_final {
            return;
        }
        tokio::select! {
            () = source.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = closing.wait_for(|closing| *closing) => return,
            () = sender.closed() => if entry.leave(&sender) { return },
        }
        tokio::time::sleep(BETWEEN.saturating_sub(began.elapsed())).await;
    }
}

impl From<Regions> for Rendered {
    fn from(read: Regions) -> Self {
        let region = |html: String| Region { timeless: timeless(&html), html };
        let regions = read.regions.into_iter().map(|(id, html)| (id, region(html))).collect();
        Self { title: read.title, regions, is_final: read.is_final }
    }
}

/// A region without the texts of its relative times: the browser updates these, so they are no news.
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
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http::pages::PageError;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn a_time_that_goes_by_is_no_news() {
        let at =
            |ago: &str, rest: &str| format!("<time datetime=\"x\" data-ago>{ago}</time> {rest}<b data-clock>{ago}</b>");
        assert_eq!(timeless(&at("4 s ago", "a")), timeless(&at("2 min ago", "a")));
        assert_ne!(timeless(&at("4 s ago", "a")), timeless(&at("4 s ago", "b")));
        assert_eq!(timeless("plain"), "plain");
    }

    /// A page that shows a number, and counts how often it is rendered.
    struct Counted {
        number: watch::Receiver<u64>,
        rendered: Arc<AtomicU64>,
    }

    impl Source for Counted {
        async fn read(&mut self) -> Result<Regions, PageError> {
            let number = *self.number.borrow_and_update();
            self.rendered.fetch_add(1, Ordering::Relaxed);
            let regions = BTreeMap::from([("number", number.to_string())]);
            Ok(Regions { title: String::new(), regions, is_final: number == 9 })
        }

        async fn changed(&mut self) {
            drop(self.number.changed().await);
        }
    }

    async fn shows(feed: &mut watch::Receiver<Latest>, number: &str) -> Arc<Rendered> {
        let shows = |latest: &Latest| latest.as_ref().is_some_and(|latest| latest.regions["number"].html == number);
        feed.wait_for(shows).await.unwrap().clone().unwrap()
    }

    #[actix_rt::test]
    async fn a_page_is_rendered_once_for_all_streams_of_a_role() {
        let (change, number) = watch::channel(1);
        let (_stop, closing) = watch::channel(false);
        let (feeds, rendered) = (Arc::new(Feeds::default()), Arc::new(AtomicU64::new(0)));
        let join = |may_operate| {
            let source = Counted { number: number.clone(), rendered: rendered.clone() };
            feeds.join(FeedKey { page: "/".to_owned(), may_operate }, source, closing.clone())
        };
        let mut streams: Vec<_> = (0..50).map(|_| join(false)).collect();
        for stream in &mut streams {
            shows(stream, "1").await;
        }
        assert_eq!(rendered.load(Ordering::Relaxed), 1);
        let mut operator = join(true);
        shows(&mut operator, "1").await;
        assert_eq!(rendered.load(Ordering::Relaxed), 2, "an operator sees other buttons");
        drop(operator);
        change.send_replace(2);
        let first = shows(&mut streams[0], "2").await;
        for stream in &mut streams {
            assert!(Arc::ptr_eq(&shows(stream, "2").await, &first));
        }
        assert!(rendered.load(Ordering::Relaxed) <= 4, "once for each role");
        change.send_replace(9);
        let last = shows(&mut streams[0], "9").await;
        assert!(last.is_final);
        assert!(streams[0].changed().await.is_err(), "the feed has ended");
        assert!(feeds.lock().feeds.keys().all(|key| key.may_operate), "and is in the table no more");
    }

    #[actix_rt::test]
    async fn a_page_that_nobody_watches_is_rendered_no_more() {
        let (change, number) = watch::channel(1);
        let (_stop, closing) = watch::channel(false);
        let (feeds, rendered) = (Arc::new(Feeds::default()), Arc::new(AtomicU64::new(0)));
        let join = || {
            let source = Counted { number: number.clone(), rendered: rendered.clone() };
            feeds.join(FeedKey { page: "/".to_owned(), may_operate: false }, source, closing.clone())
        };
        let mut stream = join();
        shows(&mut stream, "1").await;
        drop(stream);
        // The feed ends as soon as it is looked at.
        while !feeds.lock().feeds.is_empty() {
            rt::task::yield_now().await;
        }
        change.send_replace(2);
        assert_eq!(rendered.load(Ordering::Relaxed), 1);
        let mut again = join();
        shows(&mut again, "2").await;
    }
}
