//! A model card after Mitchell et al. 2019 that is also the technical documentation of a high-risk system under Annex
//! IV of the EU's AI Act, sections 1 to 9 (admissions are Annex III, 3(a)). A card is written from records only: the
//! same records give the same bytes. A blank with a question marks what only a person can answer.

mod block;
mod data;
mod development;
mod figures;
mod general;
mod history;
mod html;
mod markdown;
mod numbers;
mod plans;
mod records;
mod words;
mod yaml;

pub use block::{Block, Section};
pub use records::{CardTexts, Records};

/// The format of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One page for a browser.
    Html,
    /// CommonMark with tables.
    Markdown,
    /// A mapping with one text for each section, as `annex4ac` reads it, and the figures as numbers.
    Yaml,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::Html, Format::Markdown, Format::Yaml];

    /// The name of the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Html => "html",
            Format::Markdown => "markdown",
            Format::Yaml => "yaml",
        }
    }

    /// The format by its name or by a file extension.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "html" | "htm" => Some(Format::Html),
            "markdown" | "md" => Some(Format::Markdown),
            "yaml" | "yml" => Some(Format::Yaml),
            _ => None,
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Html => "text/html",
            Format::Markdown => "text/markdown",
            Format::Yaml => "application/yaml",
        }
    }
}

/// A card, independent of its format.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// `Model card: …`
    pub title: String,
    /// The sections 1 to 9 of Annex IV.
    pub sections: Vec<Section>,
}

impl Card {
    /// The card of a model, from its records.
    pub fn of(records: &Records) -> Self {
        let version = &records.model.version;
        Self {
            title: format!("Model card: {} {}", version.algorithm.title(), version.model_id),
            sections: vec![
                general::section(records),
                development::section(records),
                plans::monitoring(records),
                figures::section(records),
                plans::risks(records),
                history::section(records),
                plans::standards(),
                plans::declaration(),
                plans::post_market(records),
            ],
        }
    }

    /// The number of blanks that a person has to fill in.
    pub fn blanks(&self) -> usize {
        let blank = |block: &&Block| matches!(block, Block::Blank(_));
        self.sections.iter().map(|section| section.blocks.iter().filter(blank).count()).sum()
    }
}

/// Writes the card in a format.
pub fn write(records: &Records, format: Format) -> String {
    let card = Card::of(records);
    match format {
        Format::Html => html::page(&card),
        Format::Markdown => markdown::document(&card),
        Format::Yaml => yaml::document(&card, records),
    }
}
