//! The model of a store that a user means, for commands that read the store themselves. The words are those of the commands
//! that ask a service.

use crate::client::ids::{Kind, one_of};
use crate::error::{Error, Result};
use provost_domain::{ModelId, visible};
use provost_store::Store;

/// Elements of one page of the list of models.
const PAGE: u32 = 500;

/// Finds the model for what a user typed: a whole id, also one of the replaced service, `active`, `latest`, or the prefix of
/// exactly one id.
///
/// # Errors
/// If there is no such model, if no model is active, or if several ids have the prefix (the error names them).
pub async fn named(store: &dyn Store, written: &str) -> Result<ModelId> {
    match written {
        "active" => return active(store).await,
        "latest" => {
            let newest = store.list_models(false, None, 1).await?.items.into_iter().next();
            let none = || Error::failed_with("there is no model", "`provost train` makes one");
            return newest.map(|version| version.model_id).ok_or_else(none);
        }
        _ => {}
    }
    if let Some(known) = store.model_named(written).await? {
        return Ok(known);
    }
    let mut ids: Vec<ModelId> = Vec::new();
    let mut cursor = None;
    if !written.is_empty() {
        loop {
            let page = store.list_models(false, cursor.as_deref(), PAGE).await?;
            ids.extend(page.items.into_iter().map(|version| version.model_id));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    let meant = one_of(Kind::Model, written, ids.iter().map(ModelId::as_str))?;
    let found = meant.and_then(|meant| ids.iter().find(|id| id.as_str() == meant)).cloned();
    found.ok_or_else(|| {
        let none = format!("there is no model {}", visible::line(written));
        Error::usage_with(none, "`provost models` lists them")
    })
}

/// The active model.
///
/// # Errors
/// If no model is active.
pub async fn active(store: &dyn Store) -> Result<ModelId> {
    let none = || {
        let advice = "name a model by its id or as `latest`, or activate one with `provost activate ID`";
        Error::failed_with("no model is active", advice)
    };
    store.active_model().await?.ok_or_else(none)
}
