//! `provost worker`: fits models for servers that share the store, until a signal.

use crate::cli::common::Common;
use crate::cli::show;
use crate::error::{Error, Result};
use crate::http::workers;
use crate::log;
use crate::serve::{Folder, Signals, options};
use clap::Args;
use provost_actors::{ActorError, fleet};
use provost_domain::Algorithm;
use serde_json::json;
use std::collections::BTreeSet;

#[derive(Args)]
pub struct WorkerArgs {
    /// Algorithms to fit, separated by commas [default: all but the ensemble]
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = algorithm)]
    pub algorithms: Vec<Algorithm>,
    #[command(flatten)]
    pub common: Common,
}

fn algorithm(text: &str) -> std::result::Result<Algorithm, String> {
    let known = || fleet::algorithms().map(|a| a.to_string()).collect::<Vec<_>>().join(", ");
    fleet::algorithms().find(|a| a.as_str() == text).ok_or_else(|| format!("allowed are {}", known()))
}

pub fn run(args: &WorkerArgs) -> Result<()> {
    let settings = args.common.settings()?;
    log::start(&settings.log)?;
    let listener = settings.sharing.worker_metrics.as_deref();
    let listener = listener.map(|address| workers::listen(address, &settings.http)).transpose()?;
    let folder = Folder::take(&settings)?;
    let algorithms: BTreeSet<Algorithm> = if args.algorithms.is_empty() {
        fleet::algorithms().collect()
    } else {
        args.algorithms.iter().copied().collect()
    };
    actix_rt::System::new().block_on(async {
        let signals = Signals::catch()?;
        let options = options(&settings, &folder)?;
        let holder = options.leases.as_ref().map(|leases| leases.holder().to_owned()).unwrap_or_default();
        let names: Vec<&str> = algorithms.iter().map(|a| a.as_str()).collect();
        let fleet = fleet::start(options, algorithms.clone()).await.map_err(|e| match e {
            ActorError::Setting { .. } => Error::Usage(e.to_string()),
            e => Error::Failed(e.into()),
        })?;
        let address = listener.as_ref().map(|listener| listener.local_addr()).transpose()?;
        let probes = listener.map(|listener| workers::open(listener, &settings.http, fleet.metrics())).transpose()?;
        show::tell(
            args.common.output.json,
            || json!({ "event": "working", "worker": holder, "algorithms": names, "metrics": address }),
            || {
                let metrics = address.map(|address| format!(" Metrics are at {address}/metrics.")).unwrap_or_default();
                format!("Worker {holder} takes {}.{metrics} Ctrl-C stops it.", names.join(", "))
            },
        );
        signals.first().await;
        if let Some(probes) = probes {
            probes.close().await;
        }
        if !fleet.shutdown(settings.shutdown_deadline).await {
            tracing::warn!("a fit had not ended by the deadline; others take it over once its lease has run out");
        }
        Ok(())
    })
}
