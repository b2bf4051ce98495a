//! An inbound event: structured mode, or binary mode with attributes from the input's first lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost_domain::TrainingConfig;
use provost_domain::event::{Inbound, InboundEvent};
use provost_fuzz::{named, survives, told};
use std::collections::BTreeMap;

/// `#name=value` lines, then the body.
fn binary(data: &[u8]) -> Option<(BTreeMap<String, String>, &[u8])> {
    let (mut attributes, mut rest) = (BTreeMap::new(), data);
    while let Some(line) = rest.strip_prefix(b"#") {
        let end = line.iter().position(|b| *b == b'\n')?;
        let (name, value) = std::str::from_utf8(&line[..end]).ok()?.split_once('=')?;
        attributes.insert(name.to_owned(), value.to_owned());
        rest = &line[end + 1..];
    }
    Some((attributes, rest))
}

fuzz_target!(|data: &[u8]| {
    let read = match binary(data) {
        Some((attributes, body)) if !attributes.is_empty() => InboundEvent::binary(&attributes, body),
        _ => InboundEvent::structured(data),
    };
    let event = match read {
        Ok(event) => event,
        Err(refusal) => return told(&refusal.detail),
    };
    assert!(event.payload_hash.len() == 64 && !event.id.is_empty() && !event.source.is_empty());
    if let Some(refusal) = event.data.refusal() {
        told(&refusal.detail);
    }
    match event.data {
        Inbound::Points { points, refused } => {
            points.iter().for_each(survives);
            refused.iter().for_each(|r| named(&r.faults));
        }
        Inbound::Retraction(retraction) => assert!(!retraction.data_point_id.is_empty()),
        Inbound::Trigger(request) => {
            if let Some(config) = request.config {
                let text = serde_json::to_value(&config).expect("a configuration serialises");
                assert_eq!(TrainingConfig::from_json(&text).expect("it is read back"), config);
            }
        }
        Inbound::Cancel(_) => {}
    }
});
