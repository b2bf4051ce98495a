//! Making and ending API keys, for the command line and for admins over HTTP. Each is in the audit log with its deed.

use chrono::{DateTime, Utc};
use provost_domain::audit::Deed;
use provost_domain::key::{ApiKey, KeyText, Role};
use provost_store::{Store, StoreError};
use std::sync::Arc;

/// A key that was just made, with its text, which is kept nowhere.
pub struct Made {
    pub text: KeyText,
    pub key: ApiKey,
}

/// Makes a key; `who` is whom the audit log names.
///
/// # Errors
/// Those of the store; `Internal` if the system gives no random bytes.
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

/// Ends a key from this time on.
///
/// # Errors
/// `NotFound` if there is no key of this id; those of the store.
pub async fn revoke(
    store: &Arc<dyn Store>,
    who: &str,
    id: &str,
    from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<ApiKey, StoreError> {
    store.revoke_key(id, from, Deed::key_revoked(id, from, who, now)).await
}
