//! A file of unknown kind: packed or not, in any encoding, JSON or CSV, told from its bytes; and the mapping that is guessed for
//! it, which must be a mapping.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost_domain::mapping::Mapping;
use provost_fuzz::{options, read_all, told};
use provost_reader::Format;
use std::io::Cursor;

fuzz_target!(|data: &[u8]| {
    read_all("input", data, Format::Auto, None, &mut |_| ());
    match provost_reader::guess("input", Cursor::new(data.to_vec()), &options(Format::Auto, None)) {
        Err(why) => told(&why.to_string()),
        Ok(text) => {
            let document: serde_json::Value =
                toml::from_str(&text).unwrap_or_else(|e| panic!("a guessed mapping is no TOML: {e}\n{text}"));
            read_all("input", data, Format::Auto, Some(Mapping::from_json(&document)), &mut |_| ());
        }
    }
});
