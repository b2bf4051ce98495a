//! Answers that go on for as long as the client likes end when what let the client in has ended: its key, its session, or the time
//! before the first key.

use super::Locks;
use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::{Bytes, Data};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);

/// What let a request in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// The route is for everybody.
    Public,
    /// There was no key yet.
    Unlocked,
    /// The id of an API key.
    Key(String),
    /// The name of a session.
    Session(String),
}

impl Pass {
    fn is_valid(&self, locks: &Locks) -> bool {
        match self {
            Pass::Public => true,
            Pass::Unlocked => locks.is_open(),
            Pass::Key(id) => locks.keyring.is_valid_key(id),
            Pass::Session(sha256) => locks.keyring.is_valid_session(sha256),
        }
    }

    /// Resolves when this lets nobody in any more, which is looked at each time that the keys were read, and every second.
    async fn ended(self, locks: Data<Locks>) {
        let mut reads = locks.keyring.reads();
        while self.is_valid(&locks) {
            tokio::select! {
                read = reads.changed() => if read.is_err() { return },
                // Keys and sessions expire also while the store is silent.
                () = locks.clock.sleep(EVERY) => {}
            }
        }
    }

    /// The body of an answer, which ends early with this if its length is open.
    pub fn bound(self, body: BoxBody, locks: &Data<Locks>) -> BoxBody {
        if body.size() != BodySize::Stream || self == Pass::Public {
            return body;
        }
        BoxBody::new(Bound { body, ended: Some(Box::pin(self.ended(locks.clone()))) })
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
