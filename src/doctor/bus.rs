//! Checks the message broker.

use super::{Finding, Verdict, off, ok, trouble};
use crate::cli::show;
use crate::open;
use crate::settings::Settings;
use provost_actors::bridge::amqp::{ACCESS_REFUSED, NOT_ALLOWED};
use provost_actors::bridge::{self, AmqpError, Check};
use std::time::Instant;

pub fn of_bus(settings: &Settings) -> Finding {
    let Some(bridge) = &settings.bridge.options else {
        return off("bus", "no bridge.url is set");
    };
    let began = Instant::now();
    let asked = match open::runtime() {
        Ok(runtime) => runtime.block_on(bridge::check(bridge)),
        Err(e) => return trouble("bus", Verdict::Fault, e.to_string(), "check the process's resource limits (ulimit)"),
    };
    let url = &bridge.url;
    match asked {
        Ok(check) if !check.unfit.is_empty() => trouble(
            "bus",
            Verdict::Fault,
            format!("{url}: {}", check.unfit.join("; ")),
            "delete what is of another kind (rabbitmqadmin delete exchange or queue), or use a virtual host of its own: \
             `provost serve` declares them anew",
        ),
        Ok(Check { queues: Some(check), .. }) => {
            let found = format!(
                "{url}: {} messages waiting, {} parked ({} ms)",
                show::thousands(check.waiting),
                show::thousands(check.parked),
                began.elapsed().as_millis()
            );
            match check.parked {
                0 => ok("bus", found),
                _ => trouble("bus", Verdict::Warning, found, "see `provost parked list`"),
            }
        }
        Ok(Check { queues: None, .. }) => ok("bus", format!("{url} answers; `provost serve` declares the queues")),
        Err(e) => trouble("bus", Verdict::Fault, format!("{url}: {e}"), advice_on_bus(&e)),
    }
}

fn advice_on_bus(error: &AmqpError) -> &'static str {
    match (error.code(), error) {
        (Some(ACCESS_REFUSED), _) => "correct user, password or rights in bridge.url",
        (Some(NOT_ALLOWED), _) => "make the virtual host, or give the user rights in it",
        (_, AmqpError::Unreachable(why)) if why.contains("certificate") => {
            "set bridge.ca_file to the certificate that signed the broker's"
        }
        _ => "is RabbitMQ running, and is bridge.url right? The service itself goes on without it",
    }
}
