//! Tables: texts are left-aligned, numbers right-aligned. Every cell is one line.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Row, Table, TableStyle,
};
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
    let mut table = Table::new();
    let mut header = Row::from(head.iter().copied());
    header.max_height(1);
    table.load_style(STYLE).set_header(header).set_content_arrangement(ContentArrangement::Disabled);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    for cells in &rows {
        let mut row = Row::from(cells);
        row.max_height(1);
        table.add_row(row);
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((1, 0));
        let right = !rows.is_empty() && rows.iter().filter_map(|row| row.get(i)).all(|cell| numeric(cell));
        if right {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if right || i == 0 {
            column.set_constraint(ColumnConstraint::ContentWidth);
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
