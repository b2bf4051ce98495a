//! The options of every command.

use super::show;
use crate::error::Result;
use crate::settings::{Flags, Settings};
use clap::Args;
use std::path::PathBuf;

/// The options of every command.
#[derive(Args, Debug, Clone)]
pub struct Common {
    /// Settings file (TOML); see config/default.toml for every key
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

/// Options that may stand before or after the command.
#[derive(Args, Debug, Clone)]
pub struct Output {
    /// Folder of the store and the artifacts [default: ./data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// Write one JSON object per line to standard output, and nothing else
    #[arg(long, global = true)]
    pub json: bool,
    /// Do not shorten lists on a terminal; in a file or a pipe they are never shortened
    #[arg(long, global = true)]
    pub wide: bool,
    /// Log at level debug; client commands print their requests to standard error
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Log errors only, and show neither progress bars nor hints
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
            // Only for this program's own crates; the crates below them stay at info.
            flags.push(("log.level", "--verbose", "info,provost=debug".to_owned()));
        } else if self.quiet {
            flags.push(("log.level", "--quiet", "error".to_owned()));
        }
        Ok(Settings::load(config, &flags)?)
    }

    /// The width that lists must fit into, in columns; None: lists are not shortened.
    pub fn width(&self) -> Option<usize> {
        show::terminal_width().filter(|_| !self.wide)
    }
}
