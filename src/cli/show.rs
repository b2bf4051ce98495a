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
        |s: &str| s.is_empty() || s == "-" || s.starts_with(|c: char| c.is_ascii_digit() || "+-−.".contains(c));
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

/// Columns to show things in: the terminal's, and 80 at most.
pub fn width() -> usize {
    let terminal = console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    terminal.filter(|columns| *columns > 0).unwrap_or(WIDTH).min(WIDTH)
}

/// Words in lines of at most 80 columns, each after `indent`.
pub fn wrapped(text: &str, indent: &str) -> String {
    wrapped_at(text, indent, WIDTH)
}

/// Words in lines of at most so many columns, each after `indent`.
pub fn wrapped_at(text: &str, indent: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let room = |line: &String| line.chars().count() + 1 + word.chars().count() <= width;
        match lines.last_mut().filter(|line| room(line)) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
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

/// Progress in whole per cent; 100 only of what is through.
pub fn percent(done: f64) -> String {
    format!("{:.0} %", done.floor())
}

/// A parameter's value as JSON, with at most four digits after the point, or three significant ones where it is small.
pub fn parameter(value: &Value) -> String {
    match value {
        Value::Number(n) => match n.as_f64().filter(|_| n.is_f64()) {
            Some(x) if x != 0.0 && x.abs() < 1e-3 => format!("{x:.2e}").replace(".00e", "e"),
            Some(x) => ((x * 1e4).round() / 1e4).to_string(),
            None => n.to_string(),
        },
        Value::Array(items) => format!("[{}]", items.iter().map(parameter).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}: {}", parameter(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// `4.2 s`, `3 min 20 s`, `2 h 5 min`
pub fn seconds(s: f64) -> String {
    // Rounded first: 59.97 s are a minute.
    match (s.max(0.0) * 10.0).round() / 10.0 {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{} min {} s", s as u64 / 60, s as u64 % 60),
        s => format!("{} h {} min", s as u64 / 3600, s as u64 % 3600 / 60),
    }
}

/// A time that is only about right: `41 s`, `3 min`, `2 h 5 min`
pub fn about(s: f64) -> String {
    match s.max(0.0).round() {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{:.0} min", s / 60.0),
        s => seconds(s),
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
    fn no_parameter_has_seventeen_digits() {
        let value = serde_json::json!({"weights": [0.1 + 0.2, 1.0 / 3.0], "alpha": 1e-4, "rate": 0.00012345, "n": 100, "c": 10.0,
            "depth": null});
        assert_eq!(
            parameter(&value),
            "{weights: [0.3, 0.3333], alpha: 1e-4, rate: 1.23e-4, n: 100, c: 10, depth: null}"
        );
        assert_eq!([99.99, 100.0, 0.4].map(percent), ["99 %", "100 %", "0 %"]);
    }

    #[test]
    fn words_are_wrapped_between_them() {
        let text = wrapped(&"word ".repeat(40), "  ");
        assert!(text.lines().all(|line| line.starts_with("  word") && line.chars().count() <= WIDTH));
        assert_eq!((text.lines().count(), text.matches("word").count()), (3, 40));
        assert_eq!((wrapped("", "  ").as_str(), wrapped(&"x".repeat(200), "").len()), ("", 200));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([4.24, 200.0, 7500.0].map(seconds), ["4.2 s", "3 min 20 s", "2 h 5 min"]);
        assert_eq!([41.3, 89.4, 170.0, 7500.0].map(about), ["41 s", "89 s", "3 min", "2 h 5 min"]);
        assert_eq!([59.94, 59.97, 3599.99, -1.0].map(seconds), ["59.9 s", "1 min 0 s", "1 h 0 min", "0.0 s"]);
    }
}
