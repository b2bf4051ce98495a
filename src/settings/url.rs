//! An address that may hold a password: the setting `url` of a section, or the content of the file that its `url_file` names.

use super::secret;
use super::value::{Reader, SettingsError};
use std::fmt::Display;
use std::path::PathBuf;

pub struct Url {
    section: &'static str,
    /// As written; empty or the default if neither setting is set.
    pub text: String,
    file: PathBuf,
}

impl Url {
    /// `unset` is the default of `url`.
    ///
    /// # Errors
    /// If both settings are set, or the file cannot be read.
    pub fn read(read: &Reader<'_>, section: &'static str, unset: &str) -> Result<Self, SettingsError> {
        let (text, file) = (read.text(&format!("{section}.url"))?, read.text(&format!("{section}.url_file"))?);
        let mut url = Self { section, text, file: PathBuf::from(file) };
        if url.file.as_os_str().is_empty() {
            return Ok(url);
        }
        if url.text != unset {
            return Err(url.refused(format!("{section}.url is set too; set only one of the two")));
        }
        url.text = secret::read_file(&url.file).map_err(|why| url.refused(why))?.expose().to_owned();
        Ok(url)
    }

    /// The error for a file whose address is not accepted; never repeats the address.
    pub fn unacceptable(&self, fault: impl Display, example: &str) -> SettingsError {
        let file = secret::shown_path(&self.file);
        self.refused(format!("the address in {file}: {fault}; an address looks like {example}"))
    }

    fn refused(&self, why: String) -> SettingsError {
        SettingsError(vec![format!("{}.url_file: {why}", self.section)])
    }
}
