//! Starts the store, the actors and the facade from the settings, and stops them in reverse order.

use crate::cli::show;
use crate::error::{Error, Result};
use crate::http::{self, Server};
use crate::settings::{Http, Settings};
use crate::{log, open};
use chrono::Utc;
use provost_actors::{Handle, Metrics, Options, PredictServiceOptions, RestartBudget};
use provost_store::{Artifacts, DataFolderLock, Store, TimedStore, private};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of a process that a second signal ended; shells use it for an interrupt.
const STOPPED_AT_ONCE: i32 = 130;

/// The data folder, locked by this process.
pub struct Folder {
    pub store: Arc<dyn Store>,
    pub artifacts: Artifacts,
    _lock: DataFolderLock,
}

impl Folder {
    /// Locks the folder; the error names the process that holds it.
    pub fn take(settings: &Settings) -> Result<Self> {
        Self::open(settings, Self::lock(settings)?)
    }

    fn lock(settings: &Settings) -> Result<DataFolderLock> {
        private::make_data_folder(&settings.data_dir)?;
        if let Some(said) = private::narrow(&settings.data_dir)?.text(&settings.data_dir) {
            tracing::warn!("{said}");
        }
        Ok(DataFolderLock::acquire(&settings.data_dir)?)
    }

    fn open(settings: &Settings, lock: DataFolderLock) -> Result<Self> {
        private::make_folder(&settings.import.dir).map_err(|e| {
            Error::failed(format!("cannot make the import folder {}: {e}", settings.import.dir.display()))
        })?;
        let (store, artifacts) = open::store_and_artifacts(settings)?;
        Ok(Self { store, artifacts, _lock: lock })
    }

    /// Opens the store while `listener` already answers health checks: a database of the replaced service is migrated when
    /// it is opened, which may take minutes.
    fn open_alive(settings: &Settings, lock: DataFolderLock, listener: &TcpListener) -> Result<Self> {
        if !settings.sharing.store {
            return Self::open(settings, lock);
        }
        let (done, opened) = tokio::sync::oneshot::channel::<()>();
        std::thread::scope(|scope| {
            let opening = scope.spawn(move || {
                let folder = Self::open(settings, lock);
                drop(done);
                folder
            });
            actix_rt::System::new().block_on(async {
                let facade = http::opening(listener.try_clone()?, &settings.http)?;
                let _ = opened.await; // it ends when the sender is dropped
                facade.close().await;
                Ok::<(), Error>(())
            })?;
            opening.join().unwrap_or_else(|_| Err(Error::failed("opening the store panicked")))
        })
    }
}

/// The options of the actors.
pub fn options(settings: &Settings, folder: &Folder) -> Result<Options> {
    let metrics = Metrics::default();
    let store: Arc<dyn Store> = Arc::new(TimedStore::new(folder.store.clone(), Arc::new(metrics.clone())));
    Ok(Options {
        tables: settings.features.clone(),
        import_limits: settings.import.limits,
        grids: settings.grids.clone(),
        strict_quality: settings.strict_quality,
        max_running: settings.jobs.max_running,
        max_queued: settings.jobs.max_queued,
        soft_limit: settings.jobs.soft_limit,
        hard_limit: settings.jobs.hard_limit,
        attempts: settings.jobs.attempts,
        backoff: settings.jobs.backoff,
        deaths: settings.jobs.deaths,
        restart_budget: RestartBudget {
            restarts: settings.actors.restart_budget,
            within: settings.actors.restart_window,
            ..RestartBudget::default()
        },
        threads: settings.threads,
        schedule_enabled: settings.schedule_enabled,
        cooldown: settings.cooldown,
        mail: settings.mail.options()?,
        predict: PredictServiceOptions {
            log: settings.predict.log,
            log_sample: settings.predict.log_sample,
            log_max_rows: settings.predict.log_max_rows,
            changeable: settings.predict.changeable.clone(),
            ..PredictServiceOptions::default()
        },
        watch: settings.watch.clone(),
        fairness: settings.fairness.clone(),
        retention: settings.retention.clone(),
        outbox_max: settings.bridge.outbox_max,
        bridge: settings.bridge.options.clone(),
        leases: open::leases(settings, &store),
        fleet: settings.sharing.fleet,
        metrics,
        ..Options::new(store, folder.artifacts.clone(), settings.import.dir.clone())
    })
}

/// Starts the actors on the current actix system; unfinished jobs are resumed.
pub async fn actors(settings: &Settings, folder: &Folder) -> Result<Handle> {
    provost_actors::start(options(settings, folder)?).await.map_err(|e| Error::Failed(e.into()))
}

/// The file with a running service's URL, for commands on this machine. The file may be left over: only the lock shows that
/// a service runs.
pub fn address_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join("provost.url")
}

/// Refuses an address that other machines can reach while no API key exists.
fn check_address(http: &Http, store: &dyn Store) -> Result<()> {
    open::runtime()?.block_on(http::check_address(http, store, Utc::now()))
}

/// Binds the facade's address, unless other machines can reach it and no API key exists.
pub fn listen(http: &Http, store: &dyn Store) -> Result<TcpListener> {
    check_address(http, store)?;
    bind(&http.listen)
}

pub fn bind(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).map_err(|e| {
        let advice = "end the process that listens there, or choose another address (--listen, http.listen)";
        Error::failed_with(format!("cannot listen on {address}: {e}"), advice)
    })
}

/// A running service.
pub struct Service {
    pub handle: Handle,
    server: Server,
    address_file: PathBuf,
    deadline: Duration,
}

impl Service {
    pub async fn start(settings: &Settings, folder: &Folder, listener: TcpListener) -> Result<Self> {
        let handle = actors(settings, folder).await?;
        let server = http::serve(listener, handle.clone(), settings).await?;
        let address_file = address_file(settings);
        let written = private::create(&address_file).and_then(|mut file| file.write_all(server.url().as_bytes()));
        if let Err(error) = written {
            tracing::warn!(%error, "the service's address could not be written into the data folder");
        }
        Ok(Self { handle, server, address_file, deadline: settings.shutdown_deadline })
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The faults so far: panics, restarts and log lines at level error; None if there are none.
    pub fn faults(&self) -> Option<String> {
        let (panics, restarts) = (self.handle.panics().total(), self.handle.restarts());
        let (errors, _) = crate::log::faults();
        let latest = self.handle.panics().latest().into_iter().next();
        let latest = latest.map(|panic| format!("; the last {panic}")).unwrap_or_default();
        (panics + restarts + errors > 0)
            .then(|| format!("{panics} panics, {restarts} restarts and {errors} lines at level error{latest}"))
    }

    /// Stops in order within the deadline: readiness off, requests drained, actors stopped. Logs what did not end in time.
    pub async fn stop(self) {
        let began = Instant::now();
        self.server.close();
        if tokio::time::timeout(self.deadline / 3, self.server.stop()).await.is_err() {
            tracing::warn!("requests were still in flight when the facade was stopped");
        }
        stop_actors(&self.handle, self.deadline.saturating_sub(began.elapsed())).await;
        // Best effort: a file that stays is ignored, because only the lock shows that a service runs.
        let _ = std::fs::remove_file(&self.address_file);
        tracing::info!(seconds = (began.elapsed().as_secs_f64() * 10.0).round() / 10.0, "stopped");
    }
}

pub async fn stop_actors(handle: &Handle, deadline: Duration) {
    let report = handle.shutdown(deadline).await;
    for job in &report.interrupted {
        tracing::info!(%job, "interrupted; it goes on at the next start");
    }
    for straggler in &report.stragglers {
        tracing::warn!(straggler, "had not ended by the deadline");
    }
}

/// SIGTERM and Ctrl-C: the first requests an orderly stop, a second one ends the process at once.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub fn catch() -> Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Completes with the first signal; the next one exits the process.
    pub async fn first(mut self) {
        self.next().await;
        actix_rt::spawn(async move {
            self.next().await;
            std::process::exit(STOPPED_AT_ONCE);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Runs `provost serve` until a signal.
pub fn run(settings: &Settings, json: bool) -> Result<()> {
    log::start(&settings.log)?;
    let lock = Folder::lock(settings)?;
    let listener = bind(&settings.http.listen)?;
    let folder = Folder::open_alive(settings, lock, &listener)?;
    check_address(&settings.http, &*folder.store)?;
    actix_rt::System::new().block_on(async {
        let signals = Signals::catch()?;
        let service = Service::start(settings, &folder, listener).await?;
        let url = service.url();
        tracing::info!(url, data = %settings.data_dir.display(), process = std::process::id(), "serving");
        show::tell(
            json,
            || serde_json::json!({ "event": "serving", "url": url }),
            || format!("Provost is at {url} (documentation: {url}/docs). Ctrl-C stops it."),
        );
        signals.first().await;
        tracing::info!("stopping");
        service.stop().await;
        // A late user of the store gets an error now, and the database is complete in its one file.
        folder.store.close();
        Ok(())
    })
}
