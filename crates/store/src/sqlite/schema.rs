//! The schema and its forward migrations. `user_version` counts the steps taken; each runs in a transaction of its own
//! with the raise of the version.
//!
//! What a step creates is never edited once released: a later step changes it.

use super::connection::in_transaction;
use crate::error::{Result, StoreError};
use rusqlite::Connection;

/// Step n leads from version n to n + 1.
pub const STEPS: &[&str] = &[V1, V2, V3, LOCKS, RETENTION, SESSIONS, CALLERS, QUEUE, NEEDS, WATCH, RANKS];

/// Documents are JSON text. Points fill plain columns from the struct instead of generated ones: SQLite computes these at
/// each insert to check their types, and on this one hot table two of them doubled the insert's time (2 to 4 µs at 560
/// bytes). Elsewhere indexed columns are generated, so that they cannot disagree with the document. Times to sort by are
/// microseconds since 1970 (text of varying precision does not sort).
const V1: &str = "
CREATE TABLE installation (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    document TEXT NOT NULL
) STRICT;

CREATE TABLE points (
    position INTEGER PRIMARY KEY,
    data_point_id TEXT NOT NULL UNIQUE,
    seq INTEGER NOT NULL,
    content BLOB NOT NULL,
    verified INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE TABLE points_mark (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    total INTEGER NOT NULL
) STRICT;
INSERT INTO points_mark VALUES (1, 0, 0);

CREATE TABLE jobs (
    job_id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    status TEXT NOT NULL GENERATED ALWAYS AS (document ->> '$.job.status') VIRTUAL
) STRICT;
CREATE INDEX jobs_by_age ON jobs (created_at, job_id);
CREATE INDEX jobs_by_status ON jobs (status, created_at, job_id);
CREATE TABLE job_events (
    job_id TEXT NOT NULL REFERENCES jobs,
    seq INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (job_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE trials (
    job_id TEXT NOT NULL REFERENCES jobs,
    algorithm TEXT NOT NULL,
    number INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (job_id, algorithm, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE models (
    model_id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    algorithm TEXT NOT NULL GENERATED ALWAYS AS (document ->> '$.version.algorithm') VIRTUAL
) STRICT;
CREATE INDEX models_by_age ON models (created_at, model_id);
CREATE INDEX models_by_algorithm ON models (algorithm, created_at);
CREATE TABLE active_model (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    model_id TEXT NOT NULL REFERENCES models,
    rev INTEGER NOT NULL
) STRICT;
CREATE TABLE activations (
    rev INTEGER PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE evaluations (
    task_id TEXT PRIMARY KEY,
    model_id TEXT NOT NULL REFERENCES models,
    finished INTEGER,
    scored INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX evaluations_by_model ON evaluations (model_id, scored, finished);
CREATE INDEX evaluations_unfinished ON evaluations (task_id) WHERE finished IS NULL;

CREATE TABLE triggers (
    trigger_id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX triggers_by_age ON triggers (created_at, trigger_id);
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;
CREATE TABLE responses (
    key TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX responses_by_age ON responses (created_at);

CREATE TABLE inbox (
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    payload_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    sent INTEGER NOT NULL DEFAULT 0,
    document TEXT NOT NULL,
    channel TEXT NOT NULL GENERATED ALWAYS AS (document ->> '$.channel') VIRTUAL
) STRICT;
CREATE INDEX outbox_pending ON outbox (channel, position) WHERE sent = 0;
";

/// Events and automation: what makes a point count as new, retractions (a row without a document keeps their `seq`),
/// pending triggers, decisions of the gate.
const V2: &str = "
ALTER TABLE points ADD COLUMN usable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE points ADD COLUMN retracted INTEGER NOT NULL DEFAULT 0;
UPDATE points SET usable = 1 WHERE document ->> '$.decision' IN ('accepted', 'rejected');
ALTER TABLE points_mark ADD COLUMN usable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE points_mark ADD COLUMN verified INTEGER NOT NULL DEFAULT 0;
UPDATE points_mark SET usable = (SELECT count(*) FROM points WHERE usable),
    verified = (SELECT count(*) FROM points WHERE usable AND verified);

ALTER TABLE inbox ADD COLUMN led_to TEXT;

ALTER TABLE triggers ADD COLUMN pending INTEGER NOT NULL GENERATED ALWAYS AS
    (document ->> '$.job_id' IS NULL AND document ->> '$.outcome' IS NULL) VIRTUAL;
CREATE INDEX triggers_pending ON triggers (created_at, trigger_id) WHERE pending;

CREATE TABLE decisions (
    job_id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_by_age ON decisions (created_at);
";

/// Leases, and units of work for a fleet.
const V3: &str = "
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    beat INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE work_units (
    unit_id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES jobs,
    created_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    state TEXT NOT NULL GENERATED ALWAYS AS (document ->> '$.state') VIRTUAL
) STRICT;
CREATE INDEX work_units_open ON work_units (created_at, unit_id) WHERE state = 'open';
CREATE INDEX work_units_by_job ON work_units (job_id);
";

/// API keys and the audit log. The triggers refuse changes that nobody should make by mistake; somebody who intends
/// them can drop the triggers, and the chain of hashes then shows the change.
const LOCKS: &str = "
CREATE TABLE keys (
    key_id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
CREATE TABLE audit_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;
INSERT INTO audit_head VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
";

/// What retention looks for, oldest first.
const RETENTION: &str = "
CREATE INDEX inbox_by_age ON inbox (created_at);
CREATE INDEX outbox_settled ON outbox (position) WHERE sent <> 0;
";

/// Sessions of browsers; there are never many.
const SESSIONS: &str = "
CREATE TABLE sessions (
    sha256 TEXT PRIMARY KEY,
    key_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Whose idempotency keys there are, and how much is stored for them. What is there already has no owner, and is answered
/// to the same request until it expires.
const CALLERS: &str = "
ALTER TABLE responses ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE responses ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX responses_by_owner ON responses (owner, created_at, bytes);
";

/// What is asked of every unfinished job at once, in an index of its own: their records, which may be large, are not read. The
/// order is that of `jobs::queued`. A column without a type of its own would be computed from the record all the same.
const QUEUE: &str = "
ALTER TABLE jobs ADD COLUMN queue TEXT GENERATED ALWAYS AS (json_extract(document, '$.config_hash', '$.snapshot',
    '$.cancel.at', '$.running_seconds', '$.estimated_minutes', '$.job.estimated_time_remaining_seconds')) VIRTUAL;
CREATE INDEX jobs_unfinished ON jobs (created_at, job_id, status, queue) WHERE status IN ('pending', 'running');
";

/// What needs a person. `dealt` is 0 for what waits, 1 for what somebody has acknowledged, 2 for what was withdrawn.
const NEEDS: &str = "
CREATE TABLE needs (
    need_id TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    dealt INTEGER NOT NULL,
    dealt_at INTEGER,
    snoozed_until INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX needs_by_age ON needs (since, need_id);
CREATE INDEX needs_by_state ON needs (dealt, since, need_id, snoozed_until);
CREATE INDEX needs_dealt_with ON needs (dealt_at) WHERE dealt_at IS NOT NULL;
";

/// Windows of predictions and points that were compared with a model's training data.
const WATCH: &str = "
CREATE TABLE watched_windows (
    window_id TEXT PRIMARY KEY,
    model_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX watched_windows_by_age ON watched_windows (created_at, window_id);
CREATE INDEX watched_windows_by_model ON watched_windows (model_id, kind, created_at, window_id);
";

/// How long a job ran, and its best score, as `JobRank::value` has them, to the millisecond.
const RANKS: &str = "
ALTER TABLE jobs ADD COLUMN took INTEGER GENERATED ALWAYS AS (coalesce(CAST(round((julianday(document ->> '$.job.completed_at')
    - julianday(document ->> '$.job.started_at')) * 86400000) AS INTEGER), -1)) VIRTUAL;
ALTER TABLE jobs ADD COLUMN score INTEGER GENERATED ALWAYS AS
    (coalesce(CAST(round((document ->> '$.job.best_score') * 1e9) AS INTEGER), -1)) VIRTUAL;
CREATE INDEX jobs_by_duration ON jobs (took, job_id);
CREATE INDEX jobs_by_status_and_duration ON jobs (status, took, job_id);
CREATE INDEX jobs_by_score ON jobs (score, job_id);
CREATE INDEX jobs_by_status_and_score ON jobs (status, score, job_id);
";

/// The version of the schema in this file.
pub fn version(connection: &Connection) -> Result<u32> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Takes the steps that the database has not taken yet; refuses one that knows more steps than there are here.
pub fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<()> {
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    loop {
        // Read again under the lock: another process may be migrating too.
        let done = in_transaction(connection, |transaction| {
            let found = version(transaction)?;
            if found > known {
                return Err(StoreError::NewerSchema { found, known });
            }
            let Some(step) = steps.get(found as usize) else { return Ok(true) };
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", found + 1)?;
            Ok(false)
        })?;
        if done {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const GROWING: &[&str] = &[
        "CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1);",
        "ALTER TABLE t ADD COLUMN y TEXT; UPDATE t SET y = 'one' WHERE x = 1;",
        "CREATE TABLE u (z); INSERT INTO missing VALUES (1);",
    ];

    #[test]
    fn steps_are_taken_once_and_in_order() {
        let mut c = Connection::open_in_memory().unwrap();
        migrate(&mut c, &GROWING[..1]).unwrap();
        assert_eq!(version(&c).unwrap(), 1);
        migrate(&mut c, &GROWING[..2]).unwrap();
        migrate(&mut c, &GROWING[..2]).unwrap();
        let rows: Vec<(i64, String)> = c
            .prepare("SELECT x, y FROM t")
            .unwrap()
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))
            .unwrap()
            .map(|r| r.unwrap())
            .collect();
        assert_eq!(rows, [(1, "one".to_owned())]);
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before_it() {
        let mut c = Connection::open_in_memory().unwrap();
        migrate(&mut c, GROWING).unwrap_err();
        assert_eq!(version(&c).unwrap(), 2);
        assert!(c.prepare("SELECT * FROM u").is_err(), "half a step was kept");
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let mut c = Connection::open_in_memory().unwrap();
        let newer = STEPS.len() as u32 + 1;
        c.pragma_update(None, "user_version", newer).unwrap();
        let error = migrate(&mut c, STEPS).unwrap_err();
        assert!(matches!(error, StoreError::NewerSchema { found, .. } if found == newer), "{error}");
    }
}
