//! A stand-in for the crate `p12-keystore` with the functions that `tcp-stream` calls. Every file is refused, so no value of
//! [`KeyStore`] exists.

use std::convert::Infallible;
use std::fmt;

/// The error for a file in PKCS #12.
#[derive(Debug)]
pub struct Error;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("client certificates in PKCS #12 are not supported")
    }
}

impl std::error::Error for Error {}

pub struct KeyStore(Infallible);

impl KeyStore {
    /// # Errors
    ///
    /// Always.
    pub fn from_pkcs12(_data: &[u8], _password: &str) -> Result<Self, Error> {
        Err(Error)
    }

    #[must_use]
    pub fn private_key_chain(&self) -> Option<(&str, &PrivateKeyChain)> {
        match self.0 {}
    }
}

pub struct PrivateKeyChain(Infallible);

impl PrivateKeyChain {
    #[must_use]
    pub fn key(&self) -> &[u8] {
        match self.0 {}
    }

    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        match self.0 {}
    }
}

pub struct Certificate(Infallible);

impl Certificate {
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        match self.0 {}
    }
}
