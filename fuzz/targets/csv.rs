//! A mapping in TOML, a line of dashes, and a file that is read by it; without the line a file alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost_domain::mapping::Mapping;
use provost_fuzz::{read_all, told};
use provost_reader::Format;

const RULE: &[u8] = b"\n---\n";

fuzz_target!(|data: &[u8]| {
    let (mapping, table) = match data.windows(RULE.len()).position(|w| w == RULE) {
        Some(at) => (&data[..at], &data[at + RULE.len()..]),
        None => (&data[..0], data),
    };
    let Ok(text) = std::str::from_utf8(mapping) else { return };
    let mapping = match toml::from_str::<serde_json::Value>(text) {
        Ok(document) => Mapping::from_json(&document),
        Err(e) => return told(e.message()),
    };
    read_all("input.csv", table, Format::Csv, Some(mapping), &mut |_| ());
});
