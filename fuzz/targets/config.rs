//! A training configuration as a request's body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost_domain::TrainingConfig;
use provost_fuzz::named;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return };
    let config = match TrainingConfig::from_json(&body) {
        Ok(config) => config,
        Err(faults) => return named(&faults),
    };
    let text = serde_json::to_string(&config).expect("a configuration serialises");
    let value = serde_json::from_str(&text).expect("it is JSON");
    // The request's reader and the store's reader agree on what was written.
    let again = TrainingConfig::from_json(&value).expect("its own text is read");
    assert_eq!(again, config);
    assert_eq!(serde_json::from_str::<TrainingConfig>(&text).expect("the store reads it"), config);
    assert_eq!((again.config_hash(), again.content_hash()), (config.config_hash(), config.content_hash()));
});
