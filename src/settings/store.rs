//! The section `[store]`: where records are kept.

use super::url::Url;
use super::{Reader, SettingsError};
use provost_domain::ServerAddress;
use provost_domain::address::AddressFault;
use provost_store::MongoStore;

/// The address from `store.url`, or from the file `store.url_file`.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A SQLite file in the data folder.
    Sqlite,
    Mongodb(ServerAddress),
}

impl std::fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// Shown without user, password and options.
impl std::fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite => f.write_str(SQLITE),
            Self::Mongodb(address) => address.fmt(f),
        }
    }
}

const SQLITE: &str = "sqlite:";
const SCHEMES: &[(&str, Option<u16>)] = &[("mongodb", None), ("mongodb+srv", None)];

impl StoreAddress {
    /// # Errors
    /// What is wrong with the address, without repeating it.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        if text.trim() == SQLITE {
            return Ok(Self::Sqlite);
        }
        let address = ServerAddress::parse(text, SCHEMES)?;
        // The MongoDB driver checks the options.
        if MongoStore::is_address(address.expose()) { Ok(Self::Mongodb(address)) } else { Err(AddressFault::Options) }
    }

    pub(super) fn read(read: &Reader<'_>) -> Result<Self, SettingsError> {
        let url = Url::read(read, "store", SQLITE)?;
        let example = "mongodb://user:password@host:27017/provost";
        Self::parse(&url.text).map_err(|fault| url.unacceptable(fault, example))
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
            let StoreAddress::Mongodb(address) = &settings.store else { panic!("{settings:?}") };
            assert_eq!(address.expose(), url);
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
