//! A file of JSON lines, plain or gzip, as `provost import` reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost::import::{Format, Options, lines, parse::Parser};
use provost_domain::features::FeatureTables;
use provost_fuzz::{survives, told};
use std::io::Cursor;
use std::sync::LazyLock;

static TABLES: LazyLock<FeatureTables> = LazyLock::new(FeatureTables::default);
const MAX_LINE: usize = 1 << 14;

fuzz_target!(|data: &[u8]| {
    let options = Options {
        files: Vec::new(),
        format: Format::Jsonl,
        mapping: None,
        verified: false,
        max_line_bytes: MAX_LINE,
        batch: 16,
        threads: 1,
    };
    let parser = Parser::json(&options, &TABLES);
    let Ok(reader) = lines::unpacked(Cursor::new(data.to_vec())) else { return };
    let report = lines::chunks_of_lines(reader, MAX_LINE, options.batch, &mut |chunk| {
        let parsed = parser.chunk(chunk);
        parsed.points.iter().for_each(survives);
        for (place, reason) in &parsed.faults {
            told(reason);
            let record = &parsed.chunk.records[*place];
            assert!(record.line > 0 && parsed.chunk.raw(record).len() <= MAX_LINE);
        }
        true
    });
    if let Some(broken) = report.broken {
        told(&broken);
    }
});
