//! TLS 1.2 and 1.3, from PEM files that are read at the start.

use crate::settings::Tls;
use provost_actors::pem;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// Why TLS cannot be set up; names the setting and the file, nothing of the content.
#[derive(Debug, thiserror::Error)]
#[error("{setting} = {file}: {why}")]
pub struct TlsError {
    setting: &'static str,
    file: String,
    why: String,
}

fn wrong(setting: &'static str, file: &Path, why: impl ToString) -> TlsError {
    TlsError { setting, file: file.display().to_string(), why: why.to_string() }
}

pub fn load(files: &Tls) -> Result<ServerConfig, TlsError> {
    let bad_cert = |why: &dyn std::fmt::Display| wrong("http.tls_cert", &files.cert, why);
    let read = |setting, file: &Path| pem::read(file).map_err(|e| wrong(setting, file, e));
    let (certificates, key) = (read("http.tls_cert", &files.cert)?, read("http.tls_key", &files.key)?);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&certificates)
        .collect::<Result<_, _>>()
        .map_err(|e| bad_cert(&format!("no certificates in PEM form: {e}")))?;
    if chain.is_empty() {
        return Err(bad_cert(&"there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|e| wrong("http.tls_key", &files.key, format!("no private key in PEM form: {e}")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| bad_cert(&e))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| wrong("http.tls_key", &files.key, format!("it does not go with http.tls_cert: {e}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_wrong_with_the_files_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let made = |_| rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let [one, other] = [0, 1].map(made);
        let cert = file("cert.pem", &one.cert.pem());
        let key = file("key.pem", &one.signing_key.serialize_pem());
        load(&Tls { cert: cert.clone(), key: key.clone() }).unwrap();

        let others = file("other.pem", &other.signing_key.serialize_pem());
        let empty = file("empty.pem", "");
        let endless = Path::new("/dev/zero").to_owned();
        for (cert, key, wanted) in [
            (&folder.path().join("none.pem"), &key, "http.tls_cert"),
            (&empty, &key, "no certificate in it"),
            (&endless, &key, "longer than"),
            (&cert, &endless, "longer than"),
            (&cert, &empty, "http.tls_key"),
            (&cert, &cert, "no private key"),
            (&cert, &others, "does not go with"),
        ] {
            let error = load(&Tls { cert: cert.clone(), key: key.clone() }).unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("BEGIN"), "{error}");
        }
    }
}
