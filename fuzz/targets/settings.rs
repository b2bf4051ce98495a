//! A settings file, and one setting from the environment (a first line `NAME=value`).
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost::settings::Settings;
use provost_fuzz::told;
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // These name files that the operator wants read; a target reads none.
    if text.to_ascii_lowercase().contains("_file") || text.contains("\\u") || text.contains("\\x") {
        return;
    }
    let first = text.lines().next().unwrap_or_default();
    let environment = first.split_once('=').filter(|(name, _)| name.starts_with("PROVOST_"));
    let file = if environment.is_some() { text.get(first.len() + 1..).unwrap_or_default() } else { text };
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    match Settings::from_layers(Some((Path::new("provost.toml"), file)), environment, &Vec::new()) {
        Err(faults) => {
            assert!(!faults.0.is_empty(), "refused without a fault");
            faults.0.iter().for_each(|f| told(f));
        }
        Ok(settings) => {
            assert!(settings.threads > 0 && settings.jobs.hard_limit >= settings.jobs.soft_limit);
            assert!(settings.values.contains_key("http.listen"));
        }
    }
});
