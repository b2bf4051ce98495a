//! The payload of a snapshot artifact, and the dataset that is made of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost_actors::loader::{LoadedSnapshot, decode, encode};
use provost_domain::TrainingConfig;
use provost_fuzz::told;
use provost_learn::artifact::{Format, seal};

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let format = Format { magic: *b"PROVOSTS", version: 1 + u32::from(first % 2) };
    let snapshot = match decode(&seal(format, data)) {
        Ok(snapshot) => snapshot,
        Err(e) => return told(&e.to_string()),
    };
    let bytes = encode(&snapshot);
    assert_eq!(encode(&decode(&bytes).expect("its own bytes are read")), bytes);
    match LoadedSnapshot::new("0".repeat(64), snapshot) {
        Err(e) => told(&e.to_string()),
        // Whatever was let through can be split, or there is a reason why not.
        Ok(loaded) => {
            if let Err(e) = loaded.parts(&TrainingConfig::default(), 7) {
                told(&e.to_string());
            }
        }
    }
});
