//! Asks the service that uses the data folder for its status.

use super::{Finding, Verdict, off, ok, trouble};
use crate::client::{Client, Remote};
use crate::serve::address_file;
use crate::settings::Settings;
use provost_store::{DataFolderLock, StoreError};
use serde_json::Value;

pub fn of_service(settings: &Settings) -> Finding {
    if !settings.data_dir.exists() {
        return off("service", "no service runs on this data folder");
    }
    match DataFolderLock::acquire(&settings.data_dir) {
        Err(StoreError::Locked { pid, .. }) => asked(settings, &pid),
        // Other errors are reported by the check of the data folder.
        _ => off("service", "no service runs on this data folder"),
    }
}

fn asked(settings: &Settings, pid: &str) -> Finding {
    let url = std::fs::read_to_string(address_file(settings)).ok().map(|text| text.trim().to_owned());
    let remote = Remote { url, key: None, ca: None };
    match Client::at(&remote, &settings.http).and_then(|client| client.get("/status")) {
        Ok(status) => of_status(pid, &status),
        Err(e) => trouble(
            "service",
            Verdict::Warning,
            format!("process {pid} does not give its status: {e}"),
            "if the service needs a key, set PROVOST_KEY; if the process is another command, such as backup, ignore this",
        ),
    }
}

/// Looks for faults in a service's status.
fn of_status(pid: &str, status: &Value) -> Finding {
    let count = |name: &str| status["faults"][name].as_u64().unwrap_or(0);
    let (panics, restarts, errors) = (count("panics"), count("restarts"), count("error_lines"));
    let ill = |c: &Value| !matches!(c["health"].as_str(), Some("up" | "disabled"));
    let text =
        |c: &Value| c["last_error"].as_str().or(c["last_panic"].as_str()).unwrap_or("no reason given").to_owned();
    let components = status["components"].as_object().into_iter().flatten();
    let mut found: Vec<String> = components
        .filter(|(_, c)| ill(c))
        .map(|(name, c)| format!("{name} is {}: {}", c["health"].as_str().unwrap_or("unknown"), text(c)))
        .collect();
    let verdict = if found.is_empty() { Verdict::Warning } else { Verdict::Fault };
    if panics + restarts + errors > 0 {
        found.push(format!("{panics} panics, {restarts} restarts and {errors} lines at level error since it started"));
        let latest = &status["faults"]["latest_panics"][0];
        if let (Some(text), Some(place)) = (latest["text"].as_str(), latest["place"].as_str()) {
            found.push(format!("the last panic at {place}: {text}"));
        }
    }
    if found.is_empty() {
        return ok("service", format!("process {pid} serves and has no fault"));
    }
    trouble("service", verdict, format!("process {pid}: {}", found.join("; ")), "its log has the details")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_read_for_faults() {
        let quiet = json!({"components": {"store": {"health": "up"}, "bridge": {"health": "disabled"}},
            "faults": {"panics": 0, "restarts": 0, "error_lines": 0, "warning_lines": 2, "latest_panics": []}});
        assert_eq!(of_status("7", &quiet).verdict, Verdict::Ok);
        let mut panicked = quiet.clone();
        panicked["faults"]["panics"] = json!(1);
        panicked["faults"]["latest_panics"] = json!([{"text": "no rows", "place": "trees.rs:148:9"}]);
        let finding = of_status("7", &panicked);
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(
            finding.found.contains("1 panics") && finding.found.contains("trees.rs:148:9: no rows"),
            "{}",
            finding.found
        );
        panicked["components"]["scheduler"] =
            json!({"health": "degraded", "last_error": "rule performance failed 3 times in a row: a panic"});
        let finding = of_status("7", &panicked);
        assert_eq!(finding.verdict, Verdict::Fault);
        assert!(finding.found.contains("scheduler is degraded: rule performance"), "{}", finding.found);
    }
}
