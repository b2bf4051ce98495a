use clap::FromArgMatches;
use provost::cli::{self, Cli, show};
use provost::memory;
use provost_domain::visible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Set in the process that `with_quiet_openmp` starts. The name has no `__`, so it is not a setting.
const STARTED_AGAIN: &str = "PROVOST_STARTED_AGAIN";

/// Starts the process again with OpenMP's threads set to spin only briefly, because libgomp reads its environment before
/// `main`. Threads that spin for long make a fit of 0.1 s take seconds on a busy machine; threads that sleep at once make
/// two threads slower than one on a quiet machine. Values set by the user are kept.
fn with_quiet_openmp() {
    if std::env::var_os(STARTED_AGAIN).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env(STARTED_AGAIN, "1");
    for (name, value) in [("GOMP_SPINCOUNT", "1000"), ("OMP_WAIT_POLICY", "passive")] {
        if std::env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    // `exec` returns only on failure; fits are then slower under load but correct.
    let _ = command.exec();
}

/// A panic's text may repeat data: a text with control characters is printed escaped, without a backtrace.
fn escape_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.to_string();
        if text.split('\n').all(visible::is_plain) { usual(panic) } else { show::error(&text) }
    }));
}

/// Parses the arguments. An error is a usage error, the help or the version.
fn asked(arguments: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&cli::command().try_get_matches_from(arguments)?)
}

fn main() -> ExitCode {
    memory::bound_what_is_kept();
    escape_panics();
    let cli = match asked(std::env::args_os()) {
        Ok(cli) => cli,
        // The error repeats arguments, which may be file names chosen by others: parse escaped ones and print that error.
        Err(error) => {
            let shown = std::env::args_os().map(|text| visible::line(&text.to_string_lossy()).into_owned().into());
            let Err(same) = asked(shown) else {
                show::error(error.to_string().trim_end());
                return ExitCode::from(2);
            };
            same.exit()
        }
    };
    if cli.command.learns() {
        with_quiet_openmp();
    }
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show::error(&format!("provost: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
