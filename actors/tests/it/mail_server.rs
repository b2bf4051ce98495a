//! A real mail server for tests: aiosmtpd, as `scripts/setup.sh test` installs it.

use crate::skip::skipped;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc;

pub struct MailServer {
    pub port: u16,
    said: mpsc::UnboundedReceiver<Value>,
    process: Child,
}

/// None where there is no Python or no aiosmtpd; said on standard error, past the test harness's capture.
pub fn mail_server(arguments: &[&str]) -> Option<MailServer> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let spawned = Command::new("python3")
        .arg(here.join("tests/fixtures/smtp_server.py"))
        .args(arguments)
        .env("PYTHONPATH", here.join("../third_party/python"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut process) = spawned else {
        skipped("mail", "there is no python3");
        return None;
    };
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else {
        process.wait().unwrap();
        skipped("mail", "there is no aiosmtpd; `scripts/setup.sh test` installs it");
        return None;
    };
    let port = serde_json::from_str::<Value>(&first).unwrap()["port"].as_u64().unwrap();
    let (tx, said) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = tx.send(serde_json::from_str(&line).unwrap());
        }
    });
    Some(MailServer { port: u16::try_from(port).unwrap(), said, process })
}

impl MailServer {
    /// The next that it took, or what it did instead.
    pub async fn next(&mut self) -> Value {
        let next = tokio::time::timeout(Duration::from_secs(30), self.said.recv()).await;
        next.expect("the mail server hears nothing").expect("the mail server is gone")
    }

    pub fn silent(&mut self) -> bool {
        self.said.is_empty()
    }

    pub fn stop(mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A certificate for 127.0.0.1 and localhost: (issuer, certificate, key). None where there is no openssl.
pub fn certificate(folder: &Path) -> Option<(PathBuf, PathBuf, PathBuf)> {
    let at = |name: &str| folder.join(name);
    std::fs::write(at("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    for command in [
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=issuer",
        "req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=mail.test",
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem",
    ] {
        let Ok(output) = Command::new("openssl").args(command.split(' ')).current_dir(folder).output() else {
            skipped("openssl", "there is no openssl");
            return None;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Some((at("ca.pem"), at("cert.pem"), at("key.pem")))
}
