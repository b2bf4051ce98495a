//! The first paint of the pages in a browser.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// The bar for the first contentful paint in an open tab while both cores train, in milliseconds.
pub const PAINT: f64 = 200.0;
/// Loads of each page, of each kind.
pub const LOADS: usize = 11;

/// Milliseconds, ascending.
#[derive(Deserialize)]
pub struct Paints {
    path: String,
    /// In a tab that was on another page before.
    open: Vec<f64>,
    /// In a tab with a process and a cache of its own.
    fresh: Vec<f64>,
}

impl Paints {
    pub fn median(&self) -> f64 {
        self.open[LOADS / 2]
    }

    pub fn highest(&self) -> f64 {
        self.open[LOADS - 1]
    }

    pub fn fresh_median(&self) -> f64 {
        self.fresh[LOADS / 2]
    }
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
        let mut paints: Paints = serde_json::from_str(line).context("a line of paint.mjs")?;
        for times in [&mut paints.open, &mut paints.fresh] {
            ensure!(times.len() == LOADS, "{} loads of {}", times.len(), paints.path);
            times.sort_by(f64::total_cmp);
        }
        let (median, fresh) = (paints.median(), paints.fresh_median());
        eprintln!("{}: first paint {median:.0} ms, in a fresh tab {fresh:.0} ms", paints.path);
        found.insert(paints.path.clone(), paints);
    }
    Ok(Some(found))
}
