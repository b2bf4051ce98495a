//! Checks the address that the service listens on, and who has access there.

use super::{Finding, Verdict, ok, trouble};
use crate::cli::show;
use crate::open;
use crate::settings::Settings;
use chrono::Utc;
use provost_store::{DataFolderLock, StoreError};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

pub fn of_address(settings: &Settings) -> Finding {
    let listen = &settings.http.listen;
    if TcpListener::bind(listen).is_ok() {
        return ok("address", format!("{listen} is free"));
    }
    let reached = listen
        .to_socket_addrs()
        .ok()
        .and_then(|mut a| a.next())
        .is_some_and(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok());
    let holder = listen.rsplit_once(':').and_then(|(_, port)| holder(port.parse().ok()?));
    // The lock is not taken in a missing folder, because taking it would create the folder.
    let locked = settings.data_dir.exists().then(|| DataFolderLock::acquire(&settings.data_dir));
    let serving = match locked {
        Some(Err(StoreError::Locked { pid, .. })) => Some(pid),
        _ => None,
    };
    if let Some((pid, name)) = holder {
        if serving.as_ref() == Some(&pid.to_string()) {
            return ok("address", format!("process {pid}, which serves this data folder, listens on {listen}"));
        }
        return trouble(
            "address",
            Verdict::Fault,
            format!("{listen} is taken by process {pid} ({name}), which does not serve this data folder"),
            "end that process, or choose another address with --listen or http.listen",
        );
    }
    if reached && serving.is_some() {
        ok("address", format!("{listen} is taken by a process of another user; a process serves this data folder"))
    } else if reached {
        trouble(
            "address",
            Verdict::Fault,
            format!("{listen} is taken by a process of another user"),
            "end that process (`ss -ltnp` as root shows it), or choose another address with --listen or http.listen",
        )
    } else {
        trouble(
            "address",
            Verdict::Fault,
            format!("cannot listen on {listen}"),
            "choose another with --listen or http.listen",
        )
    }
}

/// The process that listens on this port and its name, if the system shows them to this user.
fn holder(port: u16) -> Option<(u32, String)> {
    const LISTENS: &str = "0A";
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, _, _, _, _, _, inode, ..] = columns[..] else { continue };
            let found = local.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
            if state == LISTENS && found == Some(port) {
                sockets.push(format!("socket:[{inode}]"));
            }
        }
    }
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let has = std::fs::read_dir(process.path().join("fd")).ok()?.flatten().any(|fd| {
            std::fs::read_link(fd.path()).is_ok_and(|to| sockets.iter().any(|socket| to.as_os_str() == socket.as_str()))
        });
        let name = || std::fs::read_to_string(process.path().join("comm")).unwrap_or_default().trim().to_owned();
        has.then(|| (pid, name()))
    })
}

/// Checks the listening address and who has access there.
pub fn of_access(settings: &Settings) -> Finding {
    if let Some(Err(e)) = settings.http.tls.as_ref().map(crate::http::check_tls) {
        return trouble(
            "access",
            Verdict::Fault,
            e.to_string(),
            "name PEM files: the certificate with its chain, and its key",
        );
    }
    if !open::has_store(settings) {
        return ok("access", "no API key exists: everybody on this machine has access, nobody else");
    }
    let now = Utc::now();
    let looked = open::runtime().and_then(|runtime| {
        let store = open::store(settings)?;
        runtime.block_on(async {
            crate::http::check_address(&settings.http, &*store, now).await?;
            Ok(store.keys().await?)
        })
    });
    let tls = if settings.http.tls.is_some() { ", TLS" } else { "" };
    match looked {
        Ok(keys) if keys.is_empty() => {
            ok("access", format!("no API key exists: everybody on this machine has access, nobody else{tls}"))
        }
        Ok(keys) => match keys.iter().filter(|key| key.is_valid(now)).count() {
            0 => trouble(
                "access",
                Verdict::Warning,
                "no API key is valid any more",
                "make one: `provost keys create --role admin`",
            ),
            valid => ok("access", format!("{valid} of {} valid{tls}", show::counted(keys.len() as u64, "key", "keys"))),
        },
        Err(e) => trouble(
            "access",
            Verdict::Fault,
            e.to_string(),
            "make an API key and use TLS or a proxy, or listen on 127.0.0.1",
        ),
    }
}
