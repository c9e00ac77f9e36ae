//! A deadline for the first bytes of a connection: until they tell which HTTP it is, no other deadline holds.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Hands on what another acceptor accepts, with a deadline.
#[derive(Clone, Debug)]
pub(super) struct Patience<A> {
    inner: A,
    deadline: Duration,
}

/// A connection whose first bytes have a deadline.
#[derive(Debug)]
pub(super) struct Awaited<S> {
    stream: S,
    /// Bytes that are still to come before the deadline no longer holds.
    missing: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

/// The preface of HTTP/2 (RFC 9113 §3.4), by which it is told from HTTP/1.
const PREFACE: usize = 24;

impl<A> Patience<A> {
    pub(super) fn new(inner: A, deadline: Duration) -> Self {
        Self { inner, deadline }
    }
}

impl<A, I, S> Accept<I, S> for Patience<A>
where
    A: Accept<I, S, Future: Send + 'static>,
{
    type Stream = Awaited<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, A::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let (accepted, deadline) = (self.inner.accept(stream, service), self.deadline);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((Awaited { stream, missing: PREFACE, deadline: Some(Box::pin(sleep(deadline))) }, service))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Awaited<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let Some(deadline) = &mut self.deadline else { return read };
        match read {
            Poll::Pending => match deadline.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            },
            Poll::Ready(read) => {
                self.missing = self.missing.saturating_sub(buffer.filled().len() - before);
                if self.missing == 0 {
                    self.deadline = None;
                }
                Poll::Ready(read)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Awaited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
