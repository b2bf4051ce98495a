//! `provost keys`: API keys. Works on the store; a running service notices a change within two seconds.

use super::common::{Common, Output};
use super::{prefix, show};
use crate::error::{Error, Result};
use crate::keys::{Made, make, revoke};
use crate::open;
use crate::settings::parse_duration;
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use provost_domain::key::{ApiKey, Role, name_fault};
use provost_store::{Store, StoreError};
use serde_json::json;
use std::sync::Arc;

#[derive(Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    pub action: Action,
}

#[derive(Subcommand)]
pub enum Action {
    /// Create a key and show it; it cannot be shown again
    Create {
        /// client: predictions; viewer: read access; operator: also train, evaluate, activate, cancel; admin: also the schedule and the audit log
        #[arg(long, value_parser = role)]
        role: Role,
        /// Name of the owner or the purpose, shown in records of what the key did
        #[arg(long, value_parser = name)]
        name: Option<String>,
        /// Expiry: a duration ("90d", "12h") or a time ("2027-01-31T00:00:00Z") [default: never]
        #[arg(long, value_name = "WHEN", value_parser = When::parse)]
        expires: Option<When>,
        #[command(flatten)]
        common: Common,
    },
    /// List all keys, revoked ones too; the secret texts are not stored
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Revoke a key now
    Revoke {
        /// The key's id, or a prefix that no other key's id has
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Create a key with the same role and name, and let the old one expire later
    Rotate {
        /// The key's id, or a prefix that no other key's id has
        #[arg(value_name = "ID")]
        id: String,
        /// How long the old key stays valid: a duration or a time
        #[arg(long, value_name = "WHEN", value_parser = When::parse, default_value = "7d")]
        overlap: When,
        /// Expiry of the new key [default: the lifetime that the old key was created with]
        #[arg(long, value_name = "WHEN", value_parser = When::parse)]
        expires: Option<When>,
        #[command(flatten)]
        common: Common,
    },
}

fn role(text: &str) -> std::result::Result<Role, String> {
    Role::parse(text).ok_or_else(|| "allowed: client, viewer, operator, admin".to_owned())
}

fn name(text: &str) -> std::result::Result<String, String> {
    name_fault(text).map_or_else(|| Ok(text.to_owned()), |fault| Err(fault.to_owned()))
}

/// A duration or a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    After(TimeDelta),
    At(DateTime<Utc>),
}

impl When {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.to_utc()));
        }
        let after = parse_duration(text).and_then(|d| TimeDelta::from_std(d).ok());
        // More than a hundred years is taken for a mistake, and would overflow.
        let after = after.filter(|d| *d <= TimeDelta::days(36_525));
        after.map(Self::After).ok_or_else(|| {
            "allowed: a duration such as \"90d\" or \"12h\", or a time such as \"2027-01-31T00:00:00Z\"".to_owned()
        })
    }

    fn from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::After(duration) => now + duration,
            Self::At(at) => at,
        }
    }
}

pub fn run(args: &KeysArgs) -> Result<()> {
    let now = Utc::now();
    match &args.action {
        Action::Create { role, name, expires, common } => {
            let expires_at = expires.map(|when| when.from(now));
            if let Some(at) = expires_at.filter(|at| *at <= now) {
                return Err(Error::Usage(format!("--expires {}: the time must be in the future", at.to_rfc3339())));
            }
            let made =
                on_store(common, async |store| Ok(make(&store, &who(), *role, name.clone(), expires_at, now).await?))?;
            tell(&made, None, common.output.json);
            if let Some(warning) = without_admin(&on_store(common, async |store| Ok(store.keys().await?))?, now) {
                show::hint(warning);
            }
        }
        Action::List { common } => list(&on_store(common, async |store| Ok(store.keys().await?))?, now, &common.output),
        Action::Revoke { id, common } => {
            let revoked = on_store(common, async |store| {
                let id = meant(&store.keys().await?, id)?;
                Ok(revoke(&store, &who(), &id, now, now).await?)
            })?;
            if common.output.json {
                show::object(&shown(&revoked, now));
            } else {
                show::line(&format!("{} is revoked; a running service refuses it within two seconds", revoked.label()));
            }
        }
        Action::Rotate { id, overlap, expires, common } => {
            let until = overlap.from(now);
            let (made, old) = on_store(common, async |store| rotate(&store, id, *expires, until, now).await)?;
            tell(&made, Some(&old), common.output.json);
        }
    }
    Ok(())
}

/// Who runs the command, as far as the operating system knows.
fn who() -> String {
    use std::os::unix::fs::MetadataExt;
    match std::fs::metadata("/proc/self") {
        Ok(own) => format!("command line (uid {})", own.uid()),
        Err(_) => "command line".to_owned(),
    }
}

fn on_store<T>(common: &Common, work: impl AsyncFnOnce(Arc<dyn Store>) -> Result<T>) -> Result<T> {
    let settings = common.settings()?;
    let runtime = open::runtime()?;
    let store = open::store(&settings)?;
    runtime.block_on(work(store))
}

/// The id of the key that `written` matches; `written` itself if no key matches, so that the store reports it.
fn meant(keys: &[ApiKey], written: &str) -> Result<String> {
    let id = prefix::only("keys", written, keys.iter().map(|key| key.id.as_str()))?;
    Ok(id.unwrap_or(written).to_owned())
}

/// Creates the new key first: if the process dies in between, both are valid.
async fn rotate(
    store: &Arc<dyn Store>,
    id: &str,
    expires: Option<When>,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(Made, ApiKey)> {
    let keys = store.keys().await?;
    let id = &*meant(&keys, id)?;
    let old = keys.into_iter().find(|key| key.id == id);
    let old = old.ok_or_else(|| StoreError::NotFound { what: "key", id: id.to_owned() })?;
    let expires_at = match expires {
        Some(when) => Some(when.from(now)),
        None => old.expires_at.map(|end| now + (end - old.created_at)),
    };
    let made = make(store, &who(), old.role, old.name.clone(), expires_at, now).await?;
    let old = revoke(store, &who(), id, until, now).await?;
    Ok((made, old))
}

fn tell(made: &Made, old: Option<&ApiKey>, json: bool) {
    let Made { text, key } = made;
    if json {
        let told = json!({ "id": key.id, "key": text.reveal(), "role": key.role, "expires_at": key.expires_at });
        show::object(&told);
        return;
    }
    show::line(text.reveal());
    let end = key.expires_at.map_or_else(|| "does not expire".to_owned(), |at| format!("expires at {}", time(at)));
    show::line(&format!("\n{} is a key with the role {} and {end}.", key.label(), key.role));
    show::line("It cannot be shown again: store it now. Client commands read it from PROVOST_KEY.");
    if let Some(end) = old.and_then(ApiKey::ends_at) {
        show::line(&format!("{} stays valid until {}.", old.map(ApiKey::label).unwrap_or_default(), time(end)));
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

/// The warning for keys of which none is a valid admin's. Access without a key has ended with the first key.
fn without_admin(keys: &[ApiKey], now: DateTime<Utc>) -> Option<&'static str> {
    let has_admin = keys.iter().any(|key| key.role == Role::Admin && key.is_valid(now));
    (!has_admin).then_some(
        "no valid key has the role admin, and access without a key has ended: nobody can change the schedule or make \
         keys over HTTP. `provost keys create --role admin` makes such a key",
    )
}

fn shown(key: &ApiKey, now: DateTime<Utc>) -> serde_json::Value {
    json!({
        "id": key.id, "name": key.name, "role": key.role, "created_at": key.created_at, "expires_at": key.expires_at,
        "revoked_at": key.revoked_at, "valid": key.is_valid(now),
    })
}

fn list(keys: &[ApiKey], now: DateTime<Utc>, output: &Output) {
    if output.json {
        keys.iter().for_each(|key| show::object(&shown(key, now)));
        return;
    }
    if keys.is_empty() {
        show::line(
            "There is no key: access from this machine is open. `provost keys create --role admin` creates the first.",
        );
        return;
    }
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let state = match (key.is_valid(now), key.ends_at()) {
                (true, None) => "valid".to_owned(),
                (true, Some(end)) => format!("until {}", day(end)),
                (false, end) => format!("ended {}", end.map(day).unwrap_or_default()),
            };
            let name = key.name.clone().unwrap_or_else(|| "-".to_owned());
            vec![key.id.clone(), key.role.to_string(), state, day(key.created_at), name]
        })
        .collect();
    show::line(&show::fitted(&["id", "role", "state", "made", "name"], &rows, output.width()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_without_an_admin_are_warned_of() {
        let now = DateTime::UNIX_EPOCH;
        let key = |role| ApiKey::new(&provost_domain::key::KeyText::new([1; 8], [2; 32]), None, role, now, None);
        assert!(without_admin(&[key(Role::Operator)], now).is_some_and(|said| said.contains("--role admin")));
        assert_eq!(without_admin(&[key(Role::Operator), key(Role::Admin)], now), None);
    }

    #[test]
    fn an_end_is_a_duration_or_a_time() {
        let now = DateTime::UNIX_EPOCH;
        let read = |text: &str| When::parse(text).map(|when| when.from(now).to_rfc3339());
        assert_eq!(read("90d").as_deref(), Ok("1970-04-01T00:00:00+00:00"));
        assert_eq!(read("2027-01-31T01:00:00+01:00").as_deref(), Ok("2027-01-31T00:00:00+00:00"));
        for bad in ["", "tomorrow", "90", "200000d", "2027-01-31"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
