//! Counts each panic once, with its text and its place, whoever catches it.
//!
//! A single hook sees all panics. It determines the component that the panicking thread works for: an [`Owner`] sets it
//! while it runs work on a thread or polls a future. A panic on a thread without an owner counts for the process.

use chrono::{DateTime, Utc};
use serde::Serialize;
use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::panic::PanicHookInfo;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::task::{Context, Poll};

/// How many panics are kept with their text.
const KEPT: usize = 20;
/// How many bytes of a text are kept.
const TEXT_BYTES: usize = 2_000;

/// One panic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Panic {
    /// By the machine's clock.
    pub at: DateTime<Utc>,
    /// None for a thread that works for no component.
    pub component: Option<String>,
    pub text: String,
    /// File, line and column.
    pub place: String,
    pub thread: String,
}

impl std::fmt::Display for Panic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "panic at {}: {}", self.place, self.text)
    }
}

#[derive(Debug, Default)]
struct Ledger {
    total: u64,
    by_component: BTreeMap<String, u64>,
    latest: VecDeque<Panic>,
}

impl Ledger {
    fn add(&mut self, panic: Panic) {
        self.total += 1;
        if let Some(component) = &panic.component {
            *self.by_component.entry(component.clone()).or_default() += 1;
        }
        self.latest.push_front(panic);
        self.latest.truncate(KEPT);
    }
}

/// The panics of one system.
#[derive(Debug, Clone, Default)]
pub struct Panics(Arc<Mutex<Ledger>>);

/// Panics on threads that work for no component, of this process.
static OF_THE_PROCESS: LazyLock<Panics> = LazyLock::new(Panics::default);

/// The highest count reported so far: a panic that a component takes over later does not lower it.
static TOLD_OF_THE_PROCESS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static OWNER: RefCell<Option<Owner>> = const { RefCell::new(None) };
}

impl Panics {
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of panics of this system's components.
    pub fn count(&self) -> u64 {
        self.lock().total
    }

    /// The number of panics of this system's components and of threads of this process that work for none.
    pub fn total(&self) -> u64 {
        self.count() + OF_THE_PROCESS.count()
    }

    /// The number of panics on threads of this process that work for no component; never decreases.
    pub fn of_the_process() -> u64 {
        let count = OF_THE_PROCESS.count();
        TOLD_OF_THE_PROCESS.fetch_max(count, Ordering::Relaxed).max(count)
    }

    /// The panics that `total` counts, the newest first; of each kind the last twenty.
    pub fn latest(&self) -> Vec<Panic> {
        let mut latest = self.latest_of_components();
        latest.extend(OF_THE_PROCESS.latest_of_components());
        latest.sort_by_key(|panic| std::cmp::Reverse(panic.at));
        latest
    }

    /// The panics that `count` counts, the newest first; the last twenty.
    pub fn latest_of_components(&self) -> Vec<Panic> {
        self.lock().latest.iter().cloned().collect()
    }

    /// How many panics a component had, and the last of them.
    pub fn of(&self, component: &str) -> (u64, Option<Panic>) {
        let ledger = self.lock();
        let count = ledger.by_component.get(component).copied().unwrap_or(0);
        (count, ledger.latest.iter().find(|p| p.component.as_deref() == Some(component)).cloned())
    }
}

/// What a thread works for: a component of a system, and its logger.
#[derive(Debug, Clone)]
pub struct Owner {
    panics: Panics,
    component: Arc<str>,
    log: tracing::Dispatch,
}

impl Owner {
    pub fn new(panics: Panics, component: &str) -> Self {
        Self { panics, component: component.into(), log: tracing::dispatcher::get_default(Clone::clone) }
    }

    /// The owner of the calling thread.
    pub fn current() -> Option<Self> {
        OWNER.with_borrow(Clone::clone)
    }

    /// How many panics this component had, and the last of them.
    pub fn panics_of_this(&self) -> (u64, Option<Panic>) {
        self.panics.of(&self.component)
    }

    /// Runs work for this owner on the calling thread.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let _owned = Owned::begin(self.clone());
        tracing::dispatcher::with_default(&self.log, work)
    }

    /// Polls the future for this owner, wherever it runs.
    pub fn follow<F: Future>(self, future: F) -> Followed<F> {
        Followed { owner: self, future: Box::pin(future) }
    }

    /// Attributes a caught panic to this owner if the hook could not: work in a thread pool panics on any thread of the
    /// pool.
    pub fn caught(&self, text: &str) {
        let mut others = OF_THE_PROCESS.lock();
        let Some(at) = others.latest.iter().position(|p| p.text == shortened(text)) else { return };
        let Some(mut panic) = others.latest.remove(at) else { return };
        others.total = others.total.saturating_sub(1);
        drop(others);
        panic.component = Some(self.component.to_string());
        self.panics.lock().add(panic);
    }
}

/// Restores the thread's previous owner at the end, also after a panic.
struct Owned(Option<Owner>);

impl Owned {
    fn begin(owner: Owner) -> Self {
        Self(OWNER.with_borrow_mut(|current| current.replace(owner)))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // The variable may be gone on a thread that is ending.
        let _ = OWNER.try_with(|current| {
            if let Ok(mut current) = current.try_borrow_mut() {
                *current = self.0.take();
            }
        });
    }
}

pub struct Followed<F> {
    owner: Owner,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Followed<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _owned = Owned::begin(self.owner.clone());
        self.future.as_mut().poll(context)
    }
}

/// Runs work that takes longer than a handler may on the runtime's blocking threads, for the caller's owner. The error
/// is the text of a panic, or says that the runtime is shutting down.
pub(crate) async fn off_the_arbiter<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let owner = Owner::current();
    let owned = move || match owner {
        Some(owner) => owner.run(work),
        None => work(),
    };
    tokio::task::spawn_blocking(owned).await.map_err(|e| match e.try_into_panic() {
        Ok(payload) => {
            let text = panic_text(&*payload);
            if let Some(owner) = Owner::current() {
                owner.caught(&text);
            }
            text
        }
        Err(e) => e.to_string(),
    })
}

/// The text of a panic.
pub fn panic_text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES)]
}

static ONLY_LOGGED: AtomicBool = AtomicBool::new(false);

/// Starts counting panics. The previous hook still runs.
pub fn count() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            note(info);
            if !ONLY_LOGGED.load(Ordering::Relaxed) {
                before(info);
            }
        }));
    });
}

/// As `count`, for a process with a log: the log reports each panic, and standard error does not repeat it.
pub fn count_and_log() {
    ONLY_LOGGED.store(true, Ordering::Relaxed);
    count();
}

fn note(info: &PanicHookInfo<'_>) {
    let text = panic_text_of(info);
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let owner = OWNER.try_with(|owner| owner.try_borrow().ok().and_then(|owner| owner.clone())).ok().flatten();
    let component = owner.as_ref().map(|owner| owner.component.to_string());
    tracing::error!(component, thread, place, text, "a panic");
    let panic = Panic { at: Utc::now(), component, text: shortened(&text).to_owned(), place, thread };
    owner.map_or_else(|| OF_THE_PROCESS.clone(), |owner| owner.panics).lock().add(panic);
}

fn panic_text_of(info: &PanicHookInfo<'_>) -> String {
    info.payload_as_str().map_or_else(|| "a panic without a text".to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_panic_counts_for_whom_the_thread_works() {
        count();
        let (panics, other) = (Panics::default(), Panics::default());
        let loader = Owner::new(panics.clone(), "loader");
        let caught = loader.clone().follow(async { off_the_arbiter(|| panic!("no rows at {}", 7)).await }).await;
        assert_eq!(caught.map(|(): ()| ()), Err("no rows at 7".to_owned()));
        let (count, last) = panics.of("loader");
        let last = last.unwrap();
        assert_eq!((count, panics.count(), panics.of("jobs").0, other.count()), (1, 1, 0, 0));
        assert!(last.text == "no rows at 7" && last.place.contains("panics.rs:"), "{last:?}");
        assert!(Owner::current().is_none(), "the label stays with the future");
        assert_eq!(off_the_arbiter(|| 5).await, Ok(5));
    }

    #[test]
    fn a_panic_on_a_thread_without_an_owner_is_taken_over_by_who_caught_it() {
        count();
        let panics = Panics::default();
        let owner = Owner::new(panics.clone(), "trainer_xgboost");
        let before = OWNER.with_borrow(Option::is_none);
        let thread = std::thread::spawn(|| panic!("a panic in a pool of threads"));
        let text = panic_text(&*thread.join().unwrap_err());
        assert!(before && panics.total() > 0 && panics.count() == 0);
        let told = Panics::of_the_process();
        owner.caught(&text);
        owner.caught(&text);
        assert!(told > 0 && Panics::of_the_process() >= told, "a count never falls");
        assert_eq!(panics.of("trainer_xgboost").0, 1, "once, however often it is taken over");
        assert_eq!(panics.latest_of_components()[0].text, "a panic in a pool of threads");
    }
}
