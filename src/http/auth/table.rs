//! The one table of the roles that routes need. A route that is missing here is refused to everybody once a key exists.

use super::super::BASE;
use percent_encoding::percent_decode_str;
use provost_domain::key::Role;
use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// No key is needed.
    Public,
    /// With a key of this role or a higher one.
    Role(Role),
}

const PUBLIC: Access = Access::Public;
const CLIENT: Access = Access::Role(Role::Client);
const VIEWER: Access = Access::Role(Role::Viewer);
const OPERATOR: Access = Access::Role(Role::Operator);
const ADMIN: Access = Access::Role(Role::Admin);

/// Methods of a route, and what they need.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub methods: &'static [&'static str],
    /// A segment in braces matches any text that is not empty.
    pub path: &'static str,
    pub access: Access,
    /// Whether requests are recorded in the audit log: those that change something, and exports.
    pub audited: bool,
}

const fn row(methods: &'static [&'static str], path: &'static str, access: Access, audited: bool) -> Row {
    Row { methods, path, access, audited }
}

const READ: &[&str] = &["GET", "HEAD"];
const GET: &[&str] = &["GET"];
const POST: &[&str] = &["POST"];

/// The routes below the base path. A comparison and a quality report are POST requests, but change nothing.
pub const CONTRACT: &[Row] = &[
    row(POST, "/train", OPERATOR, true),
    row(READ, "/jobs", VIEWER, false),
    row(READ, "/jobs/{job_id}", VIEWER, false),
    row(&["DELETE"], "/jobs/{job_id}", OPERATOR, true),
    row(GET, "/jobs/{job_id}/events", VIEWER, false),
    row(READ, "/models", VIEWER, false),
    row(READ, "/models/{model_id}", VIEWER, false),
    row(READ, "/models/{model_id}/card", VIEWER, false),
    row(GET, "/models/{model_id}/export", OPERATOR, true),
    row(POST, "/activate/{model_id}", OPERATOR, true),
    row(POST, "/rollback", OPERATOR, true),
    row(READ, "/activations", VIEWER, false),
    row(READ, "/decisions", VIEWER, false),
    row(POST, "/compare", VIEWER, false),
    row(READ, "/compare/plots/{file}", VIEWER, false),
    row(READ, "/metrics/{model_id}", VIEWER, false),
    row(READ, "/feature-importance/{model_id}", VIEWER, false),
    row(POST, "/evaluate/{model_id}", OPERATOR, true),
    row(READ, "/evaluate/{model_id}/results", VIEWER, false),
    row(READ, "/evaluate/{model_id}/plots/{file}", VIEWER, false),
    row(READ, "/fairness/{model_id}", VIEWER, false),
    row(POST, "/data-quality", VIEWER, false),
    row(POST, "/points", OPERATOR, true),
    row(READ, "/points/{upload_id}/rejects", OPERATOR, false),
    row(POST, "/data-checks", VIEWER, false),
    row(POST, "/predict", CLIENT, false),
    row(READ, "/predictions", VIEWER, false),
    row(READ, "/predictions/{prediction_id}", VIEWER, false),
    row(READ, "/shadow", VIEWER, false),
    row(&["PUT"], "/shadow", OPERATOR, true),
    row(READ, "/drift", VIEWER, false),
    row(READ, "/drift/windows/{window_id}", VIEWER, false),
    row(READ, "/performance", VIEWER, false),
    row(READ, "/triggers", VIEWER, false),
    row(READ, "/schedule", VIEWER, false),
    row(&["PUT"], "/schedule", ADMIN, true),
    row(READ, "/needs", VIEWER, false),
    row(POST, "/needs/{need_id}/acknowledge", OPERATOR, true),
    row(POST, "/needs/{need_id}/snooze", OPERATOR, true),
    row(READ, "/parked", VIEWER, false),
    row(READ, "/parked/message", OPERATOR, false),
    row(POST, "/parked/return", OPERATOR, true),
    row(POST, "/parked/drop", OPERATOR, true),
    row(READ, "/keys", ADMIN, false),
    row(POST, "/keys", ADMIN, true),
    row(&["DELETE"], "/keys/{key_id}", ADMIN, true),
    row(READ, "/audit", ADMIN, false),
    row(READ, "/status", VIEWER, false),
];

/// Open to everybody where the setting `http.open_metrics` is on.
pub const METRICS: &str = "/metrics";

pub const ROOT: &[Row] = &[
    row(READ, "/", VIEWER, false),
    row(GET, "/live", VIEWER, false),
    row(READ, "/needs", VIEWER, false),
    row(POST, "/needs/{need_id}/acknowledge", OPERATOR, true),
    row(POST, "/needs/{need_id}/snooze", OPERATOR, true),
    row(READ, "/jobs", VIEWER, false),
    row(POST, "/jobs", OPERATOR, true),
    row(READ, "/jobs/{job_id}", VIEWER, false),
    row(GET, "/jobs/{job_id}/live", VIEWER, false),
    row(POST, "/jobs/{job_id}/stop", OPERATOR, true),
    row(READ, "/train", OPERATOR, false),
    row(POST, "/train", OPERATOR, true),
    row(READ, "/models", VIEWER, false),
    row(READ, "/models/{model_id}", VIEWER, false),
    row(GET, "/models/{model_id}/live", VIEWER, false),
    row(READ, "/models/{model_id}/activate", OPERATOR, false),
    row(POST, "/models/{model_id}/activate", OPERATOR, true),
    row(READ, "/rollback", OPERATOR, false),
    row(POST, "/rollback", OPERATOR, true),
    row(READ, "/compare", VIEWER, false),
    row(READ, "/decisions", VIEWER, false),
    row(READ, "/decisions/{job_id}", VIEWER, false),
    row(POST, "/decisions/{job_id}/approve", OPERATOR, true),
    row(POST, "/decisions/{job_id}/decline", OPERATOR, true),
    row(READ, "/predictions", VIEWER, false),
    row(READ, "/predictions/{prediction_id}", VIEWER, false),
    row(READ, "/shadow", VIEWER, false),
    row(POST, "/shadow", OPERATOR, true),
    row(READ, "/data", VIEWER, false),
    row(READ, "/watch", VIEWER, false),
    row(READ, "/data/upload", OPERATOR, false),
    row(POST, "/data/upload", OPERATOR, true),
    row(READ, "/data/upload/{upload_id}", OPERATOR, false),
    row(POST, "/data/upload/{upload_id}", OPERATOR, true),
    // An estimate changes nothing, though it is a POST request.
    row(READ, "/ask", VIEWER, false),
    row(POST, "/ask", VIEWER, false),
    row(READ, "/system", VIEWER, false),
    row(READ, "/system/messages", VIEWER, false),
    row(POST, "/system/messages", OPERATOR, true),
    row(READ, "/system/messages/one", OPERATOR, false),
    row(READ, "/system/keys", ADMIN, false),
    row(POST, "/system/keys", ADMIN, true),
    row(POST, "/system/keys/{key_id}/revoke", ADMIN, true),
    row(READ, "/system/settings", ADMIN, false),
    row(READ, "/schedule", ADMIN, false),
    row(POST, "/schedule", ADMIN, true),
    row(POST, "/theme", PUBLIC, false),
    row(READ, "/assets/{file}", PUBLIC, false),
    row(READ, "/favicon.ico", PUBLIC, false),
    row(READ, "/livez", PUBLIC, false),
    row(READ, "/readyz", PUBLIC, false),
    row(READ, METRICS, VIEWER, false),
    row(GET, "/openapi.json", PUBLIC, false),
    row(READ, "/asyncapi.json", PUBLIC, false),
    row(READ, "/docs", PUBLIC, false),
    row(READ, "/docs/swagger-ui.css", PUBLIC, false),
    row(READ, "/docs/swagger-ui-bundle.js", PUBLIC, false),
    row(READ, "/docs/swagger-initializer.js", PUBLIC, false),
    row(READ, "/redoc", PUBLIC, false),
    row(READ, "/redoc/redoc.standalone.js", PUBLIC, false),
    row(READ, "/v2", CLIENT, false),
    row(READ, "/v2/health/live", PUBLIC, false),
    row(READ, "/v2/health/ready", PUBLIC, false),
    row(READ, "/v2/models/{name}", CLIENT, false),
    row(READ, "/v2/models/{name}/versions/{version}", CLIENT, false),
    row(READ, "/v2/models/{name}/ready", CLIENT, false),
    row(READ, "/v2/models/{name}/versions/{version}/ready", CLIENT, false),
    row(POST, "/v2/models/{name}/infer", CLIENT, false),
    row(POST, "/v2/models/{name}/versions/{version}/infer", CLIENT, false),
    row(POST, "/invocations", CLIENT, false),
    row(READ, "/ping", PUBLIC, false),
    row(READ, "/health", PUBLIC, false),
    row(READ, "/version", PUBLIC, false),
    // These two handlers read the key or the session themselves.
    row(POST, "/sign-in", PUBLIC, false),
    row(POST, "/sign-out", PUBLIC, false),
];

#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Row(&'static Row),
    /// The path exists, but not with this method; `allow` lists its methods. `public`: none of them needs a key.
    Methods {
        allow: String,
        public: bool,
    },
    Nothing,
}

pub fn find(method: &str, path: &str) -> Found {
    let (rows, path) = match below_base(path) {
        Some(below) => (CONTRACT, below),
        None => (ROOT, path),
    };
    let mut methods: Vec<&str> = Vec::new();
    let mut public = true;
    for row in rows.iter().filter(|row| matches(row.path, path)) {
        if row.methods.contains(&method) {
            return Found::Row(row);
        }
        methods.extend(row.methods);
        public &= row.access == Access::Public;
    }
    if methods.is_empty() { Found::Nothing } else { Found::Methods { allow: methods.join(", "), public } }
}

/// The part of the path below the base path, with its leading slash.
fn below_base(path: &str) -> Option<&str> {
    let mut below = path;
    for wanted in BASE.split('/').skip(1) {
        let rest = below.strip_prefix('/')?;
        let segment = &rest[..rest.find('/').unwrap_or(rest.len())];
        if decoded(segment) != wanted {
            return None;
        }
        below = &rest[segment.len()..];
    }
    Some(below)
}

/// The position of a request's row, counted through `ROOT` and then `CONTRACT`, and the position of the method within
/// the row; for a method that the row does not have, the number of the row's methods. None if no row has this path.
pub fn position(method: &str, path: &str) -> Option<(usize, usize)> {
    let (rows, first, path) = match below_base(path) {
        Some(below) => (CONTRACT, ROOT.len(), below),
        None => (ROOT, 0, path),
    };
    let mut other = None;
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| matches(row.path, path)) {
        if let Some(method) = row.methods.iter().position(|known| *known == method) {
            return Some((first + at, method));
        }
        other.get_or_insert((first + at, row.methods.len()));
    }
    other
}

/// The router decodes a path before it matches the path, so names are compared decoded here, too.
fn matches(pattern: &str, path: &str) -> bool {
    let mut given = path.split('/');
    for wanted in pattern.split('/') {
        let Some(segment) = given.next() else { return false };
        let fits = if wanted.starts_with('{') { !segment.is_empty() } else { decoded(segment) == wanted };
        if !fits {
            return false;
        }
    }
    given.next().is_none()
}

fn decoded(segment: &str) -> Cow<'_, str> {
    if segment.contains('%') { percent_decode_str(segment).decode_utf8_lossy() } else { Cow::Borrowed(segment) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(method: &str, path: &str) -> Option<Access> {
        match find(method, path) {
            Found::Row(row) => Some(row.access),
            _ => None,
        }
    }

    #[test]
    fn a_route_is_found_by_method_and_path() {
        let below = |path: &str| format!("{BASE}{path}");
        for (method, path, expected) in [
            ("POST", below("/train"), Some(OPERATOR)),
            ("POST", below("/%74rain"), Some(OPERATOR)),
            ("POST", "/%61pi/v1/model%2Dtraining/train".to_owned(), Some(OPERATOR)),
            ("POST", "/api%2Fv1/model-training/train".to_owned(), None),
            ("GET", "/api/v1".to_owned(), None),
            ("GET", BASE.to_owned(), None),
            ("GET", below("/jobs/job_1"), Some(VIEWER)),
            ("DELETE", below("/jobs/job_1"), Some(OPERATOR)),
            ("GET", below("/jobs/"), None),
            ("GET", below("/jobs/a/b"), None),
            ("GET", below("/jobs/a%2Fb"), Some(VIEWER)),
            ("GET", below("/evaluate/m/plots/roc_curve.png"), Some(VIEWER)),
            ("PUT", below("/schedule"), Some(ADMIN)),
            ("GET", below("/audit"), Some(ADMIN)),
            ("GET", METRICS.to_owned(), Some(VIEWER)),
            ("GET", "/docs/swagger-ui.css".to_owned(), Some(PUBLIC)),
            ("GET", "/docs".to_owned(), Some(PUBLIC)),
            ("GET", "/".to_owned(), Some(VIEWER)),
            ("GET", String::new(), None),
            ("GET", "//".to_owned(), None),
            ("GET", "/keys".to_owned(), None),
            ("GET", "/api/v1/model-trainingx".to_owned(), None),
        ] {
            assert_eq!(access(method, &path), expected, "{method} {path}");
        }
        let methods = |path: &str| match find("PATCH", path) {
            Found::Methods { allow, public } => (allow, public),
            other => panic!("{other:?}"),
        };
        assert_eq!(methods(&below("/jobs/x")), ("GET, HEAD, DELETE".to_owned(), false));
        assert_eq!(methods("/livez"), ("GET, HEAD".to_owned(), true));
    }

    #[test]
    fn every_method_of_every_row_has_a_position_of_its_own() {
        let all = ROOT.iter().map(|row| ("", row)).chain(CONTRACT.iter().map(|row| (BASE, row)));
        for (at, (base, row)) in all.enumerate() {
            let path = format!("{base}{}", row.path.replace(['{', '}'], ""));
            for (number, method) in row.methods.iter().enumerate() {
                assert_eq!(position(method, &path), Some((at, number)), "{method} {path}");
            }
            let other = position("BREW", &path);
            assert!(other.is_some_and(|(_, method)| method > 0), "{path}: {other:?}");
        }
        assert_eq!(position("GET", "/nowhere"), None);
    }

    /// A segment that is a name for one row and any text for another would make their order matter.
    #[test]
    fn no_path_is_of_two_rows_with_different_names() {
        for rows in [CONTRACT, ROOT] {
            for a in rows {
                for b in rows.iter().filter(|b| b.path != a.path) {
                    let sample = b.path.replace(['{', '}'], "");
                    assert!(!matches(a.path, &sample), "{} and {}", a.path, b.path);
                }
            }
        }
    }

    /// Predictions change nothing and have a log of their own.
    #[test]
    fn whatever_changes_something_is_audited() {
        let changes = |row: &&Row| ![CLIENT, VIEWER].contains(&row.access) && !row.methods.contains(&"GET");
        for row in CONTRACT.iter().filter(changes) {
            assert!(row.audited, "{}", row.path);
        }
    }
}
