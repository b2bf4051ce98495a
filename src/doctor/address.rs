//! The address that the service listens on, and whether it is locked.

use super::{Finding, Verdict, ok, trouble};
use crate::open;
use crate::settings::Settings;
use chrono::Utc;
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
    if reached {
        ok("address", format!("{listen} is taken: something answers there"))
    } else {
        trouble(
            "address",
            Verdict::Fault,
            format!("cannot listen on {listen}"),
            "choose another with --listen or http.listen",
        )
    }
}

/// Whether the service may listen where it shall, and for whom.
pub fn of_locks(settings: &Settings) -> Finding {
    if let Some(Err(e)) = settings.http.tls.as_ref().map(crate::http::check_tls) {
        return trouble(
            "locks",
            Verdict::Fault,
            e.to_string(),
            "name PEM files: the certificate with its chain, and its key",
        );
    }
    if !open::has_store(settings) {
        return ok("locks", "no key yet: open on loopback, and only there");
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
        Ok(keys) if keys.is_empty() => ok("locks", format!("no key yet: open on loopback, and only there{tls}")),
        Ok(keys) => match keys.iter().filter(|key| key.is_valid(now)).count() {
            0 => trouble(
                "locks",
                Verdict::Warning,
                "no key is valid any more",
                "make one: `provost keys create --role admin`",
            ),
            valid => ok("locks", format!("{valid} valid keys of {}{tls}", keys.len())),
        },
        Err(e) => trouble("locks", Verdict::Fault, e.to_string(), "lock it, or listen on 127.0.0.1"),
    }
}
