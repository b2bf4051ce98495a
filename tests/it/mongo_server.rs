//! MongoDB servers for tests: the one that `PROVOST_TEST_MONGODB` names, else the program in `tests/mongo-server`,
//! which Go builds once; and a second implementation, `tests/mongo-java-server`. Every store gets its own database.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use crate::skip::skipped;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// A MongoDB server for tests.
pub struct Server {
    /// The address; ends with `/`.
    url: String,
    own: Option<Own>,
}

/// The process, if the tests started it; tests may kill or freeze it.
struct Own {
    program: PathBuf,
    state: tempfile::TempDir,
    child: Child,
}

impl Own {
    /// Starts the program on this state; returns the process and its address.
    fn spawn(program: &Path, state: &Path, listen: &str) -> (Child, String) {
        let mut command = Command::new(program);
        command.args(["-watch-stdin", "-listen", listen, "-state"]).arg(state).env("TMPDIR", state);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("mongodb://"), "the server did not start: {url:?}");
        (child, url.trim().to_owned())
    }
}

/// The program, built once by the first caller; else why it is missing.
fn program() -> Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let root = root()?;
            let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
            std::fs::create_dir_all(&target).map_err(|e| format!("{}: {e}", target.display()))?;
            let program = std::path::absolute(target.join("mongo-server")).map_err(|e| e.to_string())?;
            // Go writes to a temporary name, and decides itself what must be built again.
            let mut go = Command::new("go");
            go.args(["build", "-buildvcs=false", "-o"]).arg(&program).arg(".");
            go.current_dir(root.join("tests/mongo-server"));
            match go.output() {
                Err(e) => Err(format!("Go is not here ({e})")),
                Ok(done) if !done.status.success() => {
                    Err(format!("Go could not build it: {}", String::from_utf8_lossy(&done.stderr)))
                }
                Ok(_) => Ok(program),
            }
        })
        .clone()
}

/// The root of the checkout. The crates whose tests include this file lie at different depths.
fn root() -> Result<&'static Path, String> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = crate_folder.ancestors().find(|f| f.join("tests/mongo-server").is_dir());
    root.ok_or_else(|| "tests/mongo-server is not there".to_owned())
}

/// Starts the server in `tests/mongo-java-server`, which Java compiles at the start. The server ends with this process,
/// because its standard input ends. Maven downloads missing libraries into `third_party`.
fn java() -> Result<(Child, String), String> {
    let root = root()?;
    let source = root.join("tests/mongo-java-server");
    let fetch = Command::new(source.join("fetch.sh")).output().map_err(|e| e.to_string())?;
    if !fetch.status.success() {
        return Err(String::from_utf8_lossy(&fetch.stderr).trim().to_owned());
    }
    let mut java = Command::new("java");
    java.arg("-cp").arg(root.join("third_party/mongo-java-server/*")).arg(source.join("Server.java"));
    java.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = java.spawn().map_err(|e| format!("Java is not here ({e})"))?;
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).map_err(|e| e.to_string())?;
    if url.starts_with("mongodb://") {
        Ok((child, url.trim().to_owned()))
    } else {
        Err("Server.java does not start".to_owned())
    }
}

impl Server {
    /// None, with a printed reason, if there is no server and none can be built.
    pub fn start() -> Option<Self> {
        if let Ok(url) = std::env::var("PROVOST_TEST_MONGODB") {
            let url = format!("{}/", url.trim_end_matches('/'));
            return Some(Self { url, own: None });
        }
        match program() {
            Ok(program) => Some(Self::spawn(&program)),
            Err(why) => {
                let brings = "set PROVOST_TEST_MONGODB=mongodb://… or install Go";
                skipped("mongo", &format!("there is no MongoDB to test with: {why}; {brings}"));
                None
            }
        }
    }

    /// The second implementation, one process for all tests of a binary. None, with a printed reason, if Java or its
    /// libraries are missing.
    pub fn java() -> Option<Self> {
        static STARTED: OnceLock<Result<(String, Mutex<Child>), String>> = OnceLock::new();
        match STARTED.get_or_init(|| java().map(|(child, url)| (url, Mutex::new(child)))) {
            Ok((url, _)) => Some(Self { url: url.clone(), own: None }),
            Err(why) => {
                let brings = "Java 17 (a JDK) and Maven bring it";
                skipped("java", &format!("there is no second implementation of MongoDB's protocol: {why}; {brings}"));
                None
            }
        }
    }

    fn spawn(program: &Path) -> Self {
        let state = tempfile::tempdir().unwrap();
        let (child, url) = Own::spawn(program, state.path(), "127.0.0.1:0");
        Self { url, own: Some(Own { program: program.to_owned(), state, child }) }
    }

    /// Whether a test may kill or freeze it.
    pub fn is_ours(&self) -> bool {
        self.own.is_some()
    }

    /// Kills the server, as a crash would.
    pub fn kill(&mut self) {
        let own = self.own.as_mut().unwrap();
        own.child.kill().unwrap();
        own.child.wait().unwrap();
    }

    /// Starts a killed one again: the same data at the same address.
    pub fn revive(&mut self) {
        let listen = self.address().to_owned();
        let own = self.own.as_mut().unwrap();
        let (child, url) = Own::spawn(&own.program, own.state.path(), &listen);
        assert_eq!(url, self.url);
        own.child = child;
    }

    /// SIGSTOP or SIGCONT.
    pub fn signal(&self, name: &str) {
        let pid = self.own.as_ref().unwrap().child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// The address that the server listens on, `host:port`.
    pub fn address(&self) -> &str {
        let authority = self.url.split_once("://").unwrap().1.split('/').next().unwrap();
        authority.rsplit('@').next().unwrap()
    }

    /// The address of a database that no other test uses.
    pub fn database(&self) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        format!("{}provost_{}_{now}_{number}", self.url, std::process::id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(own) = &mut self.own {
            let _ = own.child.kill();
            let _ = own.child.wait();
        }
    }
}
