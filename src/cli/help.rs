//! The parts of `--help` beside the options: groups of commands, and examples for each command.

use super::{Cli, show};
use clap::{Command, CommandFactory};

/// The path of a command, and examples of its use.
type Examples = (&'static str, &'static [&'static str]);

/// The groups of commands in the order of the help. Subcommands follow their command.
const GROUPS: [(&str, &[Examples]); 5] = [
    (
        "Service",
        &[
            ("serve", &["provost serve --listen 127.0.0.1:8000 --data-dir ./data"]),
            ("demo", &["provost demo --rows 3000 --exit"]),
            ("status", &["provost status --url example.org"]),
            ("doctor", &["provost doctor --config provost.toml"]),
            ("worker", &["provost worker --algorithms xgboost,random_forest"]),
        ],
    ),
    (
        "Data",
        &[
            ("import", &["provost import points.jsonl", "provost import foreign.csv --mapping foreign.toml"]),
            ("sample", &["provost sample --rows 5000 --seed 1 --out points.jsonl"]),
            ("features", &["provost features --out matrix.csv --split"]),
            ("quality", &["provost quality --unverified", "provost quality job.json"]),
            ("parked", &["provost parked list"]),
            ("parked list", &["provost parked list --limit 10"]),
            ("parked show", &["provost parked show 0190f3c2"]),
            ("parked replay", &["provost parked replay --all"]),
            ("parked discard", &["provost parked discard 0190f3c2-8a51-7c3e-b1f7-2a64d0c9e7aa"]),
        ],
    ),
    (
        "Training",
        &[
            ("train", &["provost train job.json --wait", "provost train - --local"]),
            (
                "jobs",
                &["provost jobs --status running", "provost jobs latest --wait", "provost jobs 0190f3c2 --cancel"],
            ),
            ("jobs logs", &["provost jobs logs latest --follow"]),
            ("schedule", &["provost schedule get"]),
            ("schedule get", &["provost schedule get --json"]),
            ("schedule set", &["provost schedule set enabled=false", "provost schedule set schedule_cron='0 3 * * *'"]),
            ("schedule triggers", &["provost schedule triggers --limit 5"]),
            ("fit", &["provost fit matrix.csv --mode search --algorithms xgboost"]),
        ],
    ),
    (
        "Models",
        &[
            ("models", &["provost models --sort auc_roc", "provost models active"]),
            ("compare", &["provost compare", "provost compare active latest"]),
            ("evaluate", &["provost evaluate active", "provost evaluate active --last"]),
            ("plots", &["provost plots latest --out plots --format svg"]),
            ("predict", &["provost predict applications.csv --out predictions.csv"]),
            ("export", &["provost export active --format onnx --out admission.onnx"]),
            ("card", &["provost card active --out card.html"]),
            ("activate", &["provost activate latest --reason 'better on this year'"]),
            ("rollback", &["provost rollback", "provost rollback xgboost_0190f3c2 --reason 'complaints since noon'"]),
            ("history", &["provost history", "provost history --at 2026-11-24T08:00:00Z"]),
            ("decisions", &["provost decisions", "provost decisions latest"]),
        ],
    ),
    (
        "Administration",
        &[
            ("keys", &["provost keys list"]),
            ("keys create", &["provost keys create --role operator --name nightly --expires 90d"]),
            ("keys list", &["provost keys list --json"]),
            ("keys revoke", &["provost keys revoke key_0f3c5a7e9b1d2f4a"]),
            ("keys rotate", &["provost keys rotate key_0f3c5a7e9b1d2f4a --overlap 7d"]),
            ("audit", &["provost audit verify"]),
            ("audit list", &["provost audit list --limit 20"]),
            ("audit verify", &["provost audit verify"]),
            ("backup", &["provost backup /var/backups/provost"]),
            ("restore", &["provost restore /var/backups/provost --data-dir ./data"]),
            ("completions", &["provost completions bash > ~/.local/share/bash-completion/completions/provost"]),
            ("man", &["provost man --out ~/.local/share/man/man1"]),
        ],
    ),
];

const TEMPLATE: &str = "{about}\n\n{usage-heading} {usage}\n";

/// Paragraphs below the options.
const NOTES: [&str; 3] = [
    "Where a command takes the id of a job or a model, the beginning of one is enough. `latest` is the newest, `active` the \
     active model. `provost COMMAND --help` has every flag, with an example.",
    "Exit codes: 0 done, 1 failed, 2 bad usage or bad settings.",
    "Every setting has a default (config/default.toml), an environment variable (PROVOST_SECTION__KEY) and, where common, a \
     flag; the flag wins over the environment, that over the file, that over the default.",
];

/// The command line with groups and examples.
pub fn command() -> Command {
    let mut command = Cli::command();
    for (path, examples) in GROUPS.iter().flat_map(|(_, commands)| *commands) {
        command = with_examples(command, path, examples);
    }
    let groups = groups(&command);
    let notes: Vec<String> = NOTES.iter().map(|note| show::wrapped(note, "")).collect();
    let template = format!("{TEMPLATE}\n{groups}\n{{options}}\n\n{}", notes.join("\n\n"));
    command.help_template(template)
}

/// The names of the commands of each group.
pub fn groups_of_commands() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    GROUPS.iter().map(|(group, commands)| {
        (*group, commands.iter().map(|(path, _)| *path).filter(|path| !path.contains(' ')).collect())
    })
}

fn with_examples(command: Command, path: &str, examples: &[&str]) -> Command {
    let (name, rest) = path.split_once(' ').map_or((path, None), |(name, rest)| (name, Some(rest)));
    command.mut_subcommand(name, |below| match rest {
        Some(rest) => with_examples(below, rest, examples),
        None => {
            let word = if examples.len() == 1 { "Example" } else { "Examples" };
            let lines: String = examples.iter().map(|example| format!("\n  {example}")).collect();
            below.after_help(format!("{word}:{lines}"))
        }
    })
}

/// The commands and their descriptions, one block for each group.
fn groups(command: &Command) -> String {
    let mut out = String::new();
    for (group, names) in groups_of_commands() {
        out += &format!("{group}:\n");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            out += &format!("{}\n", show::hanging(&format!("  {name:<12} "), &about));
        }
        out.push('\n');
    }
    out + "Options:"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::collections::BTreeSet;

    /// The paths of all commands and subcommands, as a user types them.
    fn paths(command: &Command, before: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let path = format!("{before}{}", below.get_name());
            all.extend(paths(below, &format!("{path} ")));
            all.insert(path);
        }
        all
    }

    /// Splits an example into words as a shell does: quotes group words, and `>` ends them.
    fn words(example: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in example.chars() {
            match c {
                '\'' => quoted = !quoted,
                '>' if !quoted => break,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().expect("never empty").push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn every_command_is_in_one_group_and_has_an_example() {
        let grouped: Vec<&str> =
            GROUPS.iter().flat_map(|(_, commands)| commands.iter().map(|(path, _)| *path)).collect();
        let distinct: BTreeSet<String> = grouped.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(distinct.len(), grouped.len(), "each is named once");
        assert_eq!(distinct, paths(&Cli::command(), ""));
    }

    #[test]
    fn every_example_is_a_command_line_that_is_accepted() {
        command().debug_assert();
        for (_, examples) in GROUPS.iter().flat_map(|(_, commands)| *commands) {
            for example in *examples {
                let parsed = command().try_get_matches_from(words(example));
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn the_help_has_the_groups_with_their_commands() {
        let help = command().render_help().to_string();
        let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("no {text:?} in\n{help}"));
        assert!(at("Service:") < at("\n  serve ") && at("\n  serve ") < at("Data:"), "{help}");
        assert!(at("Models:") < at("\n  rollback ") && at("\n  rollback ") < at("Administration:"), "{help}");
        assert!(at("--json") > at("Options:") && at("Exit codes") > at("--json"), "{help}");
        let own = help.split("Options:").next().unwrap_or_default().lines().chain(help.lines().rev().take(8));
        own.for_each(|line| assert!(line.chars().count() <= show::WIDTH, "{line}"));
        let below = command().find_subcommand_mut("rollback").unwrap().render_long_help().to_string();
        assert!(below.trim_end().ends_with("--reason 'complaints since noon'"), "{below}");
    }

    #[test]
    fn flags_for_all_commands_stand_before_or_after_the_command() {
        use clap::FromArgMatches;
        for arguments in
            [&["provost", "--json", "--data-dir", "d", "jobs"][..], &["provost", "jobs", "--json", "--data-dir", "d"]]
        {
            let cli = Cli::from_arg_matches(&command().try_get_matches_from(arguments).unwrap()).unwrap();
            let super::super::Command::Jobs(jobs) = cli.command else { panic!("{arguments:?}") };
            assert!(jobs.common.output.json, "{arguments:?}");
            assert_eq!(jobs.common.output.data_dir.unwrap().to_str(), Some("d"), "{arguments:?}");
        }
        // Also with a subcommand.
        for arguments in [["jobs", "--url", "x", "logs", "latest"], ["jobs", "logs", "latest", "--url", "x"]] {
            let matches = command().try_get_matches_from([&["provost", "--json"][..], &arguments].concat()).unwrap();
            let cli = Cli::from_arg_matches(&matches).unwrap();
            let super::super::Command::Jobs(jobs) = cli.command else { panic!("{arguments:?}") };
            let Some(crate::client::JobsAction::Logs(logs)) = jobs.action else { panic!("{arguments:?}") };
            assert!(logs.common.output.json && logs.remote.url.as_deref() == Some("x"), "{arguments:?}");
        }
        assert!(command().try_get_matches_from(["provost", "jobs", "-v", "-q"]).is_err());
    }
}
