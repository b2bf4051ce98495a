//! The demo's data: synthetic applications, written to a file and imported from it.

use super::screen::Screen;
use crate::cli::show;
use crate::error::{Error, Result};
use crate::import::{self, Rejects};
use crate::serve::Folder;
use crate::settings::Settings;
use crate::{open, sample};
use provost_reader::ReadBytes;
use provost_store::Store;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const SEED: u64 = 7;

/// Draws the sample and imports it on a thread of its own. Returns the Bayes-optimal AUC, if both classes were drawn; None
/// if a signal came first.
pub async fn data(
    settings: &Settings,
    folder: &Folder,
    rows: u32,
    screen: &Screen,
    signals: &mut (impl Future<Output = ()> + Unpin),
) -> Result<Option<Option<f64>>> {
    let stop = Arc::new(AtomicBool::new(false));
    let (settings, store) = (settings.clone(), folder.store.clone());
    let source = Sample { settings, store, rows, screen: screen.clone(), stop: stop.clone() };
    let mut made = tokio::task::spawn_blocking(move || source.make());
    tokio::select! {
        made = &mut made => Ok(Some(made.map_err(anyhow::Error::from)??)),
        () = signals => {
            screen.stopping(false);
            stop.store(true, Ordering::Relaxed);
            // The points stored so far are complete; a signal is not an error.
            let _ = made.await;
            Ok(None)
        }
    }
}

/// Draws the sample and imports it into the store.
struct Sample {
    settings: Settings,
    store: Arc<dyn Store>,
    rows: u32,
    screen: Screen,
    stop: Arc<AtomicBool>,
}

impl Sample {
    /// Writes the sample to a file and imports it as `provost import` does.
    fn make(&self) -> Result<Option<f64>> {
        let began = Instant::now();
        let screen = &self.screen;
        let path = self.settings.data_dir.join(format!("sample-{}.jsonl", self.rows));
        let drawn = sample::write(self.rows as usize, SEED, &path, |n| self.told("drawing applications", n))?;
        screen.step(
            "data",
            &format!(
                "{} synthetic applications, {} accepted",
                show::thousands(drawn.rows),
                show::thousands(drawn.accepted)
            ),
            began.elapsed().as_secs_f64(),
            json!({ "rows": drawn.rows, "accepted": drawn.accepted, "bayes_auc": drawn.bayes_auc, "file": path }),
        );
        let report = self.import(&path)?;
        let counts = &report.counts;
        let known = match counts.unchanged {
            0 => String::new(),
            n => format!(", {} were there already", show::thousands(n)),
        };
        screen.step(
            "import",
            &format!(
                "{} into SQLite{known}, {} rows/s",
                show::thousands(counts.inserted),
                show::thousands(report.rows_per_second as u64)
            ),
            report.seconds,
            json!(report),
        );
        Ok(drawn.bayes_auc)
    }

    fn import(&self, path: &Path) -> Result<import::Report> {
        let options = import::Options::new(&self.settings, vec![path.to_owned()]);
        let rejects = Rejects::lazily(self.settings.data_dir.join("rejects-demo.jsonl"));
        let (runtime, read) = (open::runtime()?, ReadBytes::default());
        import::run(&options, &self.settings.features, &self.store, runtime.handle(), rejects, &read, |counts| {
            self.told("importing applications", counts.rows)
        })
    }

    fn told(&self, what: &str, rows: u64) -> Result<()> {
        self.screen.progress(what, rows as f64 / f64::from(self.rows));
        if self.stop.load(Ordering::Relaxed) { Err(Error::failed("interrupted")) } else { Ok(()) }
    }
}
