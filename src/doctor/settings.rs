//! Lists the settings that differ from their defaults.

use super::{Finding, ok};
use crate::settings::{Settings, Source};

/// Lists the settings that differ from the defaults. They are valid, because they have been loaded.
pub fn of_settings(settings: &Settings) -> Finding {
    let changed: Vec<String> = settings
        .values
        .iter()
        .filter(|(_, (_, source))| *source != Source::Default)
        .map(|(key, (value, source))| format!("{key} = {value} ({source})"))
        .collect();
    ok("settings", if changed.is_empty() { "all defaults".to_owned() } else { changed.join("; ") })
}
