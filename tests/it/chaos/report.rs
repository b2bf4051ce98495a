//! What the campaign writes about itself.

use super::examination::End;
use super::outages::Fault;
use super::strikes::{Aim, Tally};
use crate::silence::Counts;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

pub struct Report {
    pub began: Instant,
    at: chrono::DateTime<chrono::Utc>,
    seed: u64,
    planned: u64,
    pub kills: u64,
    pub tally: Tally,
    pub others: BTreeMap<&'static str, u64>,
    pub panics: BTreeMap<&'static str, u64>,
    /// The version of the broker.
    pub broker: Option<String>,
    pub disk: Option<String>,
    pub end: End,
    /// In the logs of the services that were killed.
    pub faults: Counts,
    /// What was done on a MongoDB, and the end of it.
    pub remote: Option<(BTreeMap<Fault, u64>, End)>,
    pub starts: u64,
    pub sigkills: u64,
    pub slowest_start: Duration,
    pub slowest_stop: Duration,
    pub failures: Vec<String>,
    times: Vec<(&'static str, Duration)>,
}

impl Report {
    pub fn begin(seed: u64, planned: u64) -> Self {
        Self {
            began: Instant::now(),
            at: chrono::Utc::now(),
            seed,
            planned,
            kills: 0,
            tally: Tally::default(),
            others: BTreeMap::new(),
            panics: BTreeMap::new(),
            broker: None,
            disk: None,
            end: End::default(),
            faults: Counts::default(),
            remote: None,
            starts: 0,
            sigkills: 0,
            slowest_start: Duration::ZERO,
            slowest_stop: Duration::ZERO,
            failures: Vec::new(),
            times: Vec::new(),
        }
    }

    /// Runs one part; a broken promise is a failure of the report, and the parts after it still run.
    pub fn section(&mut self, name: &'static str, work: impl FnOnce(&mut Self)) {
        let began = Instant::now();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(self))) {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
            let text: String = text.chars().take(2000).collect();
            self.failures.push(format!("{name}, after {} kills: {text}", self.kills));
        }
        self.times.push((name, began.elapsed()));
    }

    /// Writes the page, if a file for it is named.
    pub fn write(&self) {
        let text = self.text();
        eprintln!("{text}");
        if let Ok(path) = std::env::var("PROVOST_CHAOS_REPORT") {
            std::fs::write(&path, text).unwrap_or_else(|e| panic!("{path}: {e}"));
        }
    }

    fn text(&self) -> String {
        let End {
            jobs,
            automatic_jobs,
            models,
            models_compared,
            points,
            activations,
            decisions,
            artifacts,
            trials,
            ..
        } = self.end;
        let mut t = String::new();
        let verdict = if !self.failures.is_empty() {
            "**A promise was broken.**".to_owned()
        } else if self.kills == self.planned {
            format!("**{} kills, nothing lost.**", self.kills)
        } else {
            format!("**Unfinished: {} of {} kills.**", self.kills, self.planned)
        };
        let _ = writeln!(
            t,
            "# Reliability\n\nThis page is written by `make chaos`, from what that run counted, and edited by nobody. \
             [`tests/it/chaos`](../tests/it/chaos/mod.rs) is the campaign.\n\n{verdict}\n"
        );
        for failure in &self.failures {
            let _ = writeln!(t, "```text\n{failure}\n```\n");
        }
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let minutes = self.began.elapsed().as_secs_f64() / 60.0;
        let _ = writeln!(t, "| run | |\n| --- | --- |");
        for (name, value) in [
            ("began", self.at.format("%Y-%m-%d %H:%M UTC").to_string()),
            ("took", format!("{minutes:.1} min")),
            ("seed", self.seed.to_string()),
            (
                "version",
                format!(
                    "{} ({profile}), {} {}",
                    env!("CARGO_PKG_VERSION"),
                    std::env::consts::OS,
                    std::env::consts::ARCH
                ),
            ),
            ("cores", cores.to_string()),
            ("SQLite", rusqlite::version().to_owned()),
            (
                "broker",
                self.broker.as_ref().map_or_else(
                    || "none: no events, no faults of a broker".to_owned(),
                    |version| format!("RabbitMQ {version}, a node of the campaign's own"),
                ),
            ),
            (
                "starts of the service",
                format!("{}, the slowest {:.2} s", self.starts, self.slowest_start.as_secs_f64()),
            ),
            ("slowest orderly stop", format!("{:.2} s", self.slowest_stop.as_secs_f64())),
        ] {
            let _ = writeln!(t, "| {name} | {value} |");
        }
        let _ = writeln!(
            t,
            "\n`jobs.deaths` is 100 for this run: as delivered, a job that loses its process five times without progress fails, \
             which is meant, and which kills this dense would meet. A killed process leaves what it wrote to the kernel: power \
             cuts are not in here.\n\n## SIGKILL\n\nThe service, or the importer beside it, was \
             killed at a random moment of a phase and started again at once, with three jobs or more in flight. Some moments \
             take a second kill to reach: {} SIGKILLs went to the service in all.\n\n\
             | aimed at | kills | came at another moment |\n| --- | ---: | ---: |",
            self.sigkills
        );
        for aim in Aim::ALL {
            let of = |counts: &BTreeMap<Aim, u64>| counts.get(&aim).copied().unwrap_or(0);
            let _ = writeln!(t, "| {} | {} | {} |", aim.name(), of(&self.tally.aimed), of(&self.tally.missed));
        }
        let _ = writeln!(
            t,
            "\nWhere the store says that the running jobs were when their process died:\n\n| | jobs |\n| --- | ---: |"
        );
        for (place, count) in &self.tally.found {
            let _ = writeln!(t, "| {place} | {count} |");
        }
        let _ = writeln!(t, "\n## Other faults\n\n| fault and outcome | times |\n| --- | ---: |");
        for (fault, count) in &self.others {
            let _ = writeln!(t, "| {fault} | {count} |");
        }
        match &self.disk {
            Some(outcome) => {
                let _ = writeln!(
                    t,
                    "| disk full in the middle of a job: reads went on, {outcome}; with room again all completed, to the same bytes | 1 |"
                );
            }
            None => {
                let _ = writeln!(t, "| disk full: skipped, no file system could be mounted | 0 |");
            }
        }
        for (place, count) in &self.panics {
            let _ = writeln!(t, "| panic at `{place}`: the job completed, to the same bytes | {count} |");
        }
        let _ = writeln!(
            t,
            "\n## What was counted at the end\n\n- {jobs} jobs, {automatic_jobs} of them made by triggers: each accepted one is \
             there, once, and completed. Each stream of events is numbered without a gap, ends once and tells each of {trials} \
             trials once; progress never went back. An `Idempotency-Key` repeated after a death had the same answer ({} times).\n\
             - {models} models, one per job and algorithm. {models_compared} of them come from configurations that an undisturbed \
             run trained on the same rows: their bytes are the same.\n\
             - {points} data points: each confirmed one, and none of unknown origin.\n\
             - {activations} activations in an unbroken history that holds every confirmed one in its order; {decisions} \
             decisions of the gate, as many activations by it as it decided.\n\
             - {} reads of the active model during the run: exactly one each time, in the order of the history. {} reads were \
             refused with an error status.\n\
             - Each job was announced as queued, started and completed once; each model and each activation once.\n\
             - {artifacts} artifacts that records name: all there, with the SHA-256 of their names. The database passed SQLite's \
             integrity check.\n",
            self.tally.jobs_seen_again, self.end.reads, self.end.refused_reads
        );
        let Counts { panics, restarts, errors, warnings } = self.faults;
        let _ = writeln!(
            t,
            "## What the services said\n\nIn the logs of the services that were killed: {panics} panics, {restarts} restarts of an actor, \
             {errors} lines at level error (all of them about a bit that the campaign turned over) and {warnings} warnings.\n"
        );
        self.tell_of_remote(&mut t);
        let _ = writeln!(t, "## Time\n\n| part | min |\n| --- | ---: |");
        for (name, time) in &self.times {
            let _ = writeln!(t, "| {name} | {:.1} |", time.as_secs_f64() / 60.0);
        }
        t
    }

    fn tell_of_remote(&self, t: &mut String) {
        let _ = writeln!(t, "## MongoDB\n");
        let Some((faults, end)) = &self.remote else {
            let _ = writeln!(t, "Skipped, or ended before its end: no figures.\n");
            return;
        };
        let _ = writeln!(
            t,
            "Two services on one database (the tests' server with MongoDB's protocol, see \
             [`tests/mongo-server`](../tests/mongo-server/main.go)) with leases of 2 s, each with a data folder of its own. A killed \
             service is started again at once, or after the other one has taken its jobs over.\n\n| fault | times |\n| --- | ---: |"
        );
        for (fault, count) in faults {
            let _ = writeln!(t, "| {} | {count} |", fault.name());
        }
        let _ = writeln!(
            t,
            "\nThe oracle is the one above, but for what comes over a bus: {} jobs, each there once and completed, {} of them automatic \
             (one for each time that new points had come in, by however many schedulers they were seen), {} trials told once, {} models \
             with the bytes of an undisturbed run, {} points, {} activations in an unbroken history, {} artifacts read back from the \
             database alone, {} reads of the active model and {} refused.\n",
            end.jobs,
            end.automatic_jobs,
            end.trials,
            end.models_compared,
            end.points,
            end.activations,
            end.artifacts,
            end.reads,
            end.refused_reads
        );
    }
}
