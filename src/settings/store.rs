//! Where records are kept.

use super::{Reader, SettingsError, secret};
use provost_store::MongoStore;
use toml::Value;

/// `store.url`, or what `store.url_file` holds.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A file in the data folder.
    Sqlite,
    /// An address, which may hold a password.
    Mongodb(String),
}

impl std::fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// Without user and password.
impl std::fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite => f.write_str(SQLITE),
            Self::Mongodb(url) => {
                f.write_str(secret::shown("store.url", &Value::from(url.as_str())).as_str().unwrap_or("mongodb"))
            }
        }
    }
}

const SQLITE: &str = "sqlite:";

impl StoreAddress {
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text {
            SQLITE => Some(Self::Sqlite),
            url if MongoStore::is_address(url) => Some(Self::Mongodb(url.to_owned())),
            _ => None,
        }
    }

    /// The text may hold a password, so no message quotes it.
    pub(super) fn read(read: &Reader<'_>) -> Result<Self, SettingsError> {
        let (mut url, file) = (read.text("store.url")?, read.text("store.url_file")?);
        let refused = |why: String| SettingsError(vec![format!("store.url_file: {why}")]);
        if !file.is_empty() {
            if url != SQLITE {
                return Err(refused("store.url is set too; one of the two is allowed".to_owned()));
            }
            url = std::fs::read_to_string(&file).map_err(|e| refused(format!("cannot read {file}: {e}")))?;
        }
        Self::parse(&url).ok_or_else(|| {
            refused(format!("{file} holds no address such as mongodb://user:password@host:27017/provost"))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Settings;
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let env: Vec<_> = pairs.iter().map(|(k, v)| (format!("PROVOST_STORE__{k}"), (*v).to_owned())).collect();
        Settings::from_layers(None, env, &Vec::new())
    }

    #[test]
    fn the_address_comes_from_environment_or_file_and_its_password_is_not_shown() {
        assert_eq!(read(&[]).unwrap().store, StoreAddress::Sqlite);
        let url = "mongodb://someone:s3cret@db.example.org:27017/prod?authSource=admin";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{url}\n")).unwrap();
        let path = file.path().to_str().unwrap();
        for settings in [read(&[("URL", url)]).unwrap(), read(&[("URL_FILE", path)]).unwrap()] {
            assert_eq!(settings.store, StoreAddress::Mongodb(url.to_owned()));
            assert!(settings.sharing.store);
            let shown = format!("{settings:?} {}", settings.store);
            assert!(!shown.contains("s3cret") && shown.contains("mongodb://***@db.example.org"), "{shown}");
        }
        assert!(read(&[("URL", "mongodb+srv://cluster.example.org/provost")]).is_ok());
        for (bad, wanted) in [
            (vec![("URL_FILE", path), ("URL", url)], "one of the two"),
            (vec![("URL_FILE", "/nowhere")], "cannot read /nowhere"),
            (vec![("URL", "postgres://someone:s3cret@host")], "\"sqlite:\" or"),
            (vec![("URL", "mongodb://someone:s3cret@host:port/")], "\"sqlite:\" or"),
            (vec![("URL", "mongodb://")], "\"sqlite:\" or"),
        ] {
            let error = read(&bad).unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("s3cret"), "{error}");
        }
    }
}
