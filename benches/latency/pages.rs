//! The operators' pages over a store with many records: 10,000 jobs, 1,000 models and 50,000 trials.

use crate::load::{Latencies, Load};
use crate::paint::{self, LOADS, PAINT, Paints};
use crate::service::Service;
use anyhow::{Context, Result};
use rusqlite::Connection;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Milliseconds of each page while both cores train.
pub const P99: f64 = 300.0;
/// Requests per second, over as many connections as a browser opens.
const RATE: u64 = 20;
const CONNECTIONS: usize = 6;
/// Seconds for each page: 200 requests.
const SECONDS: u64 = 10;

/// Copies of the oldest completed job, of the oldest XGBoost model and of one trial, under other ids; each copy counts as created a
/// minute before the one before it.
const COPIES: &str = "
CREATE TEMP TABLE copies AS
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
    SELECT i, printf('job_01900000%024x', i) AS id FROM n;
INSERT INTO jobs (job_id, created_at, document)
    SELECT c.id, j.created_at - c.i * 60000000, json_set(j.document, '$.job.job_id', c.id)
    FROM copies c, (SELECT created_at, document FROM jobs WHERE status = 'completed' ORDER BY created_at LIMIT 1) j;
INSERT INTO trials (job_id, algorithm, number, document)
    SELECT c.id, t.algorithm, k.n, json_set(t.document, '$.job_id', c.id, '$.number', k.n)
    FROM copies c, (SELECT algorithm, document FROM trials LIMIT 1) t, (SELECT i - 1 AS n FROM copies WHERE i <= 5) k;
INSERT INTO models (model_id, created_at, document)
    SELECT printf('model_xgboost_01900000%024x', c.i), m.created_at - c.i * 60000000,
        json_set(m.document, '$.version.model_id', printf('model_xgboost_01900000%024x', c.i))
    FROM copies c, (SELECT created_at, document FROM models WHERE algorithm = 'xgboost' ORDER BY created_at LIMIT 1) m WHERE c.i <= 1000;
";

/// One page and how long it took.
pub struct Page {
    name: String,
    bytes: usize,
    latencies: Latencies,
    /// None where there is no browser.
    paints: Option<Paints>,
}

/// Fills the store of a running service that has a completed job, an XGBoost model and a trial.
pub fn fill(data: &Path) -> Result<()> {
    let store = Connection::open(data.join("provost.db"))?;
    store.busy_timeout(Duration::from_secs(60))?;
    store.execute_batch(&format!("BEGIN IMMEDIATE; {COPIES} COMMIT;"))?;
    let count = |table: &str| store.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
    for (table, least) in [("jobs", 10_000), ("models", 1_000), ("trials", 50_000)] {
        let found = count(table)?;
        anyhow::ensure!(found >= least, "{found} {table} in the store; {least} were to be there");
    }
    Ok(())
}

/// Each page in turn, asked for at a constant rate.
pub fn measure(service: &Service, job: &str, model: &str) -> Result<Vec<Page>> {
    let models: Value = service.get("/models?limit=3")?;
    let ids: Vec<&str> = models.as_array().context("models")?.iter().filter_map(|m| m["model_id"].as_str()).collect();
    let compared: Vec<String> = ids.iter().map(|id| format!("ids={id}")).collect();
    let paths = [
        "/".to_owned(),
        "/jobs".to_owned(),
        "/jobs?text=nobody&sort=best".to_owned(),
        format!("/jobs/{job}"),
        "/models".to_owned(),
        format!("/models/{model}"),
        format!("/compare?{}", compared.join("&")),
        "/train".to_owned(),
        "/decisions".to_owned(),
        "/ask".to_owned(),
        "/predictions".to_owned(),
        "/shadow".to_owned(),
        "/data".to_owned(),
        "/watch".to_owned(),
        "/schedule".to_owned(),
        "/system".to_owned(),
        "/system/settings".to_owned(),
    ];
    let mut pages: Vec<Page> =
        paths.iter().map(|path| one(service, shown(path), std::slice::from_ref(path))).collect::<Result<_>>()?;
    // Results of comparisons are kept, so each of these is of other models.
    let newest: Value = service.get("/models?limit=200")?;
    let mut newest = newest.as_array().context("models")?.iter().filter_map(|m| m["model_id"].as_str());
    let forest = newest.find(|id| id.contains("forest")).context("no forest among the newest models")?;
    let copy = |i: u64| format!("ids=model_xgboost_01900000{i:024x}");
    let others: Vec<String> =
        (0..RATE * SECONDS).map(|i| format!("/compare?ids={forest}&{}&{}", copy(2 * i + 1), copy(2 * i + 2))).collect();
    pages.push(one(service, "/compare?ids= of other models each time".to_owned(), &others)?);
    if let Some(mut paints) = paint::measure(service.address, &paths)? {
        for (page, path) in pages.iter_mut().zip(&paths) {
            page.paints = paints.remove(path);
        }
    }
    Ok(pages)
}

/// The path without ids.
fn shown(path: &str) -> String {
    if let Some((page, _)) = path.split_once("/job_").or_else(|| path.split_once("/model_")) {
        return format!("{page}/{{id}}");
    }
    path.split_once("ids=").map_or_else(|| path.to_owned(), |(page, _)| format!("{page}ids= of three models"))
}

/// The requests of `paths` in turn.
fn one(service: &Service, name: String, paths: &[String]) -> Result<Page> {
    let request = |path: &String| {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: text/html\r\n\r\n", service.address).into_bytes()
    };
    let requests: Vec<Vec<u8>> = paths.iter().map(request).collect();
    let load = Load { address: service.address, requests: &requests, rate: RATE, connections: CONNECTIONS };
    let latencies = load.run(Duration::from_secs(SECONDS))?;
    let bytes = service.page(paths.first().context("a path")?)?.len();
    eprintln!("{name}: {bytes} bytes, p50 {:.1} ms, p99 {:.1} ms", latencies.quantile(0.5), latencies.quantile(0.99));
    Ok(Page { name, bytes, latencies, paints: None })
}

/// Whether each page was answered in time.
pub fn are_met(pages: &[Page]) -> bool {
    pages.iter().all(|page| {
        page.latencies.failures == 0
            && page.latencies.quantile(0.99) <= P99
            && page.paints.as_ref().is_none_or(|paints| paints.median() <= PAINT)
    })
}

/// The table of the pages. Ids are left out of the paths.
pub fn table(pages: &[Page]) -> Result<String> {
    let painted = if pages.iter().any(|page| page.paints.is_some()) {
        format!(
            "; then {LOADS} loads of each in Chromium on the same two cores: milliseconds to the first contentful paint in a tab that was on another page \
             before, and in a tab with a process and a cache of its own. Bars: p99 {P99} ms, median of the first paints in an open tab {PAINT} ms"
        )
    } else {
        format!(". Without a browser the first paints were left out. Bar: p99 {P99} ms")
    };
    let mut table = format!(
        "\n## The pages\n\nEach page {RATE} times a second for {SECONDS} s over {CONNECTIONS} connections, with 10,000 jobs, 1,000 models and 50,000 \
         trials in the store, while a search trains on both cores{painted}: {}.\n\n| page | bytes | failed | p50 ms | p99 ms | highest \
         ms | first paint in an open tab, median (highest) | in a fresh tab |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        if are_met(pages) { "met" } else { "MISSED" }
    );
    for Page { name, bytes, latencies: l, paints } in pages {
        let painted = paints.as_ref().map_or_else(
            || " | ".to_owned(),
            |p| format!("{:.0} ({:.0}) | {:.0}", p.median(), p.highest(), p.fresh_median()),
        );
        writeln!(
            table,
            "| {name} | {bytes} | {} | {:.1} | {:.1} | {:.1} | {painted} |",
            l.failures,
            l.quantile(0.5),
            l.quantile(0.99),
            l.quantile(1.0)
        )?;
    }
    Ok(table)
}
