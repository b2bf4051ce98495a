//! What the driver's errors mean: one function from error to [`StoreError`], by label, then by code, then by kind.
//!
//! The texts are ours. The driver and the server name hosts and users in theirs, and callers show a [`StoreError`] to clients;
//! so their words go nowhere, not to the log either.

use crate::error::StoreError;
use mongodb::error::{Error, ErrorKind, WriteFailure};
use std::io;

pub const DUPLICATE_KEY: i32 = 11_000;
pub const NAMESPACE_NOT_FOUND: i32 = 26;

/// Labels of errors after which the same command may succeed.
const LABELS: [&str; 5] = [
    "RetryableWriteError",
    "TransientTransactionError",
    "UnknownTransactionCommitResult",
    "RetryableError",
    "SystemOverloadedError",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The same call may succeed later.
    Away,
    /// The login is refused, or lacks a right.
    Denied,
    Full,
    /// A document that no server takes.
    Refused,
    /// Everything else: the store asks for what this server cannot do, or there is a fault in one of the two.
    Fault,
}

/// By the server's code. Those of DocumentDB and FerretDB 2 are MongoDB's, but they say 1 where their PostgreSQL is away.
fn class_of_code(code: i32) -> Class {
    match code {
        // Internal error; host unreachable, not found; lock not had in time; cursor gone with a restart; lock busy; out of time
        1 | 6 | 7 | 24 | 43 | 46 | 50
        // Write concern not met; time-out of the network; going down; write concern cannot be met; conflicts of writers
        | 64 | 89 | 91 | 100 | 112 | 117
        // No member to read from; read concern not to be had yet; plan killed; stepped down; pool's time-out; keys not there yet
        | 133 | 134 | 148 | 175 | 189 | 202 | 211
        // To be tried again; cursor killed; snapshot not there; out of time; unavailable for now; too many requests
        | 234 | 237 | 246 | 262 | 365 | 462 | 16_500
        // Connection lost; not the primary (any more); interrupted by a shutdown or a step-down; stale routing; recovering
        | 9_001 | 10_058 | 10_107 | 11_600 | 11_602 | 13_388 | 13_435 | 13_436 => Class::Away,
        // No such user; not authorized; login failed; no such mechanism; to log in again; Atlas' login failed
        11 | 13 | 18 | 334 | 391 | 8_000 => Class::Denied,
        // Out of disk space
        14_031 => Class::Full,
        // Refused by the collection's own rules; larger than a document may be
        121 | 10_334 | 17_280 | 17_419 | 17_420 => Class::Refused,
        _ => Class::Fault,
    }
}

fn class(has_label: impl Fn(&str) -> bool, code: Option<i32>) -> Class {
    match code.map(class_of_code) {
        Some(class @ (Class::Away | Class::Denied | Class::Full | Class::Refused)) => class,
        _ if LABELS.iter().any(|label| has_label(label)) => Class::Away,
        _ => Class::Fault,
    }
}

/// The code and the name that a server's error has. Of several writes that failed: of the first that failed for another
/// reason than that its key is there.
fn code(e: &Error) -> Option<(i32, Option<String>)> {
    let named = |code, name: &str| (code, (!name.is_empty()).then(|| name.to_owned()));
    match &*e.kind {
        ErrorKind::Command(e) => Some(named(e.code, &e.code_name)),
        ErrorKind::Write(WriteFailure::WriteError(e)) => Some((e.code, e.code_name.clone())),
        ErrorKind::Write(WriteFailure::WriteConcernError(e)) => Some(named(e.code, &e.code_name)),
        ErrorKind::InsertMany(e) => {
            let writes = e.write_errors.iter().flatten();
            let write = writes.filter(|e| e.code != DUPLICATE_KEY).map(|e| (e.code, e.code_name.clone())).next();
            write.or_else(|| e.write_concern_error.as_ref().map(|e| named(e.code, &e.code_name)))
        }
        _ => None,
    }
}

fn answered(code: i32, name: Option<&str>) -> String {
    name.map_or_else(
        || format!("MongoDB answered error {code}"),
        |name| format!("MongoDB answered error {code} ({name})"),
    )
}

fn error(class: Class, text: String) -> StoreError {
    match class {
        Class::Away => StoreError::Unavailable(text),
        Class::Denied => StoreError::Denied(text),
        Class::Full => StoreError::Full(text),
        Class::Refused => StoreError::Invalid(text),
        Class::Fault => StoreError::Internal(text),
    }
}

/// The error of one write in a reply that the driver does not read.
pub fn of_write(code: i32) -> StoreError {
    error(class_of_code(code), answered(code, None))
}

impl From<Error> for StoreError {
    fn from(e: Error) -> Self {
        of(&e)
    }
}

fn of(e: &Error) -> StoreError {
    if let Some((code, name)) = code(e) {
        return error(class(|label| e.contains_label(label), Some(code)), answered(code, name.as_deref()));
    }
    match &*e.kind {
        ErrorKind::Authentication { .. } => StoreError::Denied("MongoDB refused user or password".to_owned()),
        ErrorKind::Io(e) => StoreError::Unavailable(format!("the connection to MongoDB failed: {}", of_io(e))),
        ErrorKind::ServerSelection { message, .. } | ErrorKind::ConnectionPoolCleared { message, .. } => {
            unreachable(message)
        }
        ErrorKind::DnsResolve { .. } => {
            StoreError::Unavailable("the name of MongoDB's host cannot be resolved".to_owned())
        }
        ErrorKind::Shutdown => StoreError::Unavailable("the store is closed".to_owned()),
        ErrorKind::IncompatibleServer { .. } => StoreError::Invalid(TOO_OLD.to_owned()),
        ErrorKind::InvalidTlsConfig { .. } => {
            StoreError::Invalid("the TLS options in MongoDB's address cannot be used".to_owned())
        }
        ErrorKind::BsonDeserialization(_) | ErrorKind::Bson(_) => {
            StoreError::Corrupt { what: "a document".to_owned(), why: "it cannot be read as BSON".to_owned() }
        }
        _ => error(class(|label| e.contains_label(label), None), "MongoDB's answer was not understood".to_owned()),
    }
}

const TOO_OLD: &str = "this server is older than MongoDB 4.4, the oldest that Provost works with";

fn of_io(e: &io::Error) -> String {
    // The error's own text may name a host; its kind does not.
    match e.kind() {
        io::ErrorKind::Other | io::ErrorKind::InvalidData => "TLS or the network".to_owned(),
        kind => kind.to_string(),
    }
}

/// No server was found: why, as far as the driver's report of all servers has one of the common reasons.
fn unreachable(report: &str) -> StoreError {
    let has = |words: &[&str]| words.iter().any(|word| report.contains(word));
    if has(&["wire version"]) {
        return StoreError::Invalid(TOO_OLD.to_owned());
    }
    if has(&["SCRAM failure", "Authentication failed", "AuthenticationFailed"]) {
        return StoreError::Denied("MongoDB refused user or password".to_owned());
    }
    let reason = if has(&["onnection refused"]) {
        ": connection refused"
    } else if has(&["failed to lookup address", "resolve"]) {
        ": the name of its host cannot be resolved"
    } else if has(&["certificate", "InvalidContentType", "tls", "TLS"]) {
        ": TLS failed"
    } else if has(&["timed out"]) {
        ": it does not answer"
    } else {
        ""
    };
    StoreError::Unavailable(format!("MongoDB cannot be reached{reason}"))
}

/// The error of an address that cannot be used, without the login that may be in it.
pub fn of_address(e: &Error) -> StoreError {
    match &*e.kind {
        ErrorKind::DnsResolve { .. } | ErrorKind::Io(_) => of(e),
        // The driver's text may repeat any part of the address.
        _ => StoreError::Invalid(
            "the address of MongoDB cannot be used: one of its parts or options is unknown or has a value that is not allowed"
                .to_owned(),
        ),
    }
}

pub fn is_duplicate(e: &Error) -> bool {
    code(e).is_some_and(|(code, _)| code == DUPLICATE_KEY)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mongodb::bson::{deserialize_from_document, doc};

    const WORDS: &str = "cannot connect to host=db.example.org user=olga database=postgres";

    /// The same error as the driver gives it for a command, a write, a write concern and one of many inserts.
    fn errors(code: i32) -> [Error; 4] {
        let said = doc! {"code": code, "codeName": "Name", "errmsg": WORDS};
        let one = doc! {"index": 1, "code": code, "codeName": "Name", "errmsg": WORDS};
        let known = doc! {"index": 0, "code": DUPLICATE_KEY, "errmsg": "E11000"};
        let many = doc! {"writeErrors": [known, one], "writeConcernError": null};
        [
            ErrorKind::Command(deserialize_from_document(said.clone()).unwrap()).into(),
            ErrorKind::Write(WriteFailure::WriteError(deserialize_from_document(said.clone()).unwrap())).into(),
            ErrorKind::Write(WriteFailure::WriteConcernError(deserialize_from_document(said).unwrap())).into(),
            ErrorKind::InsertMany(deserialize_from_document(many).unwrap()).into(),
        ]
    }

    #[test]
    fn codes_say_what_may_pass_and_no_text_names_host_or_user() {
        let away = [
            1, 6, 7, 24, 43, 46, 50, 64, 89, 91, 100, 112, 117, 133, 134, 175, 189, 202, 211, 237, 262, 365, 462, 9001,
            10107, 11600, 11602, 13388, 13435, 13436, 16500,
        ];
        let table = [
            (&away[..], "the store is unavailable"),
            (&[11, 13, 18, 8000], "the store refuses the login"),
            (&[14031], "no space left"),
            (&[121, 10334], "MongoDB answered"),
            // A server that lacks something, an index that is otherwise, a fault of ours: trying again changes nothing.
            (&[2, 9, 14, 26, 59, 61, 67, 72, 85, 86, 115, 238, 40415, 99_999], "fault in the store"),
        ];
        for (codes, begins) in table {
            for code in codes {
                for e in errors(*code) {
                    let error = StoreError::from(e);
                    let text = error.to_string();
                    assert!(
                        text.starts_with(begins) && text.contains(&format!("error {code} (Name)")),
                        "{code}: {text}"
                    );
                    let passes = begins.contains("unavailable") || begins.contains("login") || begins.contains("space");
                    assert_eq!(error.may_pass(), passes, "{code}");
                    assert!(!text.contains("olga") && !text.contains("example"), "{text}");
                }
            }
        }
        assert!(errors(DUPLICATE_KEY)[..3].iter().all(is_duplicate));
        let reply = of_write(112);
        assert_eq!(reply.to_string(), "the store is unavailable: MongoDB answered error 112");
    }

    #[test]
    fn a_label_makes_an_unknown_code_pass_but_not_a_refused_login() {
        for label in LABELS {
            let said = doc! {"code": 99_999, "codeName": "New", "errmsg": WORDS, "errorLabels": [label]};
            let concern = WriteFailure::WriteConcernError(deserialize_from_document(said).unwrap());
            let error = StoreError::from(Error::from(ErrorKind::Write(concern)));
            assert!(matches!(error, StoreError::Unavailable(_)), "{label}: {error}");
            assert_eq!(class(|l| l == label, Some(13)), Class::Denied);
            assert_eq!(class(|l| l == label, None), Class::Away);
        }
        assert_eq!(class(|l| l == "NoWritesPerformed", Some(99_999)), Class::Fault);
    }

    #[test]
    fn what_no_server_has_answered_is_told_by_its_cause() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, WORDS);
        assert_eq!(
            StoreError::from(Error::from(refused)).to_string(),
            "the store is unavailable: the connection to MongoDB failed: connection refused"
        );
        let report = |why: &str| {
            unreachable(&format!("No available servers. Servers: [ {{ Address: db.example.org:1, Error: {why} }} ]"))
                .to_string()
        };
        for (why, said) in [
            (
                "Kind: I/O error: Connection refused (os error 111)",
                "the store is unavailable: MongoDB cannot be reached: connection refused",
            ),
            ("Kind: I/O error: timed out", "the store is unavailable: MongoDB cannot be reached: it does not answer"),
            (
                "failed to lookup address information",
                "the store is unavailable: MongoDB cannot be reached: the name of its host cannot be resolved",
            ),
            ("SCRAM failure: bad auth for olga", "the store refuses the login: MongoDB refused user or password"),
            ("reports wire version 6, but", TOO_OLD),
            ("something new", "the store is unavailable: MongoDB cannot be reached"),
        ] {
            assert_eq!(report(why), said);
        }
    }
}
