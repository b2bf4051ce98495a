//! The payload of a training result, in both versions of its format. A model inside is sealed already.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost_fuzz::told;
use provost_learn::Trained;
use provost_learn::artifact::{Format, seal};

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let format = Format { magic: *b"PROVOSTT", version: 1 + u32::from(first & 1) };
    match Trained::from_bytes(&seal(format, rest)) {
        Err(e) => told(&e.to_string()),
        Ok(trained) => {
            let bytes = trained.to_bytes();
            assert_eq!(Trained::from_bytes(&bytes).expect("its own bytes are read").to_bytes(), bytes);
        }
    }
});
