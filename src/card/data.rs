//! The training data, for section 2.

use super::block::Block;
use super::numbers::percent;
use super::records::Records;
use super::words::{feature, plain};
use provost_domain::snapshot::SnapshotFacts;

pub fn blocks(records: &Records) -> Vec<Block> {
    let config = &records.model.version.training_config;
    let mut blocks = vec![Block::heading("Data")];
    match &records.audit {
        Ok(audit) => blocks.extend(of_snapshot(records, &audit.data)),
        Err(why) => blocks.push(Block::text(format!("The rows cannot be read: {why}."))),
    }
    blocks.push(Block::facts([
        ("Source", plain(config.data_source)),
        ("File", config.data_path.clone().unwrap_or_default()),
        ("Only verified outcomes", if config.use_verified_only { "yes" } else { "no" }.to_owned()),
        ("Snapshot (SHA-256)", records.model.snapshot.clone()),
    ]));
    blocks.push(Block::text(
        "Accepted is the positive outcome, rejected the negative one; waitlisted, deferred and withdrawn applications are left \
         out. The table of features counts the values that rows have, not the defaults that stand for missing ones. \
         Nationality, gender and other attributes of applicants are kept for audits and are never features.",
    ));
    blocks.push(Block::blank("How were the data collected, for what purpose at first, and on what legal ground?"));
    blocks.push(Block::blank("Who labelled or verified the outcomes, and how?"));
    blocks
}

fn of_snapshot(records: &Records, facts: &SnapshotFacts) -> Vec<Block> {
    let training = records.model.version.training_samples;
    let rest = facts.rows.saturating_sub(training + facts.test_rows);
    let mut blocks = vec![Block::facts([
        ("Rows with an outcome", facts.rows.to_string()),
        ("Accepted", format!("{} ({})", facts.accepted, percent(facts.accepted, facts.rows))),
        ("Applicants", facts.applicants.to_string()),
        ("Programs", facts.programs.to_string()),
        ("Training rows", training.to_string()),
        ("Validation rows", rest.to_string()),
        ("Test rows", facts.test_rows.to_string()),
    ])];
    if facts.rows_read < facts.rows {
        let gone = facts.rows - facts.rows_read;
        let text = format!("{gone} of the rows are not in their source any more: how complete they are is not known.");
        blocks.push(Block::text(text));
    }
    if facts.rows_read > 0 {
        blocks.push(Block::table(&["Feature", "Rows that have it", "Share"], {
            let row = |f: &provost_domain::snapshot::FeatureFacts| {
                vec![feature(&f.feature), f.present.to_string(), percent(f.present, facts.rows_read)]
            };
            facts.features.iter().map(row).collect()
        }));
    }
    if !facts.years.is_empty() {
        let years = facts
            .years
            .iter()
            .map(|y| vec![y.year.to_string(), y.rows.to_string(), y.accepted.to_string(), percent(y.accepted, y.rows)]);
        blocks.push(Block::table(&["Application year", "Rows", "Accepted", "Share"], years.collect()));
    }
    if facts.rows_without_year > 0 {
        blocks.push(Block::text(format!("{} rows have no application year.", facts.rows_without_year)));
    }
    if !facts.warnings.is_empty() {
        blocks.push(Block::text("What the check of the data found:"));
        blocks.push(Block::List(facts.warnings.clone()));
    }
    blocks
}
