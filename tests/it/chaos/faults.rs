//! Faults that are no SIGKILL: orders to stop, a frozen process, a store that is locked or full, damaged bytes, a second
//! service, a broker that dies. Each answers what it has to say for the report, or panics.

use super::wire;
use super::world::World;
use crate::command::{Place, copy};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// `shutdown.deadline` is 30 s; the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(40);

impl World {
    /// SIGTERM with jobs at work: exit 0 within the deadline.
    pub fn sigterm(&mut self) -> Duration {
        for recipe in 0..2 {
            self.submit(recipe);
        }
        let wait = self.milliseconds(300);
        std::thread::sleep(wait);
        let began = Instant::now();
        assert_eq!(self.terminate(), Some(0), "an orderly stop");
        let took = began.elapsed();
        assert!(took < DEADLINE, "it took {took:?}");
        self.start();
        took
    }

    /// SIGSTOP with jobs at work and a request on its way, SIGCONT after `frozen`: the request is answered then.
    pub fn freeze(&mut self, frozen: Duration) {
        let key = self.new_key(0);
        let config = self.recipes[0].config.clone();
        self.signal("STOP");
        let sent = wire::send(&self.host(), "POST", "train", Some(&key), Some(&config)).unwrap();
        std::thread::sleep(frozen);
        self.signal("CONT");
        let answer = wire::read(sent).unwrap();
        self.accepted(&key, &answer);
    }

    /// Another process holds the database's write lock for so long, while a job is submitted; longer than the service waits
    /// for a lock it may say 503, and the same key is good afterwards. Answers the status.
    pub fn lock_store(&mut self, held: Duration) -> u16 {
        let connection = Connection::open(self.place.path("data").join(provost_store::DATABASE)).unwrap();
        connection.busy_timeout(Duration::from_secs(60)).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let key = self.new_key(2);
        let config = self.recipes[2].config.clone();
        let sent = wire::send(&self.host(), "POST", "train", Some(&key), Some(&config)).unwrap();
        let reads = self.get("models?active_only=true");
        assert_eq!(reads.as_array().unwrap().len(), 1, "reads go on");
        std::thread::sleep(held);
        connection.execute_batch("ROLLBACK").unwrap();
        let (status, answer) = wire::read(sent).unwrap();
        if status == 202 {
            self.accepted(&key, &(status, answer));
        } else {
            assert_eq!(status, 503, "{answer}");
        }
        self.repeat(&key);
        status
    }

    /// A second service on the folder ends at once with exit code 2, and the first goes on.
    pub fn second_service(&mut self) {
        let ran = self.place.run(&["serve", "--listen", "127.0.0.1:0"]);
        assert!(ran.code == Some(2) && ran.err.contains(&format!("process {}", self.pid())), "{ran:?}");
        self.get("status");
    }

    /// One bit of a model's artifact turns over: the model is refused by name, and the active one stays. False where there is
    /// no model to damage but the active one, with which others may share their bytes.
    pub fn flip_a_bit(&mut self) -> bool {
        let models = self.get("models?limit=200");
        let models: Vec<&Value> =
            models.as_array().unwrap().iter().filter(|m| m["is_active"] == json!(false)).collect();
        let model = models[self.rng.below(models.len() as u32) as usize];
        let sha = model["model_sha256"].as_str().unwrap().to_owned();
        let active = self.get("models?active_only=true")[0]["model_sha256"].clone();
        if active == sha.as_str() {
            return false;
        }
        let path = self.place.path(&format!("data/artifacts/{}/{}/{sha}", &sha[..2], &sha[2..4]));
        let bytes = std::fs::read(&path).unwrap();
        let mut damaged = bytes.clone();
        damaged[self.rng.below(bytes.len() as u32) as usize] ^= 1 << self.rng.below(8);
        std::fs::write(&path, damaged).unwrap();
        let request = format!("activate/{}", model["model_id"].as_str().unwrap());
        let (status, problem) = wire::ask(&self.host(), "POST", &request, None).unwrap();
        assert!(status == 409 && problem["code"] == "cannot_serve", "{status}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(&sha), "{problem}");
        assert_eq!(self.get("models?active_only=true").as_array().unwrap().len(), 1);
        std::fs::write(&path, bytes).unwrap();
        true
    }

    /// A backup beside everything else that goes on; it restores, and what was restored serves.
    pub fn back_up(&mut self) {
        let name = format!("backup-{}", self.next());
        let ran = self.place.run(&["backup", &name, "--json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let elsewhere = Place::new();
        let ran = elsewhere.run(&["restore", self.place.path(&name).to_str().unwrap(), "--json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let (mut server, host, _) = serve(&mut elsewhere.command(&["serve", "--listen", "127.0.0.1:0", "--json"]));
        let (_, active) = wire::ask(&host, "GET", "models?active_only=true", None).unwrap();
        assert_eq!(active.as_array().unwrap().len(), 1, "{active}");
        server.kill().unwrap();
        server.wait().unwrap();
        std::fs::remove_dir_all(self.place.path(&name)).unwrap();
    }

    /// The broker dies, or freezes, in the middle of a burst; what it had confirmed comes. False without a broker of our own.
    pub fn break_broker(&mut self, freeze: bool) -> bool {
        let Some(mut node) = self.node.take() else { return false };
        let url = node.url(0);
        self.node = Some(node);
        self.publish();
        node = self.node.take().unwrap();
        if freeze {
            node.freeze();
            std::thread::sleep(Duration::from_secs(3));
            node.thaw();
        } else {
            node.kill();
            node.boot();
        }
        assert_eq!(url, node.url(0));
        self.node = Some(node);
        self.get("status");
        let before = self.ledger.points.len();
        crate::broker::wait_for("a broker that takes events", Duration::from_secs(120), || {
            self.publish();
            self.ledger.points.len() > before
        });
        true
    }
}

fn serve(command: &mut std::process::Command) -> (Child, String, String) {
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
    let host = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    (process, host, line)
}

/// Ends a process with this value.
struct Killed(Child);
impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A data folder on a small disk that is full for a while: nothing is half done, and it goes on when there is room. None
/// where no file system can be mounted, and then it is said.
pub fn full_disk(world: &World) -> Option<String> {
    let place = Place::new();
    copy(&world.place.path("backup-for-disk"), &place.path("seed"));
    std::fs::create_dir(place.path("disk")).unwrap();
    // A mount of its own name space: it is gone with the process.
    let script = "mount -t tmpfs -o size=48m,mode=700 tmpfs disk && cp -r seed/. disk/ && exec \"$@\"";
    let provost = place.command(&["serve", "--listen", "127.0.0.1:0", "--json", "--data-dir", "disk"]);
    let mut command = std::process::Command::new("unshare");
    command
        .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(provost.get_program())
        .args(provost.get_args());
    command.current_dir(place.dir()).env("PROVOST_SCHEDULE__ENABLED", "false").env("PROVOST_JOBS__BACKOFF", "200ms");
    command.env("PROVOST_JOBS__ATTEMPTS", "20").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().ok()?;
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let process = Killed(process);
    let Ok(ready) = serde_json::from_str::<Value>(&line) else {
        eprintln!("SKIPPED: no file system of its own can be mounted here, so no disk was full");
        return None;
    };
    let host = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let disk = PathBuf::from(format!("/proc/{}/root{}", process.0.id(), place.path("disk").display()));
    let submit = |key: &str| {
        wire::send(&host, "POST", "train", Some(key), Some(&world.recipes[0].config)).and_then(wire::read).unwrap()
    };
    let (status, answer) = submit("before");
    assert_eq!(status, 202, "{answer}");
    let job = answer["job_id"].as_str().unwrap().to_owned();
    wire::follow(&host, &job, |e| e.kind == "trial");
    // Full to the last byte, in the middle of the job.
    let mut filler = std::fs::File::create(disk.join("filler")).unwrap();
    let filled = std::io::copy(&mut std::io::repeat(0), &mut filler).unwrap_err();
    assert_eq!(filled.raw_os_error(), Some(28), "{filled}"); // ENOSPC
    let (full, problem) = submit("during");
    assert!([202, 503, 507].contains(&full), "{full}: {problem}");
    let active = |host: &str| wire::ask(host, "GET", "models?active_only=true", None).unwrap().1;
    assert_eq!(active(&host).as_array().unwrap().len(), 1, "reads go on");
    std::thread::sleep(Duration::from_secs(1));
    drop(filler);
    std::fs::remove_file(disk.join("filler")).unwrap();
    let again = submit("during");
    assert_eq!(again.0, 202, "{}", again.1);
    for id in [job, again.1["job_id"].as_str().unwrap().to_owned()] {
        wire::follow(&host, &id, |_| false);
        let (_, record) = wire::ask(&host, "GET", &format!("jobs/{id}"), None).unwrap();
        assert_eq!(record["status"], "completed", "{record}");
        for model in record["trained_models"].as_array().unwrap() {
            let (_, model) = wire::ask(&host, "GET", &format!("models/{}", model.as_str().unwrap()), None).unwrap();
            let expected = &world.recipes[0].models[model["algorithm"].as_str().unwrap()];
            assert_eq!(model["model_sha256"], expected.as_str(), "the bytes of an undisturbed run");
        }
    }
    Some(format!("a submission meanwhile was answered with {full}"))
}
