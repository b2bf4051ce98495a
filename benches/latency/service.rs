//! A `provost serve` of the same build, in a folder of its own.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BASE: &str = "/api/v1/model-training";
/// Longest file that is asked for.
const FILE: u64 = 1 << 28;

pub struct Service {
    process: Child,
    pub address: SocketAddr,
}

fn provost(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
    command.args(arguments).current_dir(folder).stderr(Stdio::null());
    command.env("PROVOST_SCHEDULE__ENABLED", "false");
    command
}

impl Service {
    /// Imports `rows` synthetic points and serves them.
    pub fn start(folder: &Path, rows: u32) -> Result<Self> {
        let rows = rows.to_string();
        for arguments in
            [&["sample", "--rows", &rows, "--seed", "1", "--out", "p.jsonl"][..], &["import", "p.jsonl"][..]]
        {
            if !provost(folder, arguments).stdout(Stdio::null()).status()?.success() {
                bail!("provost {} failed", arguments.join(" "));
            }
        }
        let mut process =
            provost(folder, &["serve", "--listen", "127.0.0.1:0", "--json"]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("a pipe")?).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).context("the service did not say that it is ready")?;
        let url = ready["url"].as_str().context("no url")?;
        Ok(Self { address: url.trim_start_matches("http://").parse()?, process })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{BASE}{path}", self.address)
    }

    pub fn get(&self, path: &str) -> Result<Value> {
        Ok(ureq::get(&self.url(path)).call()?.body_mut().read_json()?)
    }

    /// The answer of a route beside the others.
    pub fn at_root(&self, path: &str) -> Result<Value> {
        Ok(ureq::get(&format!("http://{}{path}", self.address)).call()?.body_mut().read_json()?)
    }

    /// The HTML of a page.
    pub fn page(&self, path: &str) -> Result<String> {
        Ok(ureq::get(&format!("http://{}{path}", self.address)).call()?.body_mut().read_to_string()?)
    }

    /// A file.
    pub fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        Ok(ureq::get(&self.url(path)).call()?.body_mut().with_config().limit(FILE).read_to_vec()?)
    }

    /// The id of a new job.
    pub fn train(&self, config: &Value) -> Result<String> {
        let answer: Value = ureq::post(&self.url("/train")).send_json(config)?.body_mut().read_json()?;
        Ok(answer["job_id"].as_str().context("no job id")?.to_owned())
    }

    pub fn activate(&self, model: &str) -> Result<()> {
        ureq::post(&self.url(&format!("/activate/{model}"))).send_empty()?;
        Ok(())
    }

    pub fn cancel(&self, job: &str) -> Result<()> {
        ureq::delete(&self.url(&format!("/jobs/{job}"))).call()?;
        self.wait(job, |job| matches!(job["status"].as_str(), Some("cancelled" | "completed"))).map(|_| ())
    }

    /// Asks for the job until it is as wished, for five minutes.
    pub fn wait(&self, job: &str, wished: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            let found = self.get(&format!("/jobs/{job}"))?;
            if wished(&found) {
                return Ok(found);
            }
            if found["status"] == "failed" || Instant::now() > deadline {
                bail!("job {job} is not as it should be: {found}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Panics, restarts and lines at level error of the service so far, as its status counts them; an error if there are any.
    pub fn silent(&self) -> Result<()> {
        let faults = &self.get("/status")?["faults"];
        let none = ["panics", "restarts", "error_lines"].iter().all(|name| faults[*name] == 0);
        if !none {
            bail!("the service had faults: {faults}");
        }
        Ok(())
    }

    /// Processor seconds that the process has used.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let (_, after) = stat.rsplit_once(')').context("the process's name")?;
        let ticks: Vec<u64> = after.split_whitespace().skip(11).take(2).filter_map(|t| t.parse().ok()).collect();
        // SAFETY: takes a number and answers one.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        Ok(ticks.iter().sum::<u64>() as f64 / per_second as f64)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
