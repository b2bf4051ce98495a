//! `provost export`.

use super::common::Common;
use super::show;
use crate::error::Result;
use crate::export::{self, Exported, Format};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub struct ExportArgs {
    /// The model: its id, the beginning of the id, `active` or `latest`
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// ONNX with calibration, XGBoost JSON without calibration, or the artifact as stored
    #[arg(long, value_parser = PossibleValuesParser::new(Format::ALL.map(Format::as_str)))]
    pub format: String,
    /// The file to write
    #[arg(long, value_name = "F")]
    pub out: PathBuf,
    #[command(flatten)]
    pub common: Common,
}

pub fn run(args: &ExportArgs) -> Result<()> {
    let format = Format::parse(&args.format).unwrap_or(Format::Artifact);
    let Exported { model_id, bytes, notes } = export::run(&args.common.settings()?, &args.model, format, &args.out)?;
    let object =
        || json!({"model_id": model_id, "format": args.format, "out": args.out, "bytes": bytes, "notes": notes});
    let text = || format!("{model_id}: {} written to {}", show::bytes(bytes as u64), args.out.display());
    show::tell(args.common.output.json, object, text);
    if !args.common.output.json {
        notes.iter().for_each(|note| show::hint(note));
    }
    Ok(())
}
