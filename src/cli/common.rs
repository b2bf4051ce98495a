//! The options that every command takes.

use super::show;
use crate::error::Result;
use crate::settings::{Flags, Settings};
use clap::Args;
use std::path::PathBuf;

/// What every command takes.
#[derive(Args, Debug, Clone)]
pub struct Common {
    /// Settings file (TOML); see config/default.toml for every key
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

/// Before or after the command.
#[derive(Args, Debug, Clone)]
pub struct Output {
    /// Folder of the store and the artifacts [default: ./data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// One JSON object per line on standard output, and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    /// Lists in full on a terminal too; a file or a pipe gets all of them anyway
    #[arg(long, global = true)]
    pub wide: bool,
    /// Log more: the level debug; client commands tell their requests
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Log errors alone, and show no bars and hints
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

impl Common {
    pub fn settings(&self) -> Result<Settings> {
        self.settings_with(Vec::new())
    }
    pub fn settings_with(&self, flags: Flags) -> Result<Settings> {
        self.output.settings(self.config.as_deref(), flags)
    }
}

impl Output {
    pub fn settings(&self, config: Option<&std::path::Path>, mut flags: Flags) -> Result<Settings> {
        if let Some(dir) = &self.data_dir {
            flags.push(("data.dir", "--data-dir", dir.to_string_lossy().into_owned()));
        }
        if self.verbose {
            // Of this program's own crates: what those below it log at this level is theirs to read.
            flags.push(("log.level", "--verbose", "info,provost=debug".to_owned()));
        } else if self.quiet {
            flags.push(("log.level", "--quiet", "error".to_owned()));
        }
        Ok(Settings::load(config, &flags)?)
    }

    /// Columns that lists fit in; none where they are shown in full.
    pub fn width(&self) -> Option<usize> {
        show::terminal_width().filter(|_| !self.wide)
    }
}
