//! `docs/COMMANDS.md` is what the command line says of itself, below what is written by hand.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use clap::{Arg, Command};
use provost::cli;
use std::path::Path;

const MARK: &str = "<!-- What follows is made from the command line itself; a test holds it. -->\n";

/// Flags that the part written by hand has once for all commands.
const COMMON: [&str; 10] = ["data_dir", "json", "wide", "verbose", "quiet", "config", "url", "key", "ca", "help"];

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// `--limit N`, `FILE`
fn name(arg: &Arg) -> String {
    let value = arg.get_action().takes_values().then(|| {
        let names = arg.get_value_names().map(|names| names.iter().map(|name| name.as_str()).collect::<Vec<_>>());
        names.unwrap_or_default().join(" ")
    });
    let flags = [arg.get_short().map(|c| format!("-{c}")), arg.get_long().map(|long| format!("--{long}"))];
    let flags: Vec<String> = flags.into_iter().flatten().collect();
    let parts = [Some(flags.join(", ")).filter(|text| !text.is_empty()), value];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn about(arg: &Arg) -> String {
    let mut out = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let takes = arg.get_action().takes_values();
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if takes && !defaults.is_empty() {
        out += &format!(" [default: {}]", defaults.join(", "));
    }
    let values: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if takes && !values.is_empty() {
        out += &format!(" [{}]", values.join(", "));
    }
    out
}

fn section(out: &mut String, command: &mut Command, path: &str, depth: usize) {
    out.push_str(&format!("\n{} {path}\n\n", "#".repeat(depth)));
    let text = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    out.push_str(&format!("{text}.\n"));
    let rows: Vec<String> = command
        .get_arguments()
        .filter(|arg| !COMMON.contains(&arg.get_id().as_str()))
        .map(|arg| format!("| `{}` | {} |\n", cell(&name(arg)), cell(&about(arg))))
        .collect();
    if !rows.is_empty() {
        out.push_str(&format!("\n| | |\n| --- | --- |\n{}", rows.concat()));
    }
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<&str> = examples.lines().skip(1).map(str::trim).collect();
    out.push_str(&format!("\n```sh\n{}\n```\n", lines.join("\n")));
    for below in command.get_subcommands_mut().filter(|below| below.get_name() != "help") {
        let path = format!("{path} {}", below.get_name());
        section(out, below, &path, depth + 1);
    }
}

fn reference() -> String {
    let mut command = cli::command();
    let mut out = String::new();
    for (group, names) in cli::groups_of_commands() {
        out.push_str(&format!("\n## {group}\n"));
        for name in names {
            let below = command.find_subcommand_mut(name).unwrap();
            section(&mut out, below, &format!("provost {name}"), 3);
        }
    }
    out
}

#[test]
fn the_reference_of_commands_has_all_that_the_command_line_has() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/COMMANDS.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, _) = text.split_once(MARK).expect("the mark is there");
    for id in COMMON.iter().filter(|id| **id != "help") {
        let flag = format!("`--{}", id.replace('_', "-"));
        assert!(head.contains(&flag), "the part written by hand has no {flag}");
    }
    let expected = format!("{head}{MARK}{}", reference());
    if text != expected {
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("COMMANDS.md");
        std::fs::write(&made, expected).unwrap();
        panic!("docs/COMMANDS.md is not what the command line says: cp {} {}", made.display(), path.display());
    }
}
