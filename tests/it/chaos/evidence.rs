//! What a SQLite store says after a death: read from the file, beside the program that wrote it.

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

pub fn open(data: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(data.join(provost_store::DATABASE), flags).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    connection
}

pub fn texts(c: &Connection, sql: &str) -> Vec<String> {
    let mut statement = c.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(|row| row.unwrap()).collect()
}

pub fn documents(c: &Connection, sql: &str) -> Vec<Value> {
    texts(c, sql).iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// How many events of this job are told.
pub fn events(data: &Path, job: &str) -> u64 {
    let count = "SELECT count(*) FROM job_events WHERE job_id = ?1";
    open(data).query_row(count, [job], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
}

pub fn rows(data: &Path, table: &str) -> i64 {
    open(data).query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Where each running job was when its process died.
pub fn places(data: &Path) -> Vec<&'static str> {
    let c = open(data);
    let mut places = Vec::new();
    for record in documents(&c, "SELECT document FROM jobs WHERE status = 'running'") {
        let units = record["units"].as_object().unwrap();
        let job = record["job"]["job_id"].as_str().unwrap();
        let of_job = |sql: &str| -> i64 { c.query_row(sql, [job], |row| row.get(0)).unwrap() };
        let registered = of_job("SELECT count(*) FROM models WHERE document ->> '$.job_id' = ?1");
        let done = units.values().filter(|u| u["done"] == true && !u["model_id"].is_null()).count() as i64;
        let open_result = units.values().any(|u| !u["result"].is_null() && u["done"] == false);
        let decided = of_job("SELECT count(*) FROM decisions WHERE job_id = ?1");
        let all_done = units.values().all(|u| u["done"] == true || !u["error"].is_null());
        let searching = !all_done && of_job("SELECT count(*) FROM trials WHERE job_id = ?1") > 0;
        places.push(if decided > 0 {
            "gate had decided, job not ended"
        } else if all_done {
            "all units done, job not ended (gate, if it has one)"
        } else if registered > done {
            "model registered, unit not done"
        } else if open_result {
            "fitted, not registered (evaluation)"
        } else if record["snapshot"].is_null() {
            "loading the rows"
        } else if searching {
            "search or final fit, with trials kept"
        } else {
            "search, no trial yet"
        });
    }
    places
}

/// Whether every event that the broker confirmed has had its effect.
pub fn has_all(data: &Path, ledger: &super::world::Ledger) -> bool {
    let c = open(data);
    let there: BTreeSet<String> = texts(&c, "SELECT data_point_id FROM points").into_iter().collect();
    let taken: BTreeSet<String> =
        texts(&c, "SELECT i.id FROM inbox i JOIN triggers t ON t.trigger_id = i.led_to WHERE NOT t.pending")
            .into_iter()
            .collect();
    ledger.points.is_subset(&there) && ledger.triggers.is_subset(&taken)
}
