//! A card as CommonMark with tables.

use super::Card;
use super::block::{Block, Section};
use provost_domain::visible;

/// The whole card.
pub fn document(card: &Card) -> String {
    let mut out = format!("# {}\n\n{}\n", inline(&card.title), blanks(card));
    for section in &card.sections {
        out.push_str(&format!("\n## {}. {}\n", section.number, section.title));
        out.push_str(&body(section, 3));
    }
    out
}

/// The number of open questions, as a sentence.
pub fn blanks(card: &Card) -> String {
    format!("Written from records. {} questions marked ▢ are for a person to answer.", card.blanks())
}

/// A section without its heading; headings within it have this level.
pub fn body(section: &Section, level: usize) -> String {
    let mut out = String::new();
    for block in &section.blocks {
        out.push('\n');
        match block {
            Block::Heading(text) => out.push_str(&format!("{} {}\n", "#".repeat(level), inline(text))),
            Block::Text(text) => out.push_str(&format!("{}\n", inline(text))),
            Block::List(items) => items.iter().for_each(|item| out.push_str(&format!("- {}\n", inline(item)))),
            Block::Facts(facts) => {
                facts
                    .iter()
                    .for_each(|(name, value)| out.push_str(&format!("- **{}**: {}\n", inline(name), inline(value))));
            }
            Block::Table { head, rows } => {
                let line = |cells: &[String]| {
                    let cells: Vec<String> = cells.iter().map(|cell| inline(cell)).collect();
                    format!("| {} |\n", cells.join(" | "))
                };
                out.push_str(&line(head));
                out.push_str(&format!("|{}\n", " --- |".repeat(head.len())));
                rows.iter().for_each(|row| out.push_str(&line(row)));
            }
            Block::Blank(question) => out.push_str(&format!("▢ **To be answered:** {}\n", inline(question))),
        }
    }
    out
}

/// Escapes markup.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in visible::line(text).char_indices() {
        let begins_list = at == 0 && matches!(c, '-' | '+');
        if begins_list || matches!(c, '\\' | '|' | '*' | '_' | '<' | '>' | '[' | ']' | '`' | '#' | '&' | '~' | '!') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(inline("a|b <script> *x* \u{202e}\n"), "a\\|b \\<script\\> \\*x\\* \\\\u{202e}\\\\n");
    }
}
