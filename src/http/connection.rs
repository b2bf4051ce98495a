//! Time-outs of a connection. The HTTP layer bounds the first request's head and idle connections; this module ends connections
//! with a slow later head, a body that nobody reads, or a client that does not read its answer.

use super::connection_limit::ConnectionSlot;
use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_rt::net::{ActixStream, Ready};
use actix_web::web::Bytes;
use provost_actors::clock::{Clock, Sleep};
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many of a connection's requests are being answered, and how many of these while their body still arrives.
#[derive(Clone, Default)]
pub struct Activity {
    busy: Rc<Cell<usize>>,
    two_way: Rc<Cell<usize>>,
}

/// Counts a request that is being answered, until dropped.
pub struct Busy(Activity);

impl Activity {
    pub fn busy(&self) -> Busy {
        self.busy.set(self.busy.get() + 1);
        Busy(self.clone())
    }
    fn is_busy(&self) -> bool {
        self.busy.get() > 0
    }
    /// Until the guard is dropped, bytes that the client sends count as progress too.
    pub fn two_way(&self) -> TwoWay {
        self.two_way.set(self.two_way.get() + 1);
        TwoWay(self.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get().saturating_sub(1));
    }
}

/// Counts a request that is answered while its body arrives, until dropped.
pub struct TwoWay(Activity);

impl Drop for TwoWay {
    fn drop(&mut self) {
        self.0.two_way.set(self.0.two_way.get().saturating_sub(1));
    }
}

/// The body of a streamed answer, which keeps its connection busy until its end.
pub struct Held {
    body: BoxBody,
    _busy: Busy,
}

impl Held {
    /// Wraps streamed bodies only: the write time-out bounds an answer of known size.
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

/// A connection that ends when the client takes too long.
pub struct Guarded<Io> {
    io: Io,
    clock: Arc<dyn Clock>,
    activity: Activity,
    /// The longest time without an answer while no request is being answered.
    patience: Duration,
    /// How long a write may make no progress.
    write_timeout: Duration,
    /// When bytes were last written, by the clock's monotonic reading.
    written: Duration,
    quiet: Sleep,
    stalled: Option<Sleep>,
    _slot: Option<ConnectionSlot>,
}

impl<Io> Guarded<Io> {
    pub fn new(io: Io, clock: Arc<dyn Clock>, patience: Duration, write_timeout: Duration) -> Self {
        let (written, quiet) = (clock.monotonic(), clock.sleep(patience));
        Self {
            io,
            clock,
            activity: Activity::default(),
            patience,
            write_timeout,
            written,
            quiet,
            stalled: None,
            _slot: None,
        }
    }

    /// Holds the connection's slot until its end.
    pub fn on(self, slot: ConnectionSlot) -> Self {
        Self { _slot: Some(slot), ..self }
    }

    pub fn io(&self) -> &Io {
        &self.io
    }

    pub fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// Ready once the client has run out of time.
    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.quiet.as_mut().poll(cx).is_ready() {
            let now = self.clock.monotonic();
            let until = if self.activity.is_busy() { now } else { self.written } + self.patience;
            if until <= now {
                return Poll::Ready(());
            }
            self.quiet = self.clock.sleep(until - now);
        }
        Poll::Pending
    }

    fn wrote<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            self.written = self.clock.monotonic();
            return result;
        }
        let stalled = self.stalled.get_or_insert_with(|| self.clock.sleep(self.write_timeout));
        stalled.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Guarded<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Checked even if bytes can be read: a few bytes now and then are not progress.
        if self.poll_quiet(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes too long")));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if buffer.filled().len() > before && self.activity.two_way.get() > 0 {
            self.stalled = None;
        }
        read
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
    use chrono::DateTime;
    use futures_util::FutureExt;
    use provost_actors::clock::TestClock;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const PATIENCE: Duration = Duration::from_secs(10);
    const WRITE: Duration = Duration::from_secs(5);
    const SECOND: Duration = Duration::from_secs(1);

    fn connection() -> (DuplexStream, Guarded<DuplexStream>, TestClock) {
        let clock = TestClock::new(DateTime::UNIX_EPOCH);
        let (client, server) = duplex(64);
        (client, Guarded::new(server, Arc::new(clock.clone()), PATIENCE, WRITE), clock)
    }

    /// The result of reading now, if there is one.
    fn read(server: &mut Guarded<DuplexStream>) -> Option<io::Result<usize>> {
        server.read(&mut [0; 64]).now_or_never()
    }

    fn timed_out<T>(result: Option<io::Result<T>>) -> bool {
        result.is_some_and(|r| r.is_err_and(|e| e.kind() == io::ErrorKind::TimedOut))
    }

    #[tokio::test]
    async fn drops_do_not_keep_a_quiet_connection() {
        let (mut client, mut server, clock) = connection();
        for _ in 0..10 {
            client.write_all(b"x").await.unwrap();
            assert_eq!(read(&mut server).unwrap().unwrap(), 1);
            clock.advance(SECOND);
        }
        client.write_all(b"x").await.unwrap();
        assert!(timed_out(read(&mut server)));
    }

    #[tokio::test]
    async fn an_answer_may_take_its_time_and_begins_the_wait_anew() {
        let (_client, mut server, clock) = connection();
        let busy = server.activity().busy();
        clock.advance(5 * PATIENCE);
        assert!(read(&mut server).is_none(), "it is being answered");
        drop(busy);
        server.write_all(b"answer").await.unwrap();
        clock.advance(PATIENCE - SECOND);
        assert!(read(&mut server).is_none());
        clock.advance(SECOND);
        assert!(timed_out(read(&mut server)));
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_left() {
        let (mut client, mut server, clock) = connection();
        let _busy = server.activity().busy();
        assert!(server.write_all(&[0; 64]).now_or_never().unwrap().is_ok());
        assert!(server.write(&[0; 64]).now_or_never().is_none());
        clock.advance(WRITE - SECOND);
        client.read_exact(&mut [0; 1]).await.unwrap();
        assert!(server.write(&[0; 1]).now_or_never().unwrap().is_ok(), "progress begins the wait anew");
        assert!(server.write(&[0; 64]).now_or_never().is_none());
        clock.advance(WRITE);
        assert!(timed_out(server.write(&[0; 64]).now_or_never()));
    }

    #[tokio::test]
    async fn a_client_that_sends_rows_before_it_reads_answers_makes_progress() {
        let (mut client, mut server, clock) = connection();
        let activity = server.activity();
        let (_busy, two_way) = (activity.busy(), activity.two_way());
        assert!(server.write_all(&[0; 64]).now_or_never().unwrap().is_ok());
        for _ in 0..3 {
            assert!(server.write(&[0; 64]).now_or_never().is_none());
            clock.advance(WRITE - SECOND);
            client.write_all(b"row").await.unwrap();
            assert_eq!(read(&mut server).unwrap().unwrap(), 3);
        }
        drop(two_way);
        assert!(server.write(&[0; 64]).now_or_never().is_none());
        clock.advance(WRITE);
        client.write_all(b"row").await.unwrap();
        assert_eq!(read(&mut server).unwrap().unwrap(), 3);
        assert!(timed_out(server.write(&[0; 64]).now_or_never()), "its body is over");
    }

    #[tokio::test]
    async fn an_answer_that_streams_keeps_its_connection_busy_to_its_end() {
        let activity = Activity::default();
        let sized = Held::while_it_streams(BoxBody::new("sized"), Some(activity.busy()));
        assert!(!activity.is_busy(), "reading it is up to the client");
        drop(sized);
        let stream = futures_util::stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"x"))]);
        let mut body =
            Held::while_it_streams(BoxBody::new(actix_web::body::BodyStream::new(stream)), Some(activity.busy()));
        assert!(activity.is_busy());
        let next = std::future::poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await;
        assert_eq!(next.unwrap().unwrap(), "x");
        drop(body);
        assert!(!activity.is_busy());
    }
}
