//! A file of JSON of any layout, plain or packed, as `provost import` reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost_fuzz::{MAX_ROW, read_all};
use provost_reader::Format;

fuzz_target!(|data: &[u8]| {
    read_all("input.json", data, Format::Json, None, &mut |parsed| {
        for (place, _) in &parsed.faults {
            let record = &parsed.chunk.records[*place];
            assert!(record.line > 0 && parsed.chunk.raw(record).len() <= MAX_ROW);
        }
    });
});
