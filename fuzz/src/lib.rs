//! What all targets hold of errors and round trips.

use provost_domain::features::FeatureTables;
use provost_domain::mapping::Mapping;
use provost_domain::{AdmissionDataPoint, Faults};
use provost_reader::{Format, Limits, Options, Parsed, ReadBytes, Strays};
use std::io::Cursor;
use std::sync::LazyLock;

static TABLES: LazyLock<FeatureTables> = LazyLock::new(FeatureTables::default);
pub const MAX_ROW: usize = 1 << 14;

/// Small limits, so that they are met.
pub fn options(format: Format, mapping: Option<Mapping>) -> Options {
    let limits =
        Limits { row_bytes: MAX_ROW, cell_bytes: 1 << 12, columns: 50, rows: 1000, bytes: 1 << 22, ratio: 100 };
    Options { format, mapping, verified: false, batch: 16, limits }
}

/// Reads a file to its end: points survive, and whatever is wrong is told.
pub fn read_all(name: &str, data: &[u8], format: Format, mapping: Option<Mapping>, each: &mut dyn FnMut(&Parsed)) {
    let (file, options) = (Cursor::new(data.to_vec()), options(format, mapping));
    let mut strays = Strays::default();
    let read = provost_reader::read(name, file, &options, &TABLES, ReadBytes::default(), &mut |parser, chunk| {
        let parsed = parser.chunk(chunk);
        strays.extend(parsed.strays.clone());
        parsed.points.iter().for_each(survives);
        parsed.faults.iter().for_each(|(_, reason)| told(reason));
        each(&parsed);
        true
    });
    match read {
        Err(why) => told(&why.to_string()),
        Ok(mut report) => {
            assert!(strays.append_to(&mut report.unread) <= MAX_ROW as u64 * 1000);
            report.unread.iter().for_each(|column| told(&format!("{column:?}")));
            report.broken.iter().chain(&report.told).for_each(|text| told(text));
        }
    }
}

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
