//! A card as one page that loads nothing, so that it can be printed and archived.

use super::block::Block;
use super::{Card, markdown};
use provost_domain::visible;

/// On a screen the colours follow the system's scheme; in print they are those of the light scheme.
const STYLE: &str = ":root{color-scheme:light dark;--page:light-dark(#fff,#0f1419);--surface:light-dark(#f6f8fa,#171d25);\
    --ink:light-dark(#1f2933,#e6ebf0);--grid:light-dark(#e4e7eb,#2a333d);--needs:light-dark(#9a5200,#f0b34a)}\
    body{font:14px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:var(--ink);\
    background:var(--page)}h2{margin-top:2.5rem;border-bottom:1px solid var(--grid)}table{border-collapse:collapse;\
    margin:.75rem 0;display:block;overflow-x:auto}th,td{border:1px solid var(--grid);padding:.25rem .5rem;text-align:left;\
    vertical-align:top}dt{font-weight:600}dd{margin:0 0 .25rem 1rem;overflow-wrap:anywhere}.blank{border-left:4px solid \
    var(--needs);padding:.5rem .75rem;background:var(--surface)}h1,h2,h3,p,li{overflow-wrap:anywhere}\
    @media print{:root{color-scheme:light}}";

/// The whole card.
pub fn page(card: &Card) -> String {
    let title = escaped(&card.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title>\n<style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n\
         <p>{}</p>\n",
        escaped(&markdown::blanks(card))
    );
    for section in &card.sections {
        out.push_str(&format!("<section>\n<h2>{}. {}</h2>\n", section.number, escaped(section.title)));
        section.blocks.iter().for_each(|block| out.push_str(&of_block(block)));
        out.push_str("</section>\n");
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn of_block(block: &Block) -> String {
    let cells = |(open, close): (&str, &str), cells: &[String]| {
        let each: Vec<String> = cells.iter().map(|cell| format!("{open}{}{close}", escaped(cell))).collect();
        format!("<tr>{}</tr>\n", each.concat())
    };
    match block {
        Block::Heading(text) => format!("<h3>{}</h3>\n", escaped(text)),
        Block::Text(text) => format!("<p>{}</p>\n", escaped(text)),
        Block::List(items) => {
            let items: Vec<String> = items.iter().map(|item| format!("<li>{}</li>\n", escaped(item))).collect();
            format!("<ul>\n{}</ul>\n", items.concat())
        }
        Block::Facts(facts) => {
            let pair =
                |(name, value): &(String, String)| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(value));
            format!("<dl>\n{}</dl>\n", facts.iter().map(pair).collect::<Vec<_>>().concat())
        }
        Block::Table { head, rows } => {
            let head = cells(("<th scope=\"col\">", "</th>"), head);
            let rows: Vec<String> = rows.iter().map(|row| cells(("<td>", "</td>"), row)).collect();
            format!("<table>\n<thead>{head}</thead>\n<tbody>\n{}</tbody>\n</table>\n", rows.concat())
        }
        Block::Blank(question) => {
            format!("<p class=\"blank\">▢ <strong>To be answered:</strong> {}</p>\n", escaped(question))
        }
    }
}

/// Escapes markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible::line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_text_and_a_table_is_closed() {
        let head = vec!["</th>".to_owned()];
        let table = Block::Table { head, rows: vec![vec!["<b>&\"'".to_owned()]] };
        let html = of_block(&table);
        assert!(html.contains("<td>&lt;b&gt;&amp;&quot;&#39;</td>"), "{html}");
        assert!(html.contains("<th scope=\"col\">&lt;/th&gt;</th>"), "{html}");
    }
}
