//! A real RabbitMQ for tests: a node on loopback with its own ports, name, cookie and folders, which ends with the test
//! process, however that ends. Needs the programs of the Debian package, not its service.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use crate::skip::skipped;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where Debian's package has the programs. The wrapper in /usr/sbin would change the user, so the programs are called directly.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
/// How many virtual hosts a node has; each test takes one.
const VHOSTS: usize = 48;
const BOOT: Duration = Duration::from_secs(90);

/// The folder of `rabbitmq-server` and `rabbitmqctl`: the one that `PROVOST_TEST_RABBITMQ` names (another version than
/// Debian's), else that of Debian's package.
fn programs() -> PathBuf {
    std::env::var_os("PROVOST_TEST_RABBITMQ").map_or_else(|| PROGRAMS.into(), PathBuf::from)
}

/// A virtual host of a broker that one test has to itself.
pub struct Bus {
    pub url: String,
    /// The virtual host; None on a broker that `PROVOST_TEST_AMQP` names.
    pub vhost: Option<String>,
    /// The process group of a broker that the tests started.
    pub group: Option<u32>,
    _alone: Option<MutexGuard<'static, ()>>,
}

/// A fresh virtual host on the node that this test binary shares, or the broker that `PROVOST_TEST_AMQP` names, which
/// one test at a time uses. None, with a printed reason, if there is no RabbitMQ.
pub fn bus() -> Option<Bus> {
    static SHARED: OnceLock<Option<Node>> = OnceLock::new();
    static ALONE: Mutex<()> = Mutex::new(());
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    if let Ok(url) = std::env::var("PROVOST_TEST_AMQP") {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        return Some(Bus { url, vhost: None, group: None, _alone: Some(alone) });
    }
    let node = SHARED.get_or_init(Node::start).as_ref()?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(number < VHOSTS, "more tests than virtual hosts");
    Some(Bus { url: node.url(number), vhost: Some(format!("v{number}")), group: Some(node.group()), _alone: None })
}

/// A node for one test, which may break it. None, with a printed reason, if it cannot be started.
pub fn node() -> Option<Node> {
    if std::env::var_os("PROVOST_TEST_AMQP").is_some() {
        eprintln!(
            "SKIPPED: a test of faults needs a broker of its own, and PROVOST_TEST_AMQP names one to leave alone"
        );
        return None;
    }
    Node::start()
}

pub struct Node {
    dir: TempDir,
    name: String,
    port: u16,
    tls_port: u16,
    epmd_port: u16,
    dist_port: u16,
    epmd: Guarded,
    server: Option<Guarded>,
}

impl Node {
    pub fn start() -> Option<Self> {
        Self::start_with(false)
    }

    /// Starts a node that also accepts TLS, with a certificate that `ca.pem` in its folder has signed. None, with a
    /// printed reason, if openssl is missing.
    pub fn start_with_tls() -> Option<Self> {
        if !Command::new("openssl").arg("version").output().is_ok_and(|o| o.status.success()) {
            skipped("openssl", "there is no openssl to make a certificate with");
            return None;
        }
        Self::start_with(true)
    }

    fn start_with(tls: bool) -> Option<Self> {
        let folder = programs();
        if !folder.join("rabbitmq-server").exists() {
            let why = format!("there is no RabbitMQ in {}; `scripts/setup.sh test` installs it", folder.display());
            skipped("amqp", &why);
            return None;
        }
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let dir = tempfile::Builder::new().prefix("provost-bus-").tempdir().unwrap();
        let [port, epmd_port, dist_port, tls_port] = free_ports();
        let name = format!("t{}n{}@localhost", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        write_files(dir.path(), port);
        if tls {
            write_certificates(dir.path(), tls_port);
        }
        let mut epmd = Command::new("epmd");
        epmd.args(["-port", &epmd_port.to_string(), "-address", "127.0.0.1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // epmd runs as long as the node; nothing uses the folder after both have ended.
        let epmd = Guarded::spawn_in(&mut epmd, Some(dir.path()));
        wait_for("epmd", Duration::from_secs(10), || TcpStream::connect(("127.0.0.1", epmd_port)).is_ok());
        let mut node = Self { dir, name, port, tls_port, epmd_port, dist_port, epmd, server: None };
        node.boot();
        Some(node)
    }

    /// The address of one of its virtual hosts.
    pub fn url(&self, vhost: usize) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/v{vhost}", self.port)
    }

    pub fn tls_url(&self, vhost: usize) -> String {
        format!("amqps://guest:guest@localhost:{}/v{vhost}", self.tls_port)
    }

    pub fn group(&self) -> u32 {
        self.server.as_ref().unwrap().child.id()
    }

    /// Starts the server and waits until it takes connections.
    pub fn boot(&mut self) {
        self.launch();
        self.booted();
    }

    /// Starts the server and does not wait.
    pub fn launch(&mut self) {
        assert!(self.server.is_none(), "it runs already");
        let log = std::fs::File::create(self.dir.path().join("output")).unwrap();
        let mut command = self.command("rabbitmq-server");
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(Guarded::spawn(&mut command));
    }

    pub fn booted(&mut self) {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let server = &mut self.server.as_mut().unwrap().child;
            if let Some(status) = server.try_wait().unwrap() {
                panic!("RabbitMQ ended: {status}\n{}", self.output());
            }
            assert!(began.elapsed() < BOOT, "RabbitMQ did not start\n{}", self.output());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("output")).unwrap_or_default()
    }

    /// An orderly stop.
    pub fn stop(&mut self) {
        self.ctl(&["stop"]);
        self.server.take().unwrap().child.wait().unwrap();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        drop(self.server.take());
    }

    /// SIGSTOP.
    pub fn freeze(&self) {
        self.server.as_ref().unwrap().signal("STOP");
    }

    pub fn thaw(&self) {
        self.server.as_ref().unwrap().signal("CONT");
    }

    /// Runs rabbitmqctl; what it prints.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let output = self.command("rabbitmqctl").arg("--quiet").args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "rabbitmqctl {arguments:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }

    /// The version of the server, for example `3.10.8`.
    pub fn version(&self) -> String {
        self.ctl(&["version"]).trim().to_owned()
    }

    fn command(&self, program: &str) -> Command {
        let dir = self.dir.path();
        let mut command = Command::new(programs().join(program));
        command
            .env("HOME", dir)
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", &self.name)
            .env("RABBITMQ_DIST_PORT", self.dist_port.to_string())
            .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", dir.join("none.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", dir.join("advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("plugins"))
            .env("RABBITMQ_MNESIA_BASE", dir.join("data"))
            .env("RABBITMQ_LOG_BASE", dir.join("log"))
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
            )
            .env("RABBITMQ_CTL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none")
            .stdin(Stdio::null());
        command
    }
}

fn write_files(dir: &Path, port: u16) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut cookie =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(dir.join(".erlang.cookie")).unwrap();
    cookie.write_all(b"TESTSONLY").unwrap();
    std::fs::write(dir.join("plugins"), "[].\n").unwrap();
    std::fs::write(dir.join("advanced.config"), "[].\n").unwrap();
    let vhosts: Vec<String> = (0..VHOSTS).map(|n| format!(r#"{{"name":"v{n}"}}"#)).collect();
    let rights: Vec<String> = (0..VHOSTS)
        .map(|n| format!(r#"{{"user":"guest","vhost":"v{n}","configure":".*","write":".*","read":".*"}}"#))
        .collect();
    // The password is `guest`, salted and hashed as the broker keeps it.
    let definitions = format!(
        r#"{{"users":[{{"name":"guest","password_hash":"{GUEST}","hashing_algorithm":"rabbit_password_hashing_sha256","tags":["administrator"]}}],
            "vhosts":[{}],"permissions":[{}]}}"#,
        vhosts.join(","),
        rights.join(",")
    );
    std::fs::write(dir.join("definitions.json"), definitions).unwrap();
    let settings = format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\nload_definitions = {}\ndisk_free_limit.absolute = 50MB\nlog.file.level = warning\n\
         log.console = false\n",
        dir.join("definitions.json").display()
    );
    std::fs::write(dir.join("rabbitmq.conf"), settings).unwrap();
}

fn write_certificates(dir: &Path, port: u16) {
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=tests -days 2 &&
        openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost &&
        printf subjectAltName=DNS:localhost > names &&
        openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile names";
    let output = Command::new("sh").args(["-c", script]).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = |name: &str| dir.join(name).display().to_string();
    let mut file = std::fs::OpenOptions::new().append(true).open(dir.join("rabbitmq.conf")).unwrap();
    write!(
        file,
        "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\nssl_options.keyfile = {}\n\
         ssl_options.verify = verify_none\nssl_options.fail_if_no_peer_cert = false\n",
        path("ca.pem"),
        path("cert.pem"),
        path("key.pem")
    )
    .unwrap();
}

const GUEST: &str = "AQIDBEMMOXwY6PKx/JKP9PAqfsb4ozuD0Ta3pxxa9gEYBMmD";

fn free_ports() -> [u16; 4] {
    // All ports are held at the same time, so that they differ.
    let held = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

pub fn wait_for(what: &str, wait: Duration, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < wait, "no {what} within {wait:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const KEEPER: &str = "cat >/dev/null; kill -9 -\"$0\" 2>/dev/null; [ -z \"$1\" ] || { sleep 2; rm -rf \"$1\"; } &";

/// A process group that ends when this value is dropped, and when this process is killed: a keeper process waits for
/// the end of a pipe that only this process holds.
struct Guarded {
    child: Child,
    keeper: Child,
}

impl Guarded {
    fn spawn(command: &mut Command) -> Self {
        Self::spawn_in(command, None)
    }

    /// Also removes this folder: no destructor runs for a node that tests share.
    fn spawn_in(command: &mut Command, folder: Option<&Path>) -> Self {
        let child = command.stdin(Stdio::null()).process_group(0).spawn().unwrap();
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, &child.id().to_string()])
            .args(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        Self { child, keeper }
    }

    fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        assert!(Command::new("kill").args(["-s", name, "--", &group]).status().unwrap().success());
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        let _ = self.child.wait();
    }
}

/// The folder of a node's data, for inspection after a failure.
impl Node {
    pub fn folder(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}
