//! Checks the mail server.

use super::{Finding, Verdict, off, ok, trouble};
use crate::open;
use crate::settings::Settings;
use provost_actors::notifier::{self, ConnectError};
use std::time::Instant;

/// Connects in the same way as the notifier, but sends nothing.
pub fn of_mail(settings: &Settings) -> Finding {
    let mail = match settings.mail.options() {
        Ok(Some(mail)) => mail,
        Ok(None) => {
            return off("mail", "no mail server is set (mail.url)");
        }
        Err(e) => {
            return trouble("mail", Verdict::Fault, e.to_string(), "write the mail server's address into the file");
        }
    };
    let (server, began) = (format!("{} ({})", mail.url, mail.security()), Instant::now());
    let checked = match open::runtime() {
        Ok(runtime) => runtime.block_on(notifier::check(&mail)),
        Err(e) => {
            return trouble("mail", Verdict::Fault, e.to_string(), "check the process's resource limits (ulimit)");
        }
    };
    match checked {
        Ok(()) if mail.from.domain() == "localhost" && !mail.url.is_loopback() => trouble(
            "mail",
            Verdict::Warning,
            format!("{server} answers, but mail would come from {}", mail.from),
            "set mail.from to an address that the server lets you send from",
        ),
        Ok(()) => ok("mail", format!("{server} answers ({} ms)", began.elapsed().as_millis())),
        Err(e) => {
            let advice = match &e {
                ConnectError::CaFile { .. } => "mail.ca_file names certificates in PEM form",
                ConnectError::NoTls => "use smtps:// if the server has a port for it (465), or another server",
                ConnectError::Login(_) => "correct user and password in mail.url (percent-encoded)",
                ConnectError::Connect(why) if why.contains("certificate") => {
                    "name its certificate's issuer in mail.ca_file, and the host as the certificate has it"
                }
                ConnectError::Connect(why) if why.contains("begin with TLS") => {
                    "this port does not begin with TLS: smtp:// in place of smtps:// uses STARTTLS"
                }
                ConnectError::Connect(_) | ConnectError::Answered(_) | ConnectError::Silent(_) => {
                    "is the mail server running, and is mail.url its address?"
                }
            };
            trouble("mail", Verdict::Fault, format!("{server}: {e}"), advice)
        }
    }
}
