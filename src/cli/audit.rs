//! `provost audit`: reads the audit log from the store; a service may be running.

use super::common::{Common, Output};
use super::show;
use crate::error::{Error, Result};
use crate::open;
use clap::{Args, Subcommand};
use provost_domain::audit::{AuditEntry, Broken, Head};
use provost_store::{Store, StoreError};
use serde_json::json;

#[derive(Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    pub action: Action,
}

#[derive(Subcommand)]
pub enum Action {
    /// List entries, the newest first
    List {
        /// The most entries shown
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        limit: u32,
        #[command(flatten)]
        common: Common,
    },
    /// Verify the chain of hashes; name the first entry that was changed
    Verify {
        /// The number and hash of an entry, noted elsewhere: the log must still have this entry
        #[arg(long, value_name = "NUMBER:HASH", value_parser = noted)]
        head: Option<Head>,
        #[command(flatten)]
        common: Common,
    },
}

fn noted(text: &str) -> std::result::Result<Head, String> {
    let read = |text: &str| {
        let (number, hash) = text.split_once(':')?;
        let fits = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        Some(Head { number: number.parse().ok().filter(|_| fits)?, hash: hash.to_owned() })
    };
    read(text).ok_or_else(|| "allowed: a number, `:`, and 64 hexadecimal digits, as `verify` prints them".to_owned())
}

/// How many entries are read at a time.
const BATCH: u32 = 1000;

/// Verifies the chain of entries, and that `noted` is in it; returns the last entry's number and hash.
pub async fn verify(store: &dyn Store, noted: Option<&Head>) -> Result<Head> {
    let broken = |number, why: String| Error::Failed(Broken { number, why }.into());
    let told = store.audit_head().await?;
    let mut head = Head::origin();
    let mut limit = BATCH;
    loop {
        let entries = match store.audit_after(head.number, limit).await {
            Ok(entries) => entries,
            // One entry of the batch is corrupt: they are read one by one, so that the error can name it.
            Err(StoreError::Corrupt { .. }) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(StoreError::Corrupt { why, .. }) => {
                return Err(broken(head.number + 1, format!("the record is not an entry: {why}")));
            }
            Err(e) => return Err(e.into()),
        };
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            entry.check(&head).map_err(|e| Error::Failed(e.into()))?;
            head = entry.head();
            if let Some(noted) = noted.filter(|n| n.number == head.number && n.hash != head.hash) {
                return Err(broken(
                    noted.number,
                    "the hash differs from the noted one: the log was rewritten".to_owned(),
                ));
            }
        }
    }
    // The service may have appended entries since the head was read.
    if told.number > head.number {
        return Err(broken(
            head.number + 1,
            format!("the entry is missing; the last entry recorded is {}", told.number),
        ));
    }
    if told.number == head.number && told.hash != head.hash {
        return Err(broken(head.number, "the recorded head has another hash".to_owned()));
    }
    if let Some(noted) = noted.filter(|n| n.number > head.number) {
        return Err(broken(head.number + 1, format!("the entry is missing, but entry {} was noted", noted.number)));
    }
    Ok(head)
}

pub fn run(args: &AuditArgs) -> Result<()> {
    let (Action::List { common, .. } | Action::Verify { common, .. }) = &args.action;
    let settings = common.settings()?;
    let runtime = open::runtime()?;
    let store = open::store(&settings)?;
    let json = common.output.json;
    match &args.action {
        Action::List { limit, .. } => {
            list(&runtime.block_on(store.audit(None, *limit))?.items, &common.output);
            Ok(())
        }
        Action::Verify { head, .. } => {
            let Head { number, hash } = runtime.block_on(verify(&*store, head.as_ref()))?;
            show::tell(
                json,
                || json!({ "entries": number, "head": format!("{number}:{hash}") }),
                || format!("{} entries, none changed.\nhead  {number}:{hash}", show::thousands(number)),
            );
            Ok(())
        }
    }
}

fn list(entries: &[AuditEntry], output: &Output) {
    if output.json {
        for entry in entries {
            show::object(&json!(entry));
        }
        return;
    }
    if entries.is_empty() {
        show::line("The audit log is empty.");
        return;
    }
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            let deed = &entry.deed;
            let details: Vec<String> = deed.details.iter().map(|(name, value)| format!("{name}={value}")).collect();
            vec![
                entry.number.to_string(),
                deed.at.format("%Y-%m-%d %H:%M:%S").to_string(),
                deed.who.clone(),
                deed.act.to_string(),
                deed.outcome.clone().unwrap_or_else(|| "-".to_owned()),
                format!("{}  {}", deed.subject, details.join(" ")).trim_end().to_owned(),
            ]
        })
        .collect();
    let head = ["no", "at (UTC)", "who", "what", "outcome", "of"];
    show::line(&show::fitted(&head, &rows, output.width()));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chrono::DateTime;
    use provost_domain::audit::{Act, Deed};
    use provost_store::{AuditStore, DATABASE, SqliteStore};

    fn failure(result: Result<Head>) -> String {
        result.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn the_first_broken_entry_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path(), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(verify(&store, None).await.unwrap(), Head::origin());
        for n in 0..5 {
            let deed = Deed::new(DateTime::UNIX_EPOCH, "someone", Act::HttpRequest, n.to_string());
            store.append_audit(vec![deed]).await.unwrap();
        }
        let head = verify(&store, None).await.unwrap();
        assert_eq!((head.number, verify(&store, Some(&head)).await.unwrap()), (5, head.clone()));
        let other = Head { number: 3, hash: head.hash.clone() };
        assert!(failure(verify(&store, Some(&other)).await).contains("entry 3 "));
        let later = Head { number: 9, hash: head.hash.clone() };
        assert!(failure(verify(&store, Some(&later)).await).contains("entry 6 "));

        let database = folder.path().join(DATABASE);
        let run = |sql: &str| {
            let status = std::process::Command::new("python3")
                .args(["-c", "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])"])
                .arg(&database)
                .arg(sql)
                .status()
                .unwrap();
            assert!(status.success());
        };
        run(
            "DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_shortened; DELETE FROM audit WHERE number = 5",
        );
        assert!(failure(verify(&store, None).await).contains("entry 5 "), "the end is cut off");
        run("UPDATE audit SET document = '{}' WHERE number = 4");
        assert!(failure(verify(&store, None).await).contains("entry 4 "), "not an entry at all");
        run("UPDATE audit SET document = replace(document, 'someone', 'nobody') WHERE number = 2");
        assert!(failure(verify(&store, None).await).contains("entry 2 "));
    }

    #[test]
    fn a_noted_head_is_read_as_it_is_printed() {
        let hash = "ab".repeat(32);
        assert_eq!(noted(&format!("12:{hash}")), Ok(Head { number: 12, hash: hash.clone() }));
        for bad in ["", "12", &hash, &format!("x:{hash}"), &format!("12:{}", hash.to_uppercase()), "12:é"] {
            assert!(noted(bad).is_err(), "{bad}");
        }
    }
}
