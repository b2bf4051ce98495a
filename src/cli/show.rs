//! How things look on a terminal: tables within 80 columns, numbers, bars. All output of commands goes through here, so that
//! no text of others (a university's name, a broker's message, a file's name) is obeyed by a terminal.

use crate::error::{Error, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use provost_domain::visible;
use serde_json::Value;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

/// Columns of a terminal that nothing but a long value goes beyond.
const WIDTH: usize = 80;

/// The first write to standard output that failed.
static FAILED: OnceLock<std::io::Error> = OnceLock::new();

/// Text on standard output, of which a terminal obeys nothing but line feeds.
pub fn line(text: &str) {
    painted(&visible::lines(text));
}

/// One JSON object on standard output.
pub fn object(value: &Value) {
    painted(&visible::json(&value.to_string()));
}

/// The object with `--json`, else the text.
pub fn tell(json: bool, value: impl FnOnce() -> Value, text: impl FnOnce() -> String) {
    if json { object(&value()) } else { line(&text()) }
}

/// Text on standard output as it is: the caller has coloured it and escaped all that came from elsewhere.
pub fn painted(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(e) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        let _ = FAILED.set(e); // an earlier fault is the one to tell
    }
}

/// Fails if something could not be written to standard output, a full disk, for one. A reader that has closed its pipe has
/// what it wanted.
pub fn written() -> Result<()> {
    match FAILED.get() {
        Some(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Error::failed(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// Text on standard error, of which a terminal obeys nothing but line feeds.
pub fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", visible::lines(text));
}

/// Rows in columns: text to the left, numbers to the right. Every cell is one line.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| visible::line(cell).into_owned()).collect()).collect();
    let width = |s: &str| s.chars().count();
    let numeric =
        |s: &str| s.is_empty() || s == "-" || s.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let columns: Vec<(usize, bool)> = head
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let cells = || rows.iter().filter_map(move |r| r.get(i));
            let widest = cells().map(|c| width(c)).max().unwrap_or(0).max(width(name));
            (widest, !rows.is_empty() && cells().all(|c| numeric(c)))
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut out = String::new();
        for (cell, (wide, right)) in cells.zip(&columns) {
            let pad = " ".repeat(wide.saturating_sub(width(cell)));
            out.push_str("  ");
            if *right {
                out.push_str(&pad);
            }
            out.push_str(cell);
            if !*right {
                out.push_str(&pad);
            }
        }
        out.truncate(out.trim_end().len());
        out
    };
    let mut out = line(&mut head.iter().copied());
    // A long text in the last column runs over the edge; its rule does not.
    let before: usize = columns.iter().rev().skip(1).map(|(w, _)| w + 2).sum();
    let last = columns.len().saturating_sub(1);
    let rule_width = |i: usize, w: usize| if i == last { w.min(WIDTH.saturating_sub(before + 2)) } else { w };
    let rule: Vec<String> = columns.iter().enumerate().map(|(i, (w, _))| "─".repeat(rule_width(i, *w))).collect();
    for row in std::iter::once(&rule).chain(&rows) {
        out.push('\n');
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

/// `1,234,567`
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A share of 1 with three digits, or a dash.
pub fn score(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"))
}

/// `4.2 s`, `3 min 20 s`, `2 h 5 min`
pub fn seconds(s: f64) -> String {
    match s {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{} min {} s", s as u64 / 60, s as u64 % 60),
        s => format!("{} h {} min", s as u64 / 3600, s as u64 % 3600 / 60),
    }
}

/// A bar on standard error; hidden with `--json` and where nobody looks.
pub fn bar(length: u64, template: &str, json: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), target(json));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar
}

pub fn target(json: bool) -> ProgressDrawTarget {
    if json || !std::io::stderr().is_terminal() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
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
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([4.24, 200.0, 7500.0].map(seconds), ["4.2 s", "3 min 20 s", "2 h 5 min"]);
    }
}
