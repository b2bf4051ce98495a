//! `card`: writes a model card to a file.

use super::ids::{Kind, resolve};
use super::{Client, Remote};
use crate::card::Format;
use crate::cli::common::Common;
use crate::cli::show;
use crate::error::{Error, Result};
use crate::output::OutFile;
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

#[derive(Args)]
pub struct CardArgs {
    /// The model: its id, the beginning of the id, `active` or `latest`
    pub model: String,
    /// The file to write; its extension (md, html or yaml) gives the format
    #[arg(long, value_name = "F")]
    pub out: PathBuf,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

pub fn card(args: &CardArgs) -> Result<()> {
    let ending = args.out.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let Some(format) = Format::parse(ending) else {
        return Err(Error::Usage(format!("--out {}: the name must end in .md, .html or .yaml", args.out.display())));
    };
    let client = Client::new(&args.remote, &args.common)?;
    let model = resolve(&client, Kind::Model, &args.model)?;
    let text = client.bytes(&format!("/models/{model}/card?format={}", format.as_str()))?;
    let mut file = OutFile::create(&args.out, &[])?;
    file.write_all(&text)?;
    file.finish()?;
    let object = || json!({"model_id": model, "format": format.as_str(), "out": args.out, "bytes": text.len()});
    let line = || format!("{model}: {} written to {}", show::bytes(text.len() as u64), args.out.display());
    show::tell(args.common.output.json, object, line);
    Ok(())
}
