//! A connection that does not wait for ever. The HTTP layer bounds the first request's head and idle connections; it does
//! not bound a head that is sent in drops later on, a body that nobody reads, or a client that does not read its answer.

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_rt::net::{ActixStream, Ready};
use actix_web::web::Bytes;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How many of a connection's requests are being answered.
#[derive(Clone, Default)]
pub struct Activity(Rc<Cell<usize>>);

/// A request that is being answered, until this is dropped.
pub struct Busy(Activity);

impl Activity {
    pub fn busy(&self) -> Busy {
        self.0.set(self.0.get() + 1);
        Busy(self.clone())
    }
    fn is_busy(&self) -> bool {
        self.0.get() > 0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get().saturating_sub(1));
    }
}

/// The body of an answer that goes on as long as it likes: meanwhile its connection is not quiet.
pub struct Held {
    body: BoxBody,
    _busy: Busy,
}

impl Held {
    /// An answer of known size is bounded by the client's reading alone.
    pub fn while_it_streams(body: BoxBody, busy: Option<Busy>) -> BoxBody {
        match (body.size(), busy) {
            (BodySize::Stream, Some(busy)) => BoxBody::new(Self { body, _busy: busy }),
            _ => body,
        }
    }
}

impl MessageBody for Held {
    type Error = Box<dyn std::error::Error>;
    fn size(&self) -> BodySize {
        self.body.size()
    }
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// Ends the connection when the client takes too long.
pub struct Guarded<Io> {
    io: Io,
    activity: Activity,
    /// How long nothing may be answered while nothing is being answered.
    patience: Duration,
    /// How long a write may make no progress.
    write_timeout: Duration,
    written: Instant,
    quiet: Pin<Box<Sleep>>,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<Io> Guarded<Io> {
    pub fn new(io: Io, patience: Duration, write_timeout: Duration) -> Self {
        let (written, quiet) = (Instant::now(), Box::pin(sleep(patience)));
        Self { io, activity: Activity::default(), patience, write_timeout, written, quiet, stalled: None }
    }

    pub fn io(&self) -> &Io {
        &self.io
    }

    pub fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// Ready when the client's time is over.
    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.quiet.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let until = if self.activity.is_busy() { now } else { self.written } + self.patience;
            if until <= now {
                return Poll::Ready(());
            }
            self.quiet.as_mut().reset(until);
        }
        Poll::Pending
    }

    fn wrote<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            self.written = Instant::now();
            return result;
        }
        let wait = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(wait)));
        stalled.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Guarded<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Also where there is something to read: drops of it are no progress.
        if self.poll_quiet(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes too long")));
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Guarded<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.wrote(cx, result)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.wrote(cx, result)
    }
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<Io: ActixStream> ActixStream for Guarded<Io> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.io.poll_read_ready(cx)
    }
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.io.poll_write_ready(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const PATIENCE: Duration = Duration::from_secs(10);
    const WRITE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn drops_do_not_keep_a_quiet_connection() {
        let (mut client, server) = duplex(64);
        let mut server = Guarded::new(server, PATIENCE, WRITE);
        let began = Instant::now();
        let dripping = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let mut buffer = [0; 64];
        let error = loop {
            if let Err(error) = server.read(&mut buffer).await {
                break error;
            }
        };
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, PATIENCE));
        drop(server);
        dripping.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_its_time_and_begins_the_wait_anew() {
        let (mut client, server) = duplex(64);
        let mut server = Guarded::new(server, PATIENCE, WRITE);
        let (busy, began) = (server.activity().busy(), Instant::now());
        let answered = 5 * PATIENCE;
        let answering = async {
            tokio::time::sleep(answered).await;
            drop(busy);
            client.write_all(b"x").await.unwrap();
        };
        let mut buffer = [0; 64];
        let (read, ()) = tokio::join!(server.read(&mut buffer), answering);
        assert_eq!((read.unwrap(), began.elapsed()), (1, answered));
        server.write_all(b"answer").await.unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), answered + PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_left() {
        let (_client, server) = duplex(64);
        let mut server = Guarded::new(server, PATIENCE, WRITE);
        let (_busy, began) = (server.activity().busy(), Instant::now());
        let error = server.write_all(&[0; 1000]).await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, WRITE));
    }
}
