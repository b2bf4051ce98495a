//! The options of the Loader.

use super::Options;
use crate::clock::Clock;
use crate::testkit::Failpoints;
use provost_domain::features::FeatureTables;
use provost_reader::Limits;
use provost_store::{Artifacts, PointReader};
use std::path::PathBuf;
use std::sync::Arc;

/// The Loader reads points and files, and writes snapshots as artifacts.
#[derive(Clone)]
pub struct LoaderResources {
    pub clock: Arc<dyn Clock>,
    pub points: Arc<dyn PointReader>,
    pub artifacts: Artifacts,
    pub tables: FeatureTables,
    pub import_dir: PathBuf,
    pub import_limits: Limits,
    pub strict_quality: bool,
    pub failpoints: Failpoints,
}

impl From<&Options> for LoaderResources {
    fn from(o: &Options) -> Self {
        Self {
            clock: o.clock.clone(),
            points: o.store.clone(),
            artifacts: o.artifacts.clone(),
            tables: o.tables.clone(),
            import_dir: o.import_dir.clone(),
            import_limits: o.import_limits,
            strict_quality: o.strict_quality,
            failpoints: o.failpoints.clone(),
        }
    }
}
