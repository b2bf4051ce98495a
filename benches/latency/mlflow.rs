//! MLflow's scoring server with the same model, in a process group of its own.

use anyhow::{Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where `make latency` installs it.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/third_party/mlflow/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/mlflow_server.py");
/// It imports much before it answers.
const STARTS_WITHIN: Duration = Duration::from_secs(120);

pub struct Mlflow {
    process: Child,
    pub address: SocketAddr,
    /// Its version.
    pub version: String,
}

impl Mlflow {
    /// Serves a model that is in XGBoost's own format.
    pub fn start(folder: &Path, model: &[u8]) -> Result<Self> {
        if !Path::new(PYTHON).exists() {
            bail!("it is not installed: {PYTHON} is missing");
        }
        let file = folder.join("booster.json");
        std::fs::write(&file, model)?;
        let log = std::fs::File::create(folder.join("mlflow.log"))?;
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new(PYTHON)
            .arg(SCRIPT)
            .arg(&file)
            .arg(address.port().to_string())
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let mut started = Self { process, address, version: String::new() };
        let until = Instant::now() + STARTS_WITHIN;
        while !started.is_up() {
            if let Some(status) = started.process.try_wait()? {
                let log = std::fs::read_to_string(folder.join("mlflow.log")).unwrap_or_default();
                bail!("it ended with {status}: {}", log.lines().last().unwrap_or_default());
            }
            if Instant::now() > until {
                bail!("it does not answer after {STARTS_WITHIN:?}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let version = started.ask("/version")?;
        started.version = version.lines().last().unwrap_or_default().trim_matches('"').to_owned();
        Ok(started)
    }

    /// The whole answer.
    fn ask(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn is_up(&self) -> bool {
        self.ask("/ping").is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
    }
}

impl Drop for Mlflow {
    fn drop(&mut self) {
        // Its workers are processes of their own.
        if let Ok(group) = i32::try_from(self.process.id()) {
            // SAFETY: takes two numbers; the group is of the process that was started here and not waited for yet.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
        let _ = self.process.wait();
    }
}
