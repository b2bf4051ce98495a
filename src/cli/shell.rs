//! `completions` and `man`: shell completions and man pages of the commands.

use super::common::Common;
use super::{help, show};
use crate::error::{Error, Result};
use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct ManArgs {
    /// Folder for the pages; created if missing
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub common: Common,
}

pub fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::command(), "provost", &mut script);
    let script = String::from_utf8(script).map_err(|e| Error::Failed(e.into()))?;
    if args.common.output.json {
        show::object(&json!({ "shell": args.shell.to_string(), "completions": script }));
    } else {
        // The text comes from this program alone and needs no escaping.
        show::painted(script.trim_end());
    }
    Ok(())
}

pub fn man(args: &ManArgs) -> Result<()> {
    let folder = &args.out;
    let cannot = |e: std::io::Error| Error::failed(format!("cannot write man pages into {}: {e}", folder.display()));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    let command = help::command();
    // Built like the real command line, but without pages for `help`.
    let mut made = command.clone().disable_help_subcommand(true);
    made.build();
    let pages = pages(&made);
    clap_mangen::generate_to(command, folder).map_err(cannot)?;
    show::tell(
        args.common.output.json,
        || json!({ "folder": folder, "pages": pages }),
        || format!("{pages} pages in {}", folder.display()),
    );
    Ok(())
}

/// The number of pages: one for the command and one for each subcommand.
fn pages(command: &Command) -> usize {
    1 + command.get_subcommands().map(pages).sum::<usize>()
}
