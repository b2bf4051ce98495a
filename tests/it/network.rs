//! Network namespaces: each acts as a machine with a network link to this one that a test can cut.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A namespace that reaches this machine at the address `host`. Removed when dropped.
pub struct Machine {
    name: String,
    wire: String,
    pub host: String,
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let ran: Output = Command::new("ip").args(arguments).output().map_err(|e| format!("ip: {e}"))?;
    if ran.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&ran.stderr).trim()))
}

impl Machine {
    /// None, with a printed reason, if namespaces cannot be created (they need root and `ip`).
    pub fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id() % 200 * 16 + NUMBER.fetch_add(1, Ordering::Relaxed) % 16;
        // Addresses of the block reserved for network tests (RFC 2544), four per namespace.
        let (third, fourth) = (number / 64, number % 64 * 4);
        let machine = Self {
            name: format!("pv{number}"),
            wire: format!("pvw{number}"),
            host: format!("198.18.{third}.{}", fourth + 1),
        };
        match machine.build(&format!("198.18.{third}.{}", fourth + 2)) {
            Ok(()) => Some(machine),
            Err(why) => {
                eprintln!("SKIPPED: no network namespaces here: {why}");
                None
            }
        }
    }

    fn build(&self, address: &str) -> Result<(), String> {
        let (name, wire) = (self.name.as_str(), self.wire.as_str());
        ip(&["netns", "add", name])?;
        ip(&["link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", name])?;
        ip(&["addr", "add", &format!("{}/30", self.host), "dev", wire])?;
        ip(&["link", "set", wire, "up"])?;
        ip(&["-n", name, "addr", "add", &format!("{address}/30"), "dev", "eth0"])?;
        ip(&["-n", name, "link", "set", "eth0", "up"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])
    }

    /// A command in the namespace; its process is the program itself.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    pub fn cut(&self) {
        ip(&["link", "set", &self.wire, "down"]).unwrap();
    }

    pub fn mend(&self) {
        ip(&["link", "set", &self.wire, "up"]).unwrap();
    }

    /// Makes a port of this machine's loopback reachable from the namespace; returns the address to use there.
    pub fn forward(&self, port: u16) -> SocketAddr {
        let listener = TcpListener::bind((self.host.as_str(), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for from in listener.incoming().flatten() {
                let Ok(to) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for (mut from, mut to) in
                    [(from.try_clone().unwrap(), to.try_clone().unwrap()), (to, from)].map(|pair| pair)
                {
                    std::thread::spawn(move || {
                        let mut buffer = [0; 65536];
                        while let Ok(n @ 1..) = from.read(&mut buffer) {
                            if to.write_all(&buffer[..n]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        address
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = ip(&["link", "del", &self.wire]);
        let _ = ip(&["netns", "del", &self.name]);
    }
}
