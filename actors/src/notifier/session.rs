//! One connection to the mail server: secured, logged in, and used for several mails.

use super::rendered_mail::{RenderedMail, cause};
use crate::options::{MailOptions, Security};
use crate::pem;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use provost_domain::address::why_unreachable;
use provost_domain::visible;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// How long closing the connection may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// "Service not available, closing transmission channel."
const CLOSING: u16 = 421;

/// Why a connection for mail could not be established.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("the certificates in {path} cannot be used: {why}")]
    CaFile { path: String, why: String },
    #[error("cannot connect: {0}")]
    Connect(&'static str),
    #[error("cannot connect: the server answered {0}")]
    Answered(u16),
    #[error("the server offers no STARTTLS, and without it nothing is sent")]
    NoTls,
    #[error("the server does not accept the login (it answered {0})")]
    Login(u16),
    #[error("no answer within {} s", .0.as_secs_f64())]
    Silent(Duration),
}

/// Why a mail was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The server refuses this mail permanently.
    #[error("refused: {0}")]
    Refused(String),
    /// The server may accept the mail later.
    #[error("{0}")]
    Later(String),
    /// The connection is broken; whether the mail was accepted is unknown.
    #[error("the connection broke: {0}")]
    Broken(String),
}

pub struct Session<'a> {
    connection: AsyncSmtpConnection,
    mail: &'a MailOptions,
}

impl<'a> Session<'a> {
    pub async fn open(mail: &'a MailOptions) -> Result<Self, ConnectError> {
        // lettre's own time-out covers only the TCP handshake.
        match tokio::time::timeout(mail.timeout, connect(mail)).await {
            Ok(Ok(connection)) => Ok(Self { connection, mail }),
            Ok(Err(e)) => Err(e),
            Err(_) => Err(ConnectError::Silent(mail.timeout)),
        }
    }

    /// Ok once the server has accepted responsibility, with 250 after the whole mail. After `Refused` and `Later` the
    /// session can still be used.
    pub async fn send(&mut self, rendered: &RenderedMail) -> Result<(), SendError> {
        let Ok(sent) = tokio::time::timeout(self.mail.timeout, self.transaction(rendered)).await else {
            return Err(SendError::Broken(format!("no answer within {} s", self.mail.timeout.as_secs_f64())));
        };
        match sent {
            Ok(()) => Ok(()),
            Err(e @ SendError::Broken(_)) => Err(e),
            Err(verdict) => {
                // If this fails, the verdict is still valid, and the next mail finds the connection broken.
                let _ = tokio::time::timeout(self.mail.timeout, self.connection.command(Rset)).await;
                Err(verdict)
            }
        }
    }

    async fn transaction(&mut self, rendered: &RenderedMail) -> Result<(), SendError> {
        let mut parameters = Vec::new();
        if rendered.is_international() {
            if !self.connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(SendError::Refused("the server takes no international addresses".to_owned()));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let begun = self.connection.command(Mail::new(Some(rendered.from.clone()), parameters)).await;
        // An objection to the sender concerns the configuration, not this mail, so the mail is not given up.
        begun.map_err(|e| match self.verdict(e) {
            SendError::Refused(why) => SendError::Later(format!("the sender is refused: {why}")),
            e => e,
        })?;
        let named = self.connection.command(Rcpt::new(rendered.to.clone(), Vec::new())).await;
        named.map_err(|e| self.verdict(e))?;
        let opened = self.connection.command(Data).await;
        opened.map_err(|e| self.verdict(e))?;
        let taken = self.connection.message(&rendered.bytes).await;
        taken.map(|_| ()).map_err(|e| self.verdict(e))
    }

    fn verdict(&self, error: SmtpError) -> SendError {
        let Some(status) = error.status() else {
            return SendError::Broken(why_unreachable(&cause(&error)).to_owned());
        };
        // The server's text about a mail or a recipient is for the administrator of mail.
        let text = visible::line(&self.mail.url.without_parts(&error.to_string())).into_owned();
        match u16::from(status) {
            CLOSING => SendError::Broken(text),
            _ if error.is_permanent() => SendError::Refused(text),
            _ => SendError::Later(text),
        }
    }

    pub async fn close(mut self) {
        // The mail is done; a server that does not answer the farewell is left.
        let _ = tokio::time::timeout(GOODBYE, self.connection.abort()).await;
    }
}

async fn connect(mail: &MailOptions) -> Result<AsyncSmtpConnection, ConnectError> {
    let (url, hello) = (&mail.url, hello());
    let failed = |e: SmtpError| match e.status() {
        Some(status) => ConnectError::Answered(u16::from(status)),
        None => ConnectError::Connect(why_unreachable(&cause(&e))),
    };
    let security = url.security(mail.ca_file.is_some());
    let tls = if security == Security::Plain { None } else { Some(tls(mail).await?) };
    let (implicit, upgrade) = if security == Security::Tls { (tls, None) } else { (None, tls) };
    let timeout = Some(mail.timeout);
    let mut connection = if url.host() == "localhost" {
        // Not resolved, because a resolver might return another address.
        let here = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].map(|ip| SocketAddr::new(ip, url.port()));
        AsyncSmtpConnection::connect_tokio1(&here[..], timeout, &hello, implicit, None).await
    } else {
        AsyncSmtpConnection::connect_tokio1((url.host(), url.port()), timeout, &hello, implicit, None).await
    }
    .map_err(failed)?;
    if let Some(tls) = upgrade {
        if !connection.can_starttls() {
            connection.abort().await;
            return Err(ConnectError::NoTls);
        }
        connection.starttls(tls, &hello).await.map_err(failed)?;
    }
    if let Some((user, password)) = url.credentials() {
        let credentials = Credentials::new(user.to_owned(), password.to_owned());
        if let Err(e) = connection.auth(DEFAULT_MECHANISMS, &credentials).await {
            connection.abort().await;
            // The text may repeat user and password, in whatever encoding they were sent.
            return Err(match e.status() {
                Some(status) => ConnectError::Login(u16::from(status)),
                None => ConnectError::Connect(why_unreachable(&cause(&e))),
            });
        }
    }
    Ok(connection)
}

/// Reads certificates: the system's, and those of the file. Read for each connection, so that new ones take effect.
async fn tls(mail: &MailOptions) -> Result<TlsParameters, ConnectError> {
    let (host, file) = (mail.url.host().to_owned(), mail.ca_file.clone());
    let read = move || {
        let mut builder = TlsParameters::builder(host);
        if let Some(path) = file {
            let unusable = |why: String| ConnectError::CaFile { path: path.display().to_string(), why };
            let bytes = pem::read(&path).map_err(|e| unusable(e.to_string()))?;
            if !String::from_utf8_lossy(&bytes).contains("BEGIN CERTIFICATE") {
                return Err(unusable("there are none in PEM form".to_owned()));
            }
            let certificate = Certificate::from_pem(&bytes).map_err(|e| unusable(e.to_string()))?;
            builder = builder.add_root_certificate(certificate);
        }
        builder.build_rustls().map_err(|_| ConnectError::Connect("TLS cannot be set up"))
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or(Err(ConnectError::Connect("the certificates were not read")))
}

/// The name of this machine, if it has a form that servers accept.
fn hello() -> ClientId {
    let plain =
        |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    sysinfo::System::host_name().ok().filter(plain).map_or_else(ClientId::default, ClientId::Domain)
}
