//! Section 1: what the system is.

use super::block::{Block, Section};
use super::numbers::moment;
use super::records::Records;

pub fn section(records: &Records) -> Section {
    let (version, texts) = (&records.model.version, &records.texts);
    let parent = version.parent_model_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut blocks = vec![
        Block::heading("Purpose"),
        Block::said(&texts.purpose, "What is the system for, for which programs, and what is it not for?"),
        Block::text(
            "The model estimates the probability that an application is accepted, from features of the application and of the \
             program. The estimate is for a person who decides. Access to education is an area of Annex III, 3(a), of Regulation \
             (EU) 2024/1689.",
        ),
        Block::heading("People"),
    ];
    if !texts.provider.trim().is_empty() {
        blocks.push(Block::facts([("Provider", texts.provider.trim().to_owned())]));
    } else {
        blocks.push(Block::blank("Who provides the system (name, address)?"));
    }
    blocks.push(Block::said(&texts.contact, "Who answers questions about the system?"));
    blocks.push(Block::heading("Version"));
    blocks.push(Block::facts([
        ("Model", version.model_id.to_string()),
        ("Version", version.version.clone()),
        ("Label", version.version_tag.clone().unwrap_or_default()),
        ("Algorithm", version.algorithm.title().to_owned()),
        ("Registered", moment(version.training_date)),
        ("Trained by order of", version.created_by.clone().unwrap_or_default()),
        ("Active when it was trained", parent),
        ("SHA-256 of the artifact", version.model_sha256.clone()),
        ("Program", format!("provost {}", env!("CARGO_PKG_VERSION"))),
        ("Notes", version.notes.clone().unwrap_or_default()),
    ]));
    blocks.extend([
        Block::heading("How it is used"),
        Block::text(
            "The system is a service: applications are sent to it over HTTP (its OpenAPI document describes every request) or \
             over RabbitMQ (its AsyncAPI document), and it answers with a probability, the features that it came from and, if \
             asked, an explanation. It runs on a computer with a Linux system without special hardware.",
        ),
        Block::blank("Which systems of the institution is it connected with, and what do their users see of it?"),
        Block::blank("Where are the instructions for use that deployers get?"),
    ]);
    Section { number: 1, key: "system_overview", title: "General description of the system", blocks }
}
