//! Section 6: changes, and the audit log.

use super::block::{Block, Section};
use super::numbers::moment;
use super::records::Records;
use super::words::sentence;
use provost_domain::audit::AuditEntry;

pub fn section(records: &Records) -> Section {
    let version = &records.model.version;
    let mut blocks = vec![Block::facts([
        ("Registered", moment(version.training_date)),
        ("Evaluated last", records.results.as_ref().map(|r| moment(r.evaluation_date)).unwrap_or_default()),
        ("Deprecated", if version.is_deprecated { "yes" } else { "no" }.to_owned()),
        ("Active", if version.is_active { "yes" } else { "no" }.to_owned()),
    ])];
    blocks.push(Block::heading("When it was active"));
    if records.activations.is_empty() {
        blocks.push(Block::text("It has not been active."));
    } else {
        let row = |a: &provost_domain::model::Activation| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            vec![moment(a.activated_at), a.model_id.to_string(), text(&a.activated_by), sentence(&text(&a.reason))]
        };
        let rows = records.activations.iter().map(row).collect();
        blocks.push(Block::table(&["When", "Model that became active", "By", "Why"], rows));
    }
    blocks.push(Block::text(
        "A model does not change: another training makes another version with a card of its own. Rows, parameters and seed \
         determine its bytes.",
    ));
    blocks.push(Block::blank("Which changes to the system are planned, and who assesses them before they are made?"));
    blocks.push(Block::heading("Who did what"));
    if records.log.is_empty() {
        blocks.push(Block::text("The audit log has no entry about the model or its job."));
    } else {
        blocks.push(Block::table(&["Number", "When", "Who", "What", "Outcome", "SHA-256"], log(&records.log)));
    }
    if records.log_is_cut {
        blocks.push(Block::text("Older entries of the audit log were not looked at."));
    }
    Section { number: 6, key: "changes_and_versions", title: "Changes through the system's lifecycle", blocks }
}

fn log(entries: &[AuditEntry]) -> Vec<Vec<String>> {
    let row = |entry: &AuditEntry| {
        let deed = &entry.deed;
        // The network address of a caller without a key is shown to admins only.
        let who =
            deed.who.split_once('@').filter(|(name, _)| *name == "anonymous").map_or(&*deed.who, |(name, _)| name);
        vec![
            entry.number.to_string(),
            moment(deed.at),
            who.to_owned(),
            format!("{} {}", deed.act, deed.subject),
            deed.outcome.clone().unwrap_or_default(),
            entry.hash.clone(),
        ]
    };
    entries.iter().map(row).collect()
}
