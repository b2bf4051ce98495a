//! The section `[bridge]`: the broker's address, and limits of its messages.

use super::url::Url;
use super::value::{Reader, SettingsError};
use provost_actors::BridgeOptions;
use provost_actors::bridge::Address;
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct Bridge {
    /// None: no broker is configured.
    pub options: Option<BridgeOptions>,
    /// How many announcements are kept while the broker is away.
    pub outbox_max: u64,
}

impl Bridge {
    pub(super) fn read(read: &Reader<'_>) -> Result<Self, SettingsError> {
        let (url, ca_file) = (Url::read(read, "bridge", "")?, read.text("bridge.ca_file")?);
        let options = if url.text.trim().is_empty() {
            None
        } else {
            let address = Address::parse(&url.text)
                .map_err(|fault| url.unacceptable(fault, "amqp://user:password@host:5672/vhost"))?;
            Some(BridgeOptions {
                url: address,
                ca_file: (!ca_file.is_empty()).then(|| PathBuf::from(ca_file)),
                max_message_bytes: read.whole("bridge.max_message_bytes")?,
                batch: read.whole("bridge.batch")?,
                batch_wait: read.time("bridge.batch_wait")?,
                prefetch_batches: read.whole("bridge.prefetch_batches")?,
                wait: read.time("bridge.timeout")?,
                check_every: read.time("bridge.check_every")?,
            })
        };
        Ok(Self { options, outbox_max: read.whole("bridge.outbox_max")? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::settings::Settings;

    #[test]
    fn the_address_of_the_bus_comes_from_environment_or_file_and_its_password_is_not_shown() {
        let read = |pairs: &[(&str, &str)]| {
            let env: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Settings::from_layers(None, env, &Vec::new())
        };
        assert!(read(&[]).unwrap().bridge.options.is_none());
        let url = "amqp://someone:s3cret@bus.example.org/prod";
        let shown = "amqp://***@bus.example.org:5672/prod";
        let settings = read(&[("PROVOST_BRIDGE__URL", url)]).unwrap();
        let options = settings.bridge.options.as_ref().unwrap();
        assert_eq!((options.url.to_string().as_str(), options.batch, options.prefetch_batches), (shown, 500, 2));
        assert!(!format!("{settings:?}").contains("s3cret"));

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{url}\n")).unwrap();
        let path = file.path().to_str().unwrap();
        let settings = read(&[("PROVOST_BRIDGE__URL_FILE", path)]).unwrap();
        assert_eq!(settings.bridge.options.unwrap().url.to_string(), shown);
        for (bad, wanted) in [
            (vec![("PROVOST_BRIDGE__URL_FILE", path), ("PROVOST_BRIDGE__URL", url)], "one of the two"),
            (vec![("PROVOST_BRIDGE__URL_FILE", "/nowhere")], "cannot read /nowhere"),
            (vec![("PROVOST_BRIDGE__URL", "http://someone:s3cret@host")], "allowed is nothing"),
        ] {
            let error = read(&bad).unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("s3cret"), "{error}");
        }
    }
}
