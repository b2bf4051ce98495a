//! The message broker.

use super::{Finding, Verdict, off, ok, trouble};
use crate::cli::show;
use crate::error::Error;
use crate::open;
use crate::settings::Settings;
use provost_actors::bridge;
use std::time::Instant;

pub fn of_bus(settings: &Settings) -> Finding {
    let Some(bridge) = &settings.bridge.options else {
        return off("bus", "no bridge.url is set");
    };
    let began = Instant::now();
    let asked = open::runtime()
        .and_then(|runtime| runtime.block_on(bridge::check(bridge)).map_err(|e| Error::Failed(e.into())));
    let url = &bridge.url;
    match asked {
        Ok(Some(check)) => {
            let found = format!(
                "{url}: {} waiting, {} parked ({} ms)",
                show::thousands(check.waiting),
                show::thousands(check.parked),
                began.elapsed().as_millis()
            );
            match check.parked {
                0 => ok("bus", found),
                _ => trouble("bus", Verdict::Warning, found, "see `provost parked list`"),
            }
        }
        Ok(None) => ok("bus", format!("{url} answers; `provost serve` declares the queues")),
        Err(e) => trouble("bus", Verdict::Fault, format!("{url}: {e}"), advice_on_bus(&e.to_string())),
    }
}

fn advice_on_bus(error: &str) -> &'static str {
    let is = |part: &str| error.to_ascii_uppercase().contains(part);
    match () {
        () if is("ACCESS_REFUSED") => "correct user, password or rights in bridge.url",
        () if is("NOT_ALLOWED") || is("VHOST") => "make the virtual host, or give the user rights in it",
        () if is("CERTIFICATE") => "set bridge.ca_file to the certificate that signed the broker's",
        () => "is RabbitMQ running, and is bridge.url right? The service itself goes on without it",
    }
}
