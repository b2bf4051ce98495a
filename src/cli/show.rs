//! What commands write: lines, objects, bars, hints. All output of commands goes through here, so that no text of others (a
//! university's name, a broker's message, a file's name) is obeyed by a terminal.

pub use super::human::{about, bytes, moment, parameter, percent, relative, score, seconds, thousands};
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

/// From now on there are no bars and no hints.
pub fn be_quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

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

/// Whether anybody still reads standard output.
pub fn is_read() -> bool {
    FAILED.get().is_none()
}

/// Columns of the terminal, or none where standard output is a file or a pipe: what goes there is not cut.
pub fn terminal_width() -> Option<usize> {
    let out = console::Term::stdout();
    // A terminal that does not know its size answers 0.
    let columns = || out.size_checked().map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0);
    out.is_term().then(|| columns().unwrap_or(WIDTH))
}

/// Whether colours go to a stream, by the conventions of NO_COLOR and CLICOLOR_FORCE, else by whether it is a terminal.
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

/// Text on standard error, of which a terminal obeys nothing but line feeds.
pub fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", visible::lines(text));
}

/// What would be better, on standard error.
pub fn hint(text: &str) {
    if !IS_QUIET.load(Ordering::Relaxed) {
        error(&format!("hint: {text}"));
    }
}

/// Columns to show things in: the terminal's, and 80 at most.
pub fn width() -> usize {
    terminal_width().unwrap_or(WIDTH).min(WIDTH)
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

/// A bar on standard error; hidden with `--json` and where nobody looks.
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
