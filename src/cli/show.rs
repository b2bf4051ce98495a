//! The output of commands: lines, objects, bars, hints. All output goes through here, so that control characters in foreign
//! text (a university's name, a broker's message, a file's name) never reach a terminal.

pub use super::human::{about, bytes, counted, moment, parameter, percent, relative, score, seconds, thousands};
pub use super::table::{WIDTH, fitted, table};

use crate::error::{Error, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use provost_domain::visible;
use serde_json::Value;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The first write to standard output that failed.
static FAILED: OnceLock<std::io::Error> = OnceLock::new();

/// Set by `--quiet`.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Turns off bars and hints.
pub fn be_quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// Writes text to standard output; control characters other than line feeds are escaped.
pub fn line(text: &str) {
    painted(&visible::lines(text));
}

/// Writes one JSON object to standard output.
pub fn object(value: &Value) {
    painted(&visible::json(&value.to_string()));
}

/// Writes the object with `--json`, else the text.
pub fn tell(json: bool, value: impl FnOnce() -> Value, text: impl FnOnce() -> String) {
    if json { object(&value()) } else { line(&text()) }
}

/// Writes text to standard output unchanged: the caller has coloured it and escaped everything foreign.
pub fn painted(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(e) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        let _ = FAILED.set(e); // the first error is the one to report
    }
}

/// Fails if something could not be written to standard output, for example because the disk is full. A closed pipe is not an
/// error: its reader has read enough.
pub fn written() -> Result<()> {
    match FAILED.get() {
        Some(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Error::failed(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// Whether standard output still has a reader.
pub fn is_read() -> bool {
    FAILED.get().is_none()
}

/// The terminal's width in columns; None for a file or a pipe, where nothing is shortened.
pub fn terminal_width() -> Option<usize> {
    let out = console::Term::stdout();
    // A terminal of unknown size reports 0.
    let columns = || out.size_checked().map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0);
    out.is_term().then(|| columns().unwrap_or(WIDTH))
}

/// Whether a stream is coloured: by the conventions of NO_COLOR and CLICOLOR_FORCE, else if it is a terminal.
pub fn colours(is_terminal: bool) -> bool {
    coloured(|name| std::env::var(name).ok(), is_terminal)
}

fn coloured(variable: impl Fn(&str) -> Option<String>, is_terminal: bool) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    if is_set("NO_COLOR") {
        return false;
    }
    if variable("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0") {
        return true;
    }
    is_terminal && variable("CLICOLOR").as_deref() != Some("0") && variable("TERM").as_deref() != Some("dumb")
}

/// Writes text to standard error; control characters other than line feeds are escaped, and a terminal gets no long lines.
pub fn error(text: &str) {
    let text = visible::lines(text);
    let mut out = std::io::stderr().lock();
    let _ = if out.is_terminal() { writeln!(out, "{}", narrow(&text)) } else { writeln!(out, "{text}") };
}

/// Wraps the lines that are longer than 80 columns below their own beginning.
fn narrow(text: &str) -> String {
    let wrapped = text.split('\n').map(|line| {
        if line.chars().count() <= WIDTH {
            return line.to_owned();
        }
        let said = line.trim_start();
        let said = said.strip_prefix("→ ").unwrap_or(said);
        hanging(line.strip_suffix(said).unwrap_or_default(), said)
    });
    wrapped.collect::<Vec<_>>().join("\n")
}

/// Writes advice to standard error.
pub fn hint(text: &str) {
    if !IS_QUIET.load(Ordering::Relaxed) {
        error(&format!("hint: {text}"));
    }
}

/// The width for prose: the terminal's, at most 80 columns.
pub fn width() -> usize {
    terminal_width().unwrap_or(WIDTH).min(WIDTH)
}

/// Wraps text at 80 columns or less; each line begins with `indent`.
pub fn wrapped(text: &str, indent: &str) -> String {
    wrapped_at(text, indent, WIDTH)
}

/// Wraps text at `width` columns; each line begins with `indent`.
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

/// Wraps text at 80 columns or less behind `lead`; further lines begin below the first one's text.
pub fn hanging(lead: &str, text: &str) -> String {
    let indent = " ".repeat(lead.chars().count());
    format!("{lead}{}", wrapped(text, &indent).trim_start())
}

/// A progress bar on standard error; hidden with `--json` and where standard error is not a terminal.
pub fn bar(length: u64, template: &str, json: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), target(json));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar
}

pub fn target(json: bool) -> ProgressDrawTarget {
    let is_hidden = json || IS_QUIET.load(Ordering::Relaxed) || !std::io::stderr().is_terminal();
    if is_hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_between_them() {
        let text = wrapped(&"word ".repeat(40), "  ");
        assert!(text.lines().all(|line| line.starts_with("  word") && line.chars().count() <= WIDTH));
        assert_eq!((text.lines().count(), text.matches("word").count()), (3, 40));
        assert_eq!((wrapped("", "  ").as_str(), wrapped(&"x".repeat(200), "").len()), ("", 200));
    }

    #[test]
    fn text_hangs_below_its_lead() {
        let text = hanging("  ✓ data  ", &"word ".repeat(30));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.starts_with("  ✓ data  word ") && text.lines().skip(1).all(|l| l.starts_with("          word ")));
        assert_eq!(hanging("a ", ""), "a ");
    }

    #[test]
    fn only_long_lines_of_an_error_are_wrapped() {
        let long = "word ".repeat(30);
        let shown = narrow(&format!("provost: {long}\n  → {long}\n  short   line"));
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
        assert!(shown.contains("\n  → word") && shown.contains("\n    word") && shown.ends_with("\n  short   line"));
    }

    #[test]
    fn colours_follow_the_environment_and_then_the_terminal() {
        let coloured = |set: &[(&str, &str)], is_terminal: bool| {
            let variable = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            coloured(variable, is_terminal)
        };
        assert!(coloured(&[], true) && !coloured(&[], false));
        assert!(!coloured(&[("NO_COLOR", "1")], true) && coloured(&[("NO_COLOR", "")], true));
        assert!(coloured(&[("CLICOLOR_FORCE", "1")], false) && !coloured(&[("CLICOLOR_FORCE", "0")], false));
        assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false));
        assert!(!coloured(&[("CLICOLOR", "0")], true) && !coloured(&[("TERM", "dumb")], true));
    }
}
