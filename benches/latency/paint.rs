//! The first paint of the pages in a browser.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Milliseconds to the first contentful paint while both cores train.
pub const PAINT: f64 = 200.0;
/// Loads of each page.
pub const LOADS: usize = 11;

/// Milliseconds, ascending.
pub struct Paints(Vec<f64>);

impl Paints {
    pub fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    pub fn highest(&self) -> f64 {
        self.0[self.0.len() - 1]
    }
}

#[derive(Deserialize)]
struct Line {
    path: String,
    times: Vec<f64>,
}

/// The paints of each path; None where there is no browser.
pub fn measure(address: SocketAddr, paths: &[String]) -> Result<Option<BTreeMap<String, Paints>>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/paint.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(format!("http://{address}")).arg(LOADS.to_string()).args(paths);
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("first paints are left out: node: {error}");
            return Ok(None);
        }
    };
    let told = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => {}
        Some(3) => {
            eprintln!("first paints are left out: {told}");
            return Ok(None);
        }
        _ => bail!("the first paints cannot be measured: {told}"),
    }
    let mut found = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let Line { path, mut times } = serde_json::from_str(line).context("a line of paint.mjs")?;
        ensure!(times.len() == LOADS, "{} loads of {path}", times.len());
        times.sort_by(f64::total_cmp);
        eprintln!("{path}: first paint {:.0} ms, highest {:.0} ms", times[LOADS / 2], times[LOADS - 1]);
        found.insert(path, Paints(times));
    }
    Ok(Some(found))
}
