//! Connections and the threads that own them: one writer, a few readers. Async callers send closures and await replies,
//! so that no statement ever runs on the runtime's threads.

use crate::error::{Result, StoreError};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Older versions can corrupt a database in WAL mode (the WAL-reset fault, mended in 3.51.3).
const OLDEST_SQLITE: i32 = 3_051_003;
/// How long a statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The log is folded into the database after this many pages (of 4 KiB): rarely enough for imports to stay fast.
const CHECKPOINT_PAGES: i64 = 8192;

/// Refuses a library that can corrupt the database.
pub fn check_library(number: i32, name: &str) -> Result<()> {
    if number < OLDEST_SQLITE {
        return Err(StoreError::Invalid(format!(
            "SQLite {name} can corrupt a database in WAL mode; 3.51.3 or newer is needed"
        )));
    }
    Ok(())
}

pub fn open_writer(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Unavailable(format!(
            "{} cannot be put into WAL mode (it is `{mode}`)",
            path.display()
        )));
    }
    // FULL: a commit that was answered survives a power cut, not only a crash of the process.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

pub fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// All or nothing: commits if `f` succeeds. The write lock is taken at the start, so that what `f` reads is what it
/// changes, with other processes too.
pub fn in_transaction<T>(connection: &mut Connection, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = f(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

type Command = Box<dyn FnOnce(&mut Connection) + Send>;

/// Named threads, each with a connection of its own, fed from one queue.
pub struct Workers {
    queue: Mutex<Option<mpsc::Sender<Command>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    pulse: Arc<Pulse>,
}

/// When a thread last took up a command, or came through one.
struct Pulse {
    origin: Instant,
    /// Milliseconds after `origin`.
    last: AtomicU64,
}

impl Pulse {
    fn now(&self) -> u64 {
        self.origin.elapsed().as_millis() as u64
    }

    fn beat(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }
}

impl Workers {
    pub fn start(name: &str, connections: Vec<Connection>) -> Result<Self> {
        let (queue, commands) = mpsc::channel::<Command>();
        let commands = Arc::new(Mutex::new(commands));
        let pulse = Arc::new(Pulse { origin: Instant::now(), last: AtomicU64::new(0) });
        let mut threads = Vec::with_capacity(connections.len());
        for (i, mut connection) in connections.into_iter().enumerate() {
            let (commands, pulse) = (Arc::clone(&commands), Arc::clone(&pulse));
            let run = move || {
                loop {
                    let next = commands.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    pulse.beat();
                    match next {
                        Ok(command) => command(&mut connection),
                        Err(_) => break,
                    }
                    pulse.beat();
                }
            };
            let thread = std::thread::Builder::new().name(format!("{name}-{i}"));
            threads.push(thread.spawn(run).map_err(|e| StoreError::Unavailable(format!("thread {name}: {e}")))?);
        }
        Ok(Self { queue: Mutex::new(Some(queue)), threads: Mutex::new(threads), pulse })
    }

    /// Lets the queue drain, then ends the threads and their connections.
    pub fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }

    /// Resolves once a thread is known to have been between two commands not longer ago than `within`.
    pub async fn alive(&self, within: Duration) -> Result<()> {
        let ago = self.pulse.now().saturating_sub(self.pulse.last.load(Ordering::Relaxed));
        if u128::from(ago) <= within.as_millis() {
            return Ok(());
        }
        self.call(|_| Ok(())).await
    }

    /// Runs `f` on one of the threads. A panic in it is answered as an error and leaves no transaction open. When the
    /// returned future is dropped early, `f` runs to its end all the same.
    pub async fn call<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command: Command = Box::new(move |connection| {
            let outcome = catch_unwind(AssertUnwindSafe(|| f(connection))).unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
                Err(StoreError::Internal(format!("a command panicked: {text}")))
            });
            if !connection.is_autocommit()
                && let Err(e) = connection.execute_batch("ROLLBACK")
            {
                tracing::error!(error = %e, "a transaction could not be rolled back");
            }
            let _ = reply.send(outcome); // nobody waits any more
        });
        let stopped = || StoreError::Unavailable("the store is closed".to_owned());
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        queue.ok_or_else(stopped)?.send(command).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.close();
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(e: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::*;
        let text = e.to_string();
        match e.sqlite_error_code() {
            Some(DiskFull) => StoreError::Full(text),
            Some(
                DatabaseBusy
                | DatabaseLocked
                | SystemIoFailure
                | CannotOpen
                | PermissionDenied
                | ReadOnly
                | OutOfMemory
                | OperationInterrupted
                | FileLockingProtocolFailed,
            ) => StoreError::Unavailable(text),
            Some(DatabaseCorrupt | NotADatabase) => StoreError::Corrupt { what: "the database".to_owned(), why: text },
            _ => StoreError::Internal(text),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn libraries_that_can_corrupt_a_log_are_refused() {
        let error = check_library(3_051_002, "3.51.2").unwrap_err();
        assert!(error.to_string().contains("3.51.2"), "{error}");
        check_library(3_051_003, "3.51.3").unwrap();
        check_library(rusqlite::version_number(), rusqlite::version()).unwrap();
    }

    #[test]
    fn the_pragmas_hold() {
        let dir = tempfile::tempdir().unwrap();
        let writer = open_writer(&dir.path().join("x.db")).unwrap();
        let pragma = |name: &str| writer.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(pragma("synchronous"), 2);
        assert_eq!(pragma("foreign_keys"), 1);
        let reader = open_reader(&dir.path().join("x.db")).unwrap();
        assert!(reader.execute_batch("CREATE TABLE t (x)").is_err());
    }

    #[tokio::test]
    async fn a_thread_that_was_at_work_lately_is_not_waited_for() {
        let workers = Workers::start("w", vec![Connection::open_in_memory().unwrap()]).unwrap();
        workers.call(|_| Ok(())).await.unwrap();
        let (release, held) = mpsc::channel::<()>();
        let (started, at_work) = mpsc::channel::<()>();
        let busy = workers.call(move |_| Ok(started.send(()).is_ok() && held.recv().is_ok()));
        let mut busy = std::pin::pin!(busy);
        assert!(futures_util::poll!(busy.as_mut()).is_pending());
        at_work.recv().unwrap();
        workers.alive(Duration::from_secs(3600)).await.unwrap();
        let mut alive = std::pin::pin!(workers.alive(Duration::ZERO));
        while workers.pulse.now() == workers.pulse.last.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        assert!(futures_util::poll!(alive.as_mut()).is_pending());
        release.send(()).unwrap();
        assert!(busy.await.unwrap());
        alive.await.unwrap();
    }

    #[test]
    fn errors_are_told_apart() {
        let failure = |code| StoreError::from(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        assert!(matches!(failure(rusqlite::ffi::SQLITE_FULL), StoreError::Full(_)));
        assert!(matches!(failure(rusqlite::ffi::SQLITE_BUSY), StoreError::Unavailable(_)));
        assert!(matches!(failure(rusqlite::ffi::SQLITE_IOERR_FSYNC), StoreError::Unavailable(_)));
        assert!(matches!(failure(rusqlite::ffi::SQLITE_CORRUPT), StoreError::Corrupt { .. }));
        assert!(matches!(failure(rusqlite::ffi::SQLITE_CONSTRAINT), StoreError::Internal(_)));
    }
}
