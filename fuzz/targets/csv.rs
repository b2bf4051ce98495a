//! A mapping in TOML, a line of dashes, and a CSV file that is read by it; without the line a CSV file alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost::import::{Format, Options, read_text};
use provost_domain::features::FeatureTables;
use provost_domain::mapping::CsvMapping;
use provost_fuzz::{survives, told};
use std::path::Path;
use std::sync::LazyLock;

static TABLES: LazyLock<FeatureTables> = LazyLock::new(FeatureTables::default);
const RULE: &[u8] = b"\n---\n";

fuzz_target!(|data: &[u8]| {
    let (mapping, table) = match data.windows(RULE.len()).position(|w| w == RULE) {
        Some(at) => (&data[..at], &data[at + RULE.len()..]),
        None => (&data[..0], data),
    };
    let Ok(text) = std::str::from_utf8(mapping) else { return };
    let mapping = match toml::from_str::<CsvMapping>(text) {
        Ok(mapping) => mapping,
        Err(e) => return told(e.message()),
    };
    let options = Options {
        files: Vec::new(),
        format: Format::Csv,
        mapping: Some(mapping),
        verified: false,
        max_line_bytes: 1 << 14,
        batch: 16,
        threads: 1,
    };
    let read = read_text(&options, Path::new("input.csv"), table, &TABLES, &mut |parser, chunk| {
        let parsed = parser.chunk(chunk);
        parsed.points.iter().for_each(survives);
        parsed.faults.iter().for_each(|(_, reason)| told(reason));
        true
    });
    if let Err(why) = read {
        told(&why);
    }
});
