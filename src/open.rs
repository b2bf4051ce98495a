//! Opens what commands need: the store, the artifacts, a runtime.

use crate::error::{Error, Result};
use crate::settings::{Settings, StoreAddress};
use chrono::Utc;
use provost_actors::lease::holder;
use provost_actors::{Leases, SystemClock};
use provost_domain::ServerAddress;
use provost_store::{Artifacts, DATABASE, MongoStore, SqliteStore, Store};
use std::sync::Arc;

/// Opens the store that the settings name; creates it if missing.
pub fn store(settings: &Settings) -> Result<Arc<dyn Store>> {
    Ok(match &settings.store {
        StoreAddress::Sqlite => Arc::new(SqliteStore::open(&settings.data_dir, Utc::now())?),
        StoreAddress::Mongodb(address) => Arc::new(mongodb(address)?),
    })
}

/// Opens MongoDB. Errors get the address, which the store's own errors leave out; the user at the command line may see it.
fn mongodb(address: &ServerAddress) -> Result<MongoStore> {
    let opened = MongoStore::open(address.expose(), Utc::now());
    opened.map_err(|e| match Error::from(e) {
        Error::Failed(e) => Error::Failed(e.context(address.to_string())),
        e => e,
    })
}

/// Whether a store exists. A database on a server always counts, because opening it creates it.
pub fn has_store(settings: &Settings) -> bool {
    settings.store != StoreAddress::Sqlite || settings.data_dir.join(DATABASE).exists()
}

/// Opens the store and its artifacts: in the data folder, and also in the store if other hosts may use it.
pub fn store_and_artifacts(settings: &Settings) -> Result<(Arc<dyn Store>, Artifacts)> {
    let artifacts = Artifacts::open(settings.data_dir.join("artifacts"))?;
    Ok(match &settings.store {
        StoreAddress::Sqlite => (store(settings)?, artifacts),
        StoreAddress::Mongodb(address) => {
            let store = mongodb(address)?;
            let artifacts = artifacts.with_remote(store.artifacts()?);
            (Arc::new(store), artifacts)
        }
    })
}

/// This process's part in a store that others may share.
pub fn leases(settings: &Settings, store: &Arc<dyn Store>) -> Option<Leases> {
    let new = || Leases::new(store.clone(), Arc::new(SystemClock::new()), &holder(), settings.sharing.lease);
    settings.sharing.store.then(new)
}

/// A runtime for commands that wait for one thing at a time.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
