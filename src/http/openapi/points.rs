//! Examples of an imported file.

use super::super::points::{ImportAnswer, RejectReason, rejects_address};
use serde_json::{Value, json};

const UPLOAD: &str = "0199c7a2b4d87c3e9f10a1b2c3d4e5f6";

/// The example of an operation's JSON answer.
pub fn answer(operation: &str) -> Option<Value> {
    let imported = || ImportAnswer {
        upload_id: UPLOAD.to_owned(),
        file: "decisions.csv".to_owned(),
        lines: 1201,
        rows: 1200,
        inserted: 1170,
        unchanged: 12,
        superseded: 9,
        stale: 0,
        conflicts: 0,
        rejected: 9,
        left_out: 0,
        outliers: 2,
        seconds: 0.4,
        error: None,
        told: vec!["delimiter ';'".to_owned()],
        unread: vec!["comment".to_owned()],
        reasons: vec![RejectReason { reason: "decision: `pending` is no decision".to_owned(), rows: 9 }],
        rejects: Some(rejects_address(UPLOAD)),
    };
    (operation == "import_points").then(|| json!(imported()))
}

/// The example of an answer of JSON lines.
pub fn answer_line(operation: &str) -> Option<Value> {
    let line = json!({
        "file": "decisions.csv", "line": 17, "reason": "decision: `pending` is no decision", "raw": "a-17;3.7;pending",
    });
    (operation == "get_rejected_rows").then(|| json!(format!("{line}\n")))
}
