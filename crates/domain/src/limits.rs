//! The limits on what clients and event publishers may send, and on what one answer may hold. Every check, the OpenAPI
//! and AsyncAPI documents and the table of docs/LIMITS.md take their numbers from here.
//!
//! A number of characters counts Unicode scalar values, as JSON Schema's `maxLength` does.

/// One limit, as docs/LIMITS.md lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The name in the documentation.
    pub name: &'static str,
    /// The bound.
    pub value: usize,
    /// What the bound counts.
    pub unit: &'static str,
    /// What is limited.
    pub what: &'static str,
    /// Why the value is what it is.
    pub why: &'static str,
}

macro_rules! limits {
    ($($name:ident = $value:expr, $unit:literal, $what:literal, $why:literal;)+) => {
        $(#[doc = concat!($what, ", in ", $unit, ": ", $why, ".")] pub const $name: usize = $value;)+

        /// All limits.
        pub const ALL: &[Limit] = &[$(Limit { name: stringify!($name), value: $name, unit: $unit, what: $what, why: $why }),+];
    };
}

limits! {
    NOTES = 10_000, "characters", "`notes` of a training configuration",
        "some pages of text; the notes are part of every answer that has the job or the model";
    VERSION_TAG = 100, "characters", "`version_tag` of a training configuration", "a label";
    REASON = 1_000, "characters", "`reason` of an activation or of a training request from the bus",
        "it is repeated in the audit log, in announcements and in mails";
    DATA_PATH = 1_000, "characters", "`data_path` of a training configuration",
        "well above the file names in use and below the operating system's own limit";
    SELECTED_FEATURES = 100, "items", "`selected_features` of a training configuration", "more than there are features";
    FEATURE_NAME = 100, "characters", "a name in `selected_features`", "twice the longest name of a feature";
    MODEL_IDS = 100, "items", "`model_ids` of a comparison", "each pair of models is tested: 100 models are 4,950 pairs";
    ID = 100, "characters", "an id of a job, a model or a plot in a path or a body", "the longest has 68";
    GRID_PARAMETERS = 50, "items", "parameters in the grid of one algorithm", "twice as many as any learner has";
    PARAMETER_NAME = 100, "characters", "the name of a parameter in `grids`", "three times the longest name of a parameter";
    GRID_VALUES = 10_000, "items", "values of one parameter in `grids`",
        "finer than any search of at most 100,000 candidates can use";
    GRID_VALUES_IN_ALL = 20_000, "items", "values in all of `grids`",
        "the grids are stored with the job and with each of its models";
    GRID_TEXT = 100, "characters", "a text among the values in `grids`", "values that are texts are words";
    GRID_LAYERS = 20, "items", "numbers in a value of `grids` that is a list", "a list holds the sizes of a network's layers";
    GRID_CANDIDATES = 100_000, "candidates", "the product of a grid's lists under `grid_search`",
        "each candidate is fitted; the largest default grid has 6,912 candidates. `random_search` and `bayesian` draw from a \
         grid of any size";
    SCHEDULE_CRON = 200, "characters", "`schedule_cron` of the schedule", "five fields with lists of numbers";
    TIME_ZONE = 100, "characters", "`time_zone` of the schedule", "three times the longest name of a time zone";
    NOTIFICATION_EMAILS = 50, "items", "`notification_emails` of the schedule", "each occasion is one mail to each address";
    EMAIL = 254, "characters", "an address in `notification_emails`", "the longest address of RFC 5321";
    JOB_TRIGGERS = 100, "items", "`triggers` of a job",
        "further triggers that join the job are listed by GET /triggers with the job's id";
    FAULTS = 100, "items", "faults of one document that `errors` names one by one", "further faults are counted";
    POINTER = 200, "characters", "a `pointer` in `errors`", "a longer pointer is cut, since it repeats what the client sent";
    PREDICT_ROWS = 10_000, "items", "`applications` of a prediction request, and rows of a tensor or a table",
        "longer lists go as a stream of NDJSON, which has no limit";
    PREDICT_ROWS_EXPLAINED = 100, "items", "`applications` of a prediction request with `explain`, `similar` or `counterfactual`",
        "each of these takes a thousand times as long as a probability";
    PREDICT_ROW_BYTES = 65_536, "bytes", "one application of a prediction request, and a line of CSV", "thirty times an application with every field";
    PREDICT_VALUES = 500_000, "values", "texts, numbers, lists, objects and the like in a table for `/invocations`",
        "10,000 rows of 50 columns";
    PREDICT_LISTS = 25_000, "lists", "lists and objects among them", "one for each row, one for each entry of an index, and those around them";
    PREDICT_TEXT = 393_216, "bytes", "a text in a table for `/invocations` or in an inference request, as JSON has it",
        "an application each of whose bytes is written as an escape of six";
    PREDICT_ROW_FAULTS = 10, "items", "faults of one application that `errors` names", "most applications have one";
    PREDICT_FAULTS = 1_000, "items", "applications' faults of which `errors` names more than one of each application",
        "each further application that cannot be read has its first fault alone";
    INFER_ID = 1_000, "characters", "`id` of an inference request", "it is repeated in the answer; a UUID has 36";
    EXPORT_BYTES = 1_073_741_824, "bytes", "memory in which a model is exported as ONNX, by an estimate",
        "about six million nodes of trees; a larger model is refused before its file is made";
    SHADOWS = 3, "items", "`model_ids` of the shadow models", "each scores every prediction once more";
    UPLOAD_BYTES = 268_435_456, "bytes", "a file that is uploaded, as it is sent",
        "a million applications, or ten times as many packed by gzip; `provost import` has no such limit";
    UPLOADS = 4, "files", "uploaded files that are kept for a mapping or their rejected rows", "each may have 256 MiB";
    IMPORTS = 2, "files", "files that are uploaded or imported at a time", "one beyond is answered with 503";
    MAPPING_BYTES = 1_048_576, "bytes", "a field of an upload's form beside the file", "a mapping with thousands of words has 100 KiB";
    UPLOAD_FIELDS = 20, "fields", "fields of an upload's form beside the file", "there is one: the mapping";
    FILE_NAME = 200, "characters", "the name of an uploaded file", "its ending tells the format";
    PARKED_IDS = 100, "items", "`ids` of parked messages that are returned or dropped", "each is looked for from the oldest on";
    SNOOZE_HOURS = 720, "hours", "`hours` of a snooze", "a month; what can wait longer is acknowledged";
    SIMILAR = 20, "items", "`similar` of a prediction request", "the most neighbours of each outcome that one answer shows";
    JSON_DEPTH = 127, "levels", "arrays and objects in each other", "the JSON reader's own limit; no document here has more than six";
    JSON_VALUES = 200_000, "values", "texts, numbers, lists, objects and the like in a request's body",
        "a value takes up to 75 times as much memory as its text; grids of numbers have 20,000";
    QUERY = 8_192, "bytes", "the query of an address", "a cursor and all other parameters have less than 2,000";
    CURSOR = 1_000, "characters", "`cursor` of a list", "four times the longest that a list gives out";
    PAGE = 200, "items", "`limit` of a list", "of the HTTP contract";
    PAGE_BYTES = 2_097_152, "bytes", "stored documents on one page of a list",
        "a page ends early, with a link to the next one, when its documents are longer; a page has one item at least";
    SMALL_BODY = 16_384, "bytes", "a request's body that is read on the thread of its connection",
        "reading takes less than a millisecond; a longer body is read on the threads for long work";
    BODIES = 67_108_864, "bytes", "request bodies of viewers and clients in memory at a time; operators have as much of their own",
        "64 bodies of the default largest size; a body beyond is answered with 503";
    COMPUTE_QUEUE = 64, "requests", "requests of viewers and clients that wait for the threads for long work; operators have as many of their own",
        "one beyond is answered with 503";
    COMPARISONS = 16, "requests", "comparisons of viewers that wait for the one under way; operators have as many of their own",
        "one beyond is answered with 503";
    PARKED_REQUESTS = 16, "requests", "requests of viewers about parked messages that wait for the one under way; operators have as many of their own",
        "one beyond is answered with 503";
    SHADOW_REPORTS = 16, "requests", "reports on the shadow models that wait for the one under way", "one beyond is answered with 503";
    MODEL_OPENINGS = 16, "requests", "requests of viewers and clients that wait for a model to be opened; operators have as many of their own",
        "one beyond is answered with 503; an open model is waited for by nobody";
    EVALUATIONS = 64, "tasks", "evaluations that run or wait", "one beyond is answered with 503";
    AUDITS = 16, "requests", "fairness audits and data checks that wait for the one under way", "one beyond is answered with 503";
    CHECK_ROWS = 20_000, "rows", "rows that data checks fit models to", "some dozens of fits; of larger data whole applicants are drawn";
    CHECK_FINDINGS = 200, "items", "near duplicates, and contradicted labels, that data checks list", "more than a person looks at; how many others there are is counted";
    FAIRNESS_ATTRIBUTES = 6, "items", "`fairness.attributes` in the settings", "with nationality and gender 8 attributes and 28 pairs of them";
    FAIRNESS_GROUPS = 50, "items", "groups of one attribute in a fairness report",
        "those with the most rows; how many others there are is in `groups_not_shown`";
    EVENT_STREAMS = 100, "streams", "event streams of one caller", "one beyond is answered with 429";
    PREDICT_STREAMS = 10, "streams", "streams of predictions of one caller",
        "each may keep answers on disk (`predict.spool_bytes`); one beyond is answered with 429";
    UNIVERSITIES = 5_000, "items", "universities that a quality report names",
        "those with the most points; how many others there are is in its `warnings`";
    UNIVERSITY_BYTES = 1_048_576, "bytes", "names of universities in a quality report", "5,000 names of 200 characters";
    SPELLINGS = 100_000, "items", "different names of universities that are counted in one source",
        "points with further names are counted together in the report's `warnings`";
    SPELLING_BYTES = 16_777_216, "bytes", "these names", "100,000 names of 160 characters; a source may have 10 million rows";
    IDEMPOTENCY_KEY = 255, "characters", "an `Idempotency-Key`", "visible ASCII characters; a UUID has 36";
    IDEMPOTENCY_KEYS = 10_000, "keys", "idempotency keys of one caller in 24 hours",
        "one every nine seconds; one beyond is answered with 429";
    IDEMPOTENCY_BYTES = 67_108_864, "bytes", "stored answers to one caller's idempotency keys in 24 hours",
        "an answer to a training request has 400 bytes, a large comparison some megabytes; a key beyond is answered with 429";
    KEY_NAME = 80, "characters", "the name of an API key", "a label";
    EVENT_KEY = 512, "bytes", "`id`, `source` and `type` of an event", "they are keys of the inbox";
    EVENT_POINTS = 1_000, "items", "points of one batch event", "one transaction of the store";
    POINT_ID = 200, "characters", "`data_point_id`", "it is a key of the store";
    POINT_TEXT = 500, "characters", "any other text of a data point", "names of universities and programs";
    POINT_ATTRIBUTES = 20, "items", "`attributes` of a data point", "groups that audits compare; no model learns from them";
    ATTRIBUTE_NAME = 50, "characters", "the name of an attribute of a data point", "a word such as `citizenship_status`";
    ATTRIBUTE_VALUE = 100, "characters", "the value of an attribute of a data point", "the name of a group";
    POINT_TESTS = 100, "items", "`test_scores` of a data point", "far more tests than anybody takes";
}

/// Whether a text has at most `most` characters. A character has at least one byte, so short texts are not counted.
pub fn fits(text: &str, most: usize) -> bool {
    text.len() <= most || text.chars().nth(most).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The rows that docs/LIMITS.md has to have, in this order.
    fn table() -> Vec<String> {
        let digits = |n: usize| {
            let text = n.to_string();
            let start = text.len() % 3;
            let mut parts: Vec<&str> = vec![&text[..start]];
            parts.extend((start..text.len()).step_by(3).map(|at| &text[at..at + 3]));
            parts.retain(|part| !part.is_empty());
            parts.join(",")
        };
        ALL.iter().map(|l| format!("| {} | {} {} | {} |", l.what, digits(l.value), l.unit, l.why)).collect()
    }

    #[test]
    fn the_table_of_the_docs_has_these_limits() {
        let docs = include_str!("../../../docs/LIMITS.md");
        let rows: Vec<&str> = docs.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
        assert_eq!(rows, table(), "docs/LIMITS.md needs these rows:\n{}", table().join("\n"));
    }

    #[test]
    fn each_limit_is_named_once() {
        let names: BTreeSet<&str> = ALL.iter().map(|limit| limit.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert!(fits("äöü", 3) && !fits("äöü", 2) && fits("", 0) && !fits("x", 0));
    }
}
