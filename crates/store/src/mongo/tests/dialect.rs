//! What the backend asks of a server: these commands, options and operators and no others. Servers that speak MongoDB's protocol
//! differ beyond them: DocumentDB, which FerretDB 2 is made of too, refuses an empty sort.

use mongodb::bson::{Bson, Document, doc};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Commands with their members besides those that the driver adds to each.
const COMMANDS: [(&str, &[&str]); 13] = [
    ("buildInfo", &[]),
    ("ping", &[]),
    ("endSessions", &[]),
    ("killCursors", &["cursors"]),
    ("find", &["filter", "sort", "limit", "batchSize", "projection", "singleBatch"]),
    ("getMore", &["collection", "batchSize"]),
    ("aggregate", &["pipeline", "cursor"]),
    ("count", &[]),
    ("insert", &["documents", "ordered"]),
    ("update", &["updates", "ordered"]),
    ("delete", &["deletes", "ordered"]),
    ("findAndModify", &["query", "update", "new", "upsert"]),
    ("createIndexes", &["indexes"]),
];
const LISTING: (&str, &[&str]) = ("listIndexes", &["cursor"]);
const OF_EVERY_COMMAND: [&str; 7] =
    ["lsid", "$db", "$clusterTime", "$readPreference", "txnNumber", "writeConcern", "readConcern"];
const OPERATORS: [&str; 16] = [
    "$in", "$nin", "$exists", "$gt", "$gte", "$lt", "$lte", "$ne", "$eq", "$or", "$set", "$unset", "$inc", "$max",
    "$match", "$group",
];
const OF_GROUP: &str = "$sum";

static BROKEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Everything that was sent so far and should not have been.
pub fn broken() -> Vec<String> {
    BROKEN.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

pub fn check(name: &str, command: &Document) {
    let faults = faults(name, command);
    BROKEN.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
}

fn faults(name: &str, command: &Document) -> Vec<String> {
    let mut faults = Vec::new();
    let known = COMMANDS.iter().chain([&LISTING]).find(|(known, _)| *known == name);
    let Some((_, members)) = known else { return vec![format!("the command {name}")] };
    for (member, value) in command.iter().filter(|(member, _)| *member != name) {
        if !members.contains(&member.as_str()) && !OF_EVERY_COMMAND.contains(&member.as_str()) {
            faults.push(format!("{name}: the option {member}"));
        }
        match (member.as_str(), value) {
            ("sort" | "projection" | "hint" | "query" | "collation" | "let", Bson::Document(empty))
                if empty.is_empty() =>
            {
                faults.push(format!("{name}: an empty {member}"));
            }
            ("sort", Bson::Document(sort)) if sort.values().any(|order| !matches!(order, Bson::Int32(1 | -1))) => {
                faults.push(format!("{name}: a sort other than by 1 and -1"));
            }
            ("projection", Bson::Document(shown)) if shown.values().any(|shown| *shown != Bson::Int32(1)) => {
                faults.push(format!("{name}: a projection other than by 1"));
            }
            // What is stored is the store's own affair.
            ("documents" | "cursor" | "lsid" | "$clusterTime" | "$readPreference", _) => {}
            _ => operators(name, value, &mut faults),
        }
    }
    faults
}

/// Operators at any depth; updates are documents, never pipelines.
fn operators(name: &str, value: &Bson, faults: &mut Vec<String>) {
    match value {
        Bson::Array(all) => all.iter().for_each(|inner| operators(name, inner, faults)),
        Bson::Document(document) => {
            for (member, inner) in document {
                if member == "u" && inner.as_array().is_some() {
                    faults.push(format!("{name}: an update by a pipeline"));
                }
                if member.starts_with('$') && !OPERATORS.contains(&member.as_str()) && member != OF_GROUP {
                    faults.push(format!("{name}: the operator {member}"));
                }
                if matches!(member.as_str(), "$set" | "$unset" | "$inc" | "$max")
                    && inner.as_document().is_none_or(Document::is_empty)
                {
                    faults.push(format!("{name}: an empty {member}"));
                }
                operators(name, inner, faults);
            }
        }
        _ => {}
    }
}

#[test]
fn what_not_every_server_takes_is_found() {
    let found = |command: Document| faults(command.iter().next().map_or("", |(name, _)| name), &command);
    assert_eq!(
        found(doc! {"find": "c", "filter": {"a": {"$in": [1]}}, "sort": {"a": -1}, "$db": "d"}),
        Vec::<String>::new()
    );
    for (command, fault) in [
        (doc! {"find": "c", "filter": {}, "sort": {}}, "find: an empty sort"),
        (doc! {"find": "c", "projection": {}}, "find: an empty projection"),
        (doc! {"find": "c", "sort": {"a": {"$meta": "x"}}}, "find: a sort other than by 1 and -1"),
        (doc! {"find": "c", "hint": {"a": 1}}, "find: the option hint"),
        (doc! {"find": "c", "filter": {"$or": [{"$where": "x"}]}}, "find: the operator $where"),
        (doc! {"update": "c", "updates": [{"q": {}, "u": [{"$set": {"a": 1}}]}]}, "update: an update by a pipeline"),
        (doc! {"update": "c", "updates": [{"q": {}, "u": {"$set": {}}}]}, "update: an empty $set"),
        (doc! {"mapReduce": "c"}, "the command mapReduce"),
        (doc! {"commitTransaction": 1}, "the command commitTransaction"),
    ] {
        assert_eq!(found(command), [fault]);
    }
}
