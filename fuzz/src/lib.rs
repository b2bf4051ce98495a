//! What all targets hold of errors and round trips.

use provost_domain::{AdmissionDataPoint, Faults};

/// Bytes of one message. A message quotes what it found, never all of it.
const LONGEST: usize = 8192;

/// An error is told in words, and in few of them.
pub fn told(error: &str) {
    assert!(!error.trim().is_empty(), "an error without a word");
    assert!(
        error.len() <= LONGEST,
        "an error of {} bytes: {}…",
        error.len(),
        error.chars().take(200).collect::<String>()
    );
}

/// There is a fault; each has a pointer, and one that points at a field names it or its value.
pub fn named(faults: &Faults) {
    assert!(!faults.0.is_empty(), "refused without a fault");
    for fault in &faults.0 {
        told(&fault.message);
        assert!(fault.pointer.is_empty() || fault.pointer.starts_with('/'), "no pointer: {:?}", fault.pointer);
        let leaf = fault.pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
        let parent = fault.pointer.rsplit('/').nth(1).unwrap_or_default();
        let cut: String = leaf.chars().take(20).collect();
        assert!(
            fault.pointer.is_empty()
                || leaf.parse::<usize>().is_ok()
                || fault.message.contains(&cut)
                || (!parent.is_empty() && fault.message.contains(parent)),
            "the fault at {:?} does not name its field: {:?}",
            fault.pointer,
            fault.message
        );
    }
}

/// A point that was taken in is the same when it is written and read again.
pub fn survives(point: &AdmissionDataPoint) {
    let text = serde_json::to_vec(point).expect("a point serialises");
    let again = AdmissionDataPoint::from_json(&text)
        .unwrap_or_else(|f| panic!("not read back: {f}: {}", String::from_utf8_lossy(&text)));
    assert_eq!(again, *point, "{}", String::from_utf8_lossy(&text));
    // The content key goes by what is stored.
    assert_eq!(again.content_key(), point.content_key());
    assert_eq!(again.applicant_key(), point.applicant_key());
}
