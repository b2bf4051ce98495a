//! Creates and revokes API keys, for the command line and for admins over HTTP. The audit log records each.

use chrono::{DateTime, Utc};
use provost_domain::audit::Deed;
use provost_domain::key::{ApiKey, KeyText, Role};
use provost_store::{Store, StoreError};
use std::sync::Arc;

/// A new key with its secret text, which is stored nowhere.
pub struct Made {
    pub text: KeyText,
    pub key: ApiKey,
}

/// Creates a key; `who` is the name for the audit log.
///
/// # Errors
/// Errors of the store; `Internal` if the system gives no random bytes.
pub async fn make(
    store: &Arc<dyn Store>,
    who: &str,
    role: Role,
    name: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Made, StoreError> {
    let (mut id, mut secret) = ([0; 8], [0; 32]);
    for part in [&mut id[..], &mut secret[..]] {
        getrandom::fill(part).map_err(|e| StoreError::Internal(format!("the system gives no random bytes: {e}")))?;
    }
    let text = KeyText::new(id, secret);
    let key = ApiKey::new(&text, name, role, now, expires_at);
    store.add_key(key.clone(), Deed::key_created(&key, who)).await?;
    Ok(Made { text, key })
}

/// Revokes a key from this time on.
///
/// # Errors
/// `NotFound` if there is no key with this id; errors of the store.
pub async fn revoke(
    store: &Arc<dyn Store>,
    who: &str,
    id: &str,
    from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<ApiKey, StoreError> {
    store.revoke_key(id, from, Deed::key_revoked(id, from, who, now)).await
}
