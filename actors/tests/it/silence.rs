//! Silence is asserted: a test that starts a system ends with no panic, no restart and no line of the log at level error or
//! warn, but for the lines, panics and restarts that the test names.
//!
//! `start` is used in the place of `provost_actors::start`. What the system's actors, and the work that they start, log on whatever
//! thread is collected for the test's own thread; so is what the test's thread logs itself.

use provost_actors::error::ActorError;
use provost_actors::{Handle, Options};
use std::cell::RefCell;
use std::fmt::{Debug, Write};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

thread_local! {
    static COLLECTED: RefCell<Option<Arc<Collected>>> = const { RefCell::new(None) };
}

/// Lines of one test, and what is expected of it.
#[derive(Default)]
struct Collected {
    lines: Mutex<Vec<String>>,
    expected: Mutex<Expected>,
}

/// The faults that a test means to see.
#[derive(Default)]
struct Expected {
    /// Texts of lines.
    lines: Vec<String>,
    /// Texts of panics, and how often each comes in the system that is dropped next.
    panics: Vec<(String, u64)>,
    /// Rebuilds of actors of the system that is dropped next.
    restarts: u64,
}

impl Collected {
    /// Of the calling thread, which logs to it from now on.
    fn of_this_test() -> Arc<Self> {
        COLLECTED.with_borrow_mut(|collected| {
            let new = || {
                let collected = Arc::<Self>::default();
                // For as long as the thread lives, which is as long as the test does.
                std::mem::forget(tracing::subscriber::set_default(Collector(collected.clone())));
                collected
            };
            collected.get_or_insert_with(new).clone()
        })
    }

    fn expected(&self) -> MutexGuard<'_, Expected> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running system that is asked for its silence when it is dropped.
pub struct System {
    handle: Handle,
    collected: Arc<Collected>,
}

impl Deref for System {
    type Target = Handle;
    fn deref(&self) -> &Handle {
        &self.handle
    }
}

pub async fn start(options: Options) -> Result<System, ActorError> {
    let collected = Collected::of_this_test();
    Ok(System { handle: provost_actors::start(options).await?, collected })
}

/// Lines at level error or warn that this test means to see, by texts of theirs. They allow no panic and no restart.
pub fn expect(texts: &[&str]) {
    Collected::of_this_test().expected().lines.extend(texts.iter().map(|t| (*t).to_owned()));
}

/// So many panics with this text, and what the log says of them, in the system that is dropped next.
pub fn expect_panics(text: &str, count: u64) {
    expect(&[text]);
    Collected::of_this_test().expected().panics.push((text.to_owned(), count));
}

/// So many rebuilds of actors in the system that is dropped next.
pub fn expect_restarts(count: u64) {
    Collected::of_this_test().expected().restarts += count;
}

impl Drop for System {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let lines = std::mem::take(&mut *self.collected.lines.lock().unwrap_or_else(PoisonError::into_inner));
        let mut expected = self.collected.expected();
        let unexpected = |line: &String| !expected.lines.iter().any(|text| line.contains(text.as_str()));
        // Work in a pool of threads may log to nobody; its panics are counted all the same.
        let panics: Vec<String> =
            self.handle.panics().latest_of_components().into_iter().map(|panic| panic.to_string()).collect();
        let faults: Vec<&String> = lines.iter().chain(&panics).filter(|line| unexpected(line)).collect();
        assert!(faults.is_empty(), "faults that the test does not name:\n{faults:#?}");
        let named = std::mem::take(&mut expected.panics);
        for (text, count) in &named {
            let found = panics.iter().filter(|panic| panic.contains(text.as_str())).count() as u64;
            assert_eq!(found, *count, "panics with the text `{text}`: {panics:#?}");
        }
        let named: u64 = named.iter().map(|(_, count)| count).sum();
        assert_eq!(self.handle.panics().count(), named, "panics: {panics:#?}");
        assert_eq!(self.handle.restarts(), std::mem::take(&mut expected.restarts), "restarts");
    }
}

struct Collector(Arc<Collected>);

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        // The AMQP client's own words are not the product's.
        if event.metadata().target().starts_with("lapin") {
            return;
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Level, message and fields.
struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {}={value}", field.name());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// That `work` ends in a panic whose text holds `expected`.
async fn fails(expected: &str, work: impl Future<Output = ()>) {
    use futures_util::FutureExt;
    let ended = std::panic::AssertUnwindSafe(work).catch_unwind().await;
    let text = ended.err().and_then(|e| e.downcast_ref::<String>().cloned()).unwrap_or_default();
    assert!(text.contains(expected), "{text}");
}

#[actix_rt::test]
async fn a_warning_a_panic_and_a_restart_that_nobody_named_fail_the_test() {
    let folder = tempfile::tempdir().unwrap();
    fails("a warning of a test", async {
        let _system = crate::support::system(folder.path()).await;
        tracing::warn!("a warning of a test");
    })
    .await;
    for place in ["loader", "trainer"] {
        fails(&format!("failpoint {place}"), async {
            let options = crate::support::options(folder.path()).await;
            options.failpoints.arm(place, 1);
            let system = start(options).await.unwrap();
            let config = crate::support::config(&[provost_domain::Algorithm::LogisticRegression]);
            let submitted = system.submit(crate::support::submission(config)).await;
            if let Ok(provost_actors::Submitted::New(accepted)) = submitted {
                crate::support::finished(&system, &accepted.job.job_id).await;
            }
        })
        .await;
    }
    // What is rebuilt is told a moment after the panic.
    expect(&["a warning of a test", "failpoint"]);
    let system = crate::support::system(folder.path()).await;
    tracing::warn!("a warning of a test");
    drop(system);
    // A line that is named allows no panic, and a panic that is named is to come.
    for (armed, named) in [(1, 0), (1, 2)] {
        fails("panics", async {
            let options = crate::support::options(folder.path()).await;
            options.failpoints.arm("loader", armed);
            let system = start(options).await.unwrap();
            let _ = system.quality(crate::support::config(&[])).await;
            if named > 0 {
                expect_panics("failpoint loader", named);
            }
        })
        .await;
    }
    fails("restarts", async {
        let _system = crate::support::system(folder.path()).await;
        expect_restarts(1);
    })
    .await;
}
