//! `provost doctor`: checks what a service needs, part by part, and gives advice for each fault.

mod address;
mod bus;
mod data;
mod learn;
mod mail;
mod rights;
mod service;
mod settings;
mod store;

use crate::cli::common::Common;
use crate::cli::show;
use crate::error::{Error, Result};
use crate::settings::Settings;
use clap::Args;
use provost_domain::visible;
use serde::Serialize;
use serde_json::json;

#[derive(Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Off,
    Warning,
    Fault,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    /// Advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

fn ok(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Ok, found: found.into(), advice: None }
}

/// The finding for a part that is not configured.
fn off(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Off, found: found.into(), advice: None }
}

fn trouble(check: &'static str, verdict: Verdict, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check, verdict, found: found.into(), advice: Some(advice.into()) }
}

pub fn run(args: &DoctorArgs) -> Result<()> {
    let settings = args.common.settings()?;
    let json = args.common.output.json;
    let checks: [fn(&Settings) -> Finding; 13] = [
        settings::of_settings,
        data::of_data,
        data::of_disk,
        rights::of_rights,
        store::of_store,
        address::of_address,
        address::of_access,
        bus::of_bus,
        mail::of_mail,
        learn::of_xgboost,
        learn::of_threads,
        store::of_clock,
        service::of_service,
    ];
    let mut faults = 0;
    for finding in checks.iter().map(|check| check(&settings)) {
        faults += usize::from(finding.verdict == Verdict::Fault);
        show::tell(json, || json!(finding), || text(&finding, show::terminal_width().is_some()));
    }
    match faults {
        0 => Ok(()),
        1 => Err(Error::failed("one fault")),
        n => Err(Error::failed(format!("{n} faults"))),
    }
}

/// `is_wrapped`: for a terminal, in lines of 80 columns.
fn text(finding: &Finding, is_wrapped: bool) -> String {
    let mark = match finding.verdict {
        Verdict::Ok => "✓",
        Verdict::Off => "-",
        Verdict::Warning => "!",
        Verdict::Fault => "✗",
    };
    // An error may bring advice of its own, on a line that begins with an arrow.
    let mut leads = std::iter::once(format!("  {mark} {:<8} ", finding.check));
    let parts = finding.found.split("\n  → ").chain(finding.advice.as_deref());
    let lines = parts.map(|part| {
        let lead = leads.next().unwrap_or_else(|| "             → ".to_owned());
        let part = visible::line(part);
        if is_wrapped { show::hanging(&lead, &part) } else { format!("{lead}{part}") }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errors_own_advice_is_a_line_and_no_line_is_long() {
        let found =
            format!("process 7 does not give its status: {}\n  → set PROVOST_KEY", "a key is needed, ".repeat(8));
        let shown = text(&trouble("service", Verdict::Warning, found, "ignore this"), true);
        assert!(!shown.contains("\\n") && shown.lines().all(|line| line.chars().count() <= show::WIDTH), "{shown}");
        let advice: Vec<&str> = shown.lines().filter(|line| line.contains('→')).map(str::trim_start).collect();
        assert_eq!(advice, ["→ set PROVOST_KEY", "→ ignore this"]);
    }
}
