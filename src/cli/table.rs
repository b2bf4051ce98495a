//! Tables: texts are left-aligned, numbers right-aligned. Every cell is one line.

use comfy_table::{CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Row, Table, TableStyle};
use console::{measure_text_width, truncate_str};
use provost_domain::visible;

const STYLE: TableStyle = TableStyle {
    header_lines: ContentLineStyle::none().left(' ').junction(' '),
    header_separator: LineStyle::none().left(' ').fill('─').junction(' '),
    content_lines: ContentLineStyle::none().left(' ').junction(' '),
    ..TableStyle::new()
};

/// The width in columns that only a long value may exceed.
pub const WIDTH: usize = 80;

/// A table with every cell in full.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    fitted(head, rows, None)
}

/// A table within `width` columns, if given: texts are cut with `…`, but neither numbers nor the first column, which holds
/// ids.
pub fn fitted(head: &[&str], rows: &[Vec<String>], width: Option<usize>) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| visible::line(cell).into_owned()).collect()).collect();
    // Texts may begin with a digit too; numbers, times and sizes are short.
    let numeric = |s: &str| {
        s.is_empty()
            || s == "-"
            || (s.chars().count() <= 25 && s.starts_with(|c: char| c.is_ascii_digit() || "+-−.".contains(c)))
    };
    let is_number: Vec<bool> = (0..head.len())
        .map(|i| !rows.is_empty() && rows.iter().filter_map(|row| row.get(i)).all(|cell| numeric(cell)))
        .collect();
    let mut rows = rows;
    if let Some(width) = width {
        cut(head, &mut rows, &is_number, width);
    }
    let mut table = Table::new();
    let mut header = Row::from(head.iter().copied());
    header.max_height(1);
    table.load_style(STYLE).set_header(header).set_content_arrangement(ContentArrangement::Disabled);
    for cells in &rows {
        let mut row = Row::from(cells);
        row.max_height(1);
        table.add_row(row);
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((1, 0));
        if is_number.get(i) == Some(&true) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut lines: Vec<String> = table.trim_fmt().lines().map(str::to_owned).collect();
    if let Some(rule) = lines.get_mut(1) {
        // The rule is as long as the cells, without the leading space, and a long last cell does not stretch it beyond the
        // width.
        let whole = rule.replace(" ─", "  ");
        let before_last =
            whole.rfind(' ').and_then(|at| whole.get(..at)).map_or(0, |before| before.chars().count() + 1);
        *rule = whole.chars().take(WIDTH.max(width.unwrap_or(0)).max(before_last + 4)).collect();
    }
    lines.join("\n")
}

/// If the columns do not fit into `width`, cuts the texts of the widest ones until they fit.
fn cut(head: &[&str], rows: &mut [Vec<String>], is_number: &[bool], width: usize) {
    let mut widths: Vec<usize> = head.iter().map(|name| measure_text_width(name)).collect();
    for row in rows.iter() {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(measure_text_width(cell));
        }
    }
    let is_text = |i: usize| i > 0 && is_number.get(i) == Some(&false);
    let shown = |i: usize, widest: usize, most: usize| {
        let name = head.get(i).map_or(0, |name| measure_text_width(name));
        if is_text(i) { widest.min(most.max(name)) } else { widest }
    };
    // Two blanks stand before each column.
    let total = |most: usize| widths.iter().enumerate().map(|(i, widest)| 2 + shown(i, *widest, most)).sum::<usize>();
    let mut most = widths.iter().copied().max().unwrap_or(0);
    while most > 1 && total(most) > width {
        most -= 1;
    }
    for row in rows {
        for (i, (cell, widest)) in row.iter_mut().zip(&widths).enumerate() {
            *cell = truncate_str(cell, shown(i, *widest, most), "…").into_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["forest".to_owned(), "0.5".to_owned()], vec!["é".to_owned(), "12.25".to_owned()]];
        assert_eq!(
            table(&["model", "auc"], &rows),
            "  model     auc\n  ──────  ─────\n  forest    0.5\n  é       12.25"
        );
    }

    #[test]
    fn a_long_value_does_not_stretch_the_rule() {
        let rows = vec![vec!["members".to_owned(), "x".repeat(200)]];
        let shown = table(&["parameter", "value"], &rows);
        assert_eq!(shown.lines().nth(1).map(|rule| rule.chars().count()), Some(WIDTH));
        assert!(shown.contains(&"x".repeat(200)));
    }

    #[test]
    fn a_cell_is_one_line_and_its_rule_is_as_long_as_what_is_seen() {
        let name = "U\u{1b}[31m\u{202e}x\r\n  forged  row";
        let shown = table(&["university"], &[vec![name.to_owned()]]);
        assert_eq!(
            shown,
            "  university\n  ".to_owned() + &"─".repeat(37) + "\n  U\\u{1b}[31m\\u{202e}x\\r\\n  forged  row"
        );
    }

    #[test]
    fn nothing_is_cut_while_room_is_left() {
        let rows = vec![vec!["k".repeat(20), "admin".to_owned(), "until 2027-01-31".to_owned(), "n".repeat(60)]];
        let shown = fitted(&["id", "role", "state", "name"], &rows, Some(80));
        assert!(shown.contains("until 2027-01-31") && shown.contains('…'), "{shown}");
        assert!(shown.lines().any(|line| line.chars().count() == 80), "{shown}");
    }

    #[test]
    fn a_narrow_terminal_cuts_texts_and_neither_ids_nor_numbers() {
        let id = "job_0190163d8694739b8b2c2a0b7a3f1e55";
        let why = "the data fails its quality check: only one class is among the points of 2026";
        let rows = vec![vec![id.to_owned(), "failed".to_owned(), "12,345".to_owned(), why.to_owned()]];
        for width in [60, 80, 120] {
            let shown = fitted(&["job", "state", "rows", "why"], &rows, Some(width));
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{shown}");
            assert!(shown.contains(id) && shown.contains("12,345") && shown.contains('…'), "{shown}");
            assert_eq!(shown.lines().count(), 3, "{shown}");
        }
        let all = fitted(&["job", "state", "rows", "why"], &rows, None);
        assert!(all.contains(why) && !all.contains('…'), "{all}");
    }
}
