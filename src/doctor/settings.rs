//! Which settings differ from their defaults.

use super::{Finding, ok};
use crate::settings::{Settings, Source};

/// The settings are already loaded, so they are valid; lists those that differ from the defaults.
pub fn of_settings(settings: &Settings) -> Finding {
    let changed: Vec<String> = settings
        .values
        .iter()
        .filter(|(_, (_, source))| *source != Source::Default)
        .map(|(key, (value, source))| format!("{key} = {value} ({source})"))
        .collect();
    ok("settings", if changed.is_empty() { "all defaults".to_owned() } else { changed.join("; ") })
}
