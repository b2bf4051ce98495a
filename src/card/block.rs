//! The content of a card: sections of plain blocks, which each format writes in its own way.

/// A section of Annex IV.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Its number, 1 to 9.
    pub number: u32,
    /// Its key in the YAML format.
    pub key: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// Its content.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A heading within the section.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// Items.
    List(Vec<String>),
    /// Names and their values.
    Facts(Vec<(String, String)>),
    /// A table.
    Table {
        /// Names of the columns.
        head: Vec<String>,
        /// Rows of cells, as many as columns.
        rows: Vec<Vec<String>>,
    },
    /// A blank that a person fills in, with the question.
    Blank(String),
}

impl Block {
    /// A heading within the section.
    pub fn heading(text: &str) -> Self {
        Block::Heading(text.to_owned())
    }

    /// A paragraph.
    pub fn text(text: impl Into<String>) -> Self {
        Block::Text(text.into())
    }

    /// A question that a person has to answer.
    pub fn blank(question: &str) -> Self {
        Block::Blank(question.to_owned())
    }

    /// The text of a setting, or the question if the setting is empty.
    pub fn said(text: &str, question: &str) -> Self {
        if text.trim().is_empty() { Self::blank(question) } else { Self::text(text.trim()) }
    }

    /// A table with these columns.
    pub fn table(head: &[&str], rows: Vec<Vec<String>>) -> Self {
        Block::Table { head: head.iter().map(|name| (*name).to_owned()).collect(), rows }
    }

    /// Names and their values, without those that have no value.
    pub fn facts<const N: usize>(facts: [(&str, String); N]) -> Self {
        Block::Facts(facts.into_iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (n.to_owned(), v)).collect())
    }
}
