//! The section `[mail]`.

use super::{Reader, SettingsError, secret};
use crate::error::{Error, Result};
use provost_actors::{MailOptions, MailUrl, Sender};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Mail {
    url: Option<MailUrl>,
    /// A file with the address, instead of `url`.
    url_file: Option<PathBuf>,
    from: Sender,
    timeout: Duration,
    ca_file: Option<PathBuf>,
    give_up_after: Duration,
}

impl Mail {
    pub(super) fn read(read: &Reader<'_>) -> std::result::Result<Self, SettingsError> {
        let (url, url_file, ca_file) =
            (read.text("mail.url")?, read.text("mail.url_file")?, read.text("mail.ca_file")?);
        let path = |text: String| (!text.is_empty()).then(|| PathBuf::from(text));
        if !url.is_empty() && !url_file.is_empty() {
            return Err(SettingsError(vec![
                "mail.url and mail.url_file are both set; set only one of the two".to_owned(),
            ]));
        }
        // The schema has checked both; an error here means that the schema and this code disagree.
        let wrong = |key: &str, why: String| SettingsError(vec![format!("{key}: {why}")]);
        let url = match url.as_str() {
            "" => None,
            url => Some(MailUrl::parse(url).map_err(|e| wrong("mail.url", e.to_string()))?),
        };
        let from =
            Sender::parse(&read.text("mail.from")?).ok_or_else(|| wrong("mail.from", "no address".to_owned()))?;
        Ok(Self {
            url,
            url_file: path(url_file),
            from,
            timeout: read.time("mail.timeout")?,
            ca_file: path(ca_file),
            give_up_after: read.time("mail.give_up_after")?,
        })
    }

    /// The mail options; None: mail is off. Reads the file with the address, if there is one.
    pub fn options(&self) -> Result<Option<MailOptions>> {
        let url = match (&self.url, &self.url_file) {
            (Some(url), _) => url.clone(),
            (None, None) => return Ok(None),
            (None, Some(path)) => {
                let wrong = |why: String| Error::Usage(format!("mail.url_file: {why}"));
                let text = secret::read_file(path).map_err(wrong)?;
                MailUrl::parse(text.expose())
                    .map_err(|fault| wrong(format!("the address in {}: {fault}", secret::shown_path(path))))?
            }
        };
        let mail = MailOptions::new(url, self.from.clone());
        let (timeout, ca_file, give_up_after) = (self.timeout, self.ca_file.clone(), self.give_up_after);
        Ok(Some(MailOptions { timeout, ca_file, give_up_after, ..mail }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Settings, SettingsError};

    fn mail(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let env = pairs.iter().map(|(k, v)| (format!("PROVOST_MAIL__{k}"), (*v).to_owned()));
        Settings::from_layers(None, env, &Vec::new())
    }

    #[test]
    fn the_mail_servers_password_is_in_no_setting_that_is_shown() {
        let s = mail(&[("URL", "smtps://user:geheim@mail.example.org"), ("FROM", "P <p@example.org>")]).unwrap();
        let options = s.mail.options().unwrap().unwrap();
        assert_eq!(options.url.to_string(), "smtps://***@mail.example.org:465");
        let debug = format!("{s:?} {options:?} {:?}", s.values);
        assert!(!debug.contains("geheim") && debug.contains("smtps://***@mail.example.org"), "{debug}");
        for url in
            ["smtp://user:geheim@mail.example.org/path", "mailto:user:geheim@mail.example.org", "smtp://geheim@x"]
        {
            let error = mail(&[("URL", url)]).unwrap_err().to_string();
            assert!(error.contains("mail.url") && !error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn the_mail_servers_address_can_come_from_a_file() {
        assert!(mail(&[]).unwrap().mail.options().unwrap().is_none());
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        std::fs::write(file.path(), "smtp://user:geheim@mail.example.org\n").unwrap();
        let settings = mail(&[("URL_FILE", &path)]).unwrap();
        assert_eq!(settings.mail.options().unwrap().unwrap().url.host(), "mail.example.org");
        std::fs::write(file.path(), "geheim").unwrap();
        let error = settings.mail.options().unwrap_err().to_string();
        assert!(error.contains(&path) && !error.contains("geheim"), "{error}");
        assert!(mail(&[("URL_FILE", &path), ("URL", "smtp://localhost")]).is_err());
        assert!(mail(&[("FROM", "nobody")]).is_err());
    }
}
