//! Streamed answers end when their credential does: the key or session is no longer valid, or the first key was created after
//! an anonymous stream began.

use super::{Auth, Caller};
use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpMessage as _, HttpRequest};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);

/// The credential that a request was answered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// The route is public.
    Public,
    /// No key existed yet.
    Unlocked,
    /// The id of an API key.
    Key(String),
    /// The name of a session.
    Session(String),
}

impl Pass {
    fn is_valid(&self, auth: &Auth) -> bool {
        match self {
            Pass::Public => true,
            Pass::Unlocked => auth.is_open(),
            Pass::Key(id) => auth.keyring.is_valid_key(id),
            Pass::Session(sha256) => auth.keyring.is_valid_session(sha256),
        }
    }

    /// Resolves when the credential is no longer valid; checked after each read of the keys, and every second.
    async fn ended(self, auth: Data<Auth>) {
        let mut reads = auth.keyring.reads();
        while self.is_valid(&auth) {
            tokio::select! {
                read = reads.changed() => if read.is_err() { return },
                // Keys and sessions expire also while the store is unavailable.
                () = auth.clock.sleep(EVERY) => {}
            }
        }
    }

    /// The answer's body; a streamed one ends early when the credential ends.
    pub fn bound(self, body: BoxBody, auth: &Data<Auth>) -> BoxBody {
        if body.size() != BodySize::Stream || self == Pass::Public {
            return body;
        }
        BoxBody::new(Bound { body, ended: Some(Box::pin(self.ended(auth.clone()))) })
    }
}

/// In the extensions of a response whose stream itself ends with its credential ([`ended`]), so that it can say so.
pub struct EndsItself;

/// Resolves when the request's credential is no longer valid; never for a public route.
pub fn ended(request: &HttpRequest) -> impl Future<Output = ()> + use<> {
    let pass = request.extensions().get::<Caller>().map(|caller| caller.pass.clone());
    let auth = request.app_data::<Data<Auth>>().cloned();
    async move {
        match (pass, auth) {
            (Some(pass), Some(auth)) if pass != Pass::Public => pass.ended(auth).await,
            _ => std::future::pending().await,
        }
    }
}

struct Bound {
    body: BoxBody,
    /// None: it has ended.
    ended: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl MessageBody for Bound {
    type Error = Box<dyn std::error::Error>;
    fn size(&self) -> BodySize {
        self.body.size()
    }
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let over = self.ended.as_mut().is_none_or(|ended| ended.as_mut().poll(cx).is_ready());
        if over {
            self.ended = None;
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_next(cx)
    }
}
