//! A listener that says when it can't accept: what serves on it waits a moment and tries again, without a word.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::connect_info::Connected;
use axum_server::{AddrListener, Address};
use tokio::net::{TcpListener, TcpStream};

/// Where a connection comes from, or where it is listened.
#[derive(Clone, Copy, Debug)]
pub(super) struct End(pub(super) SocketAddr);

/// Listens, and counts what it could not accept.
#[derive(Debug)]
pub(super) struct Accepting {
    listener: TcpListener,
    failed: AtomicU64,
}

impl Accepting {
    /// Logs the first failure and then ever fewer of them: they come by the dozen in a second, for as long as it lasts.
    fn failed(&self, error: &io::Error) {
        let times = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
        if times.is_power_of_two() {
            tracing::error!(
                times,
                "a connection can't be accepted: {error}; if too many files are open, raise their limit (ulimit -n, LimitNOFILE=)"
            );
        }
    }
}

impl From<TcpListener> for Accepting {
    fn from(listener: TcpListener) -> Self {
        Self { listener, failed: AtomicU64::new(0) }
    }
}

impl AddrListener<TcpStream, End> for Accepting {
    async fn bind_to(End(address): End) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self::from)
    }

    async fn accept_stream(&self) -> io::Result<(TcpStream, End)> {
        let accepted = self.listener.accept().await.inspect_err(|error| self.failed(error));
        accepted.map(|(stream, address)| (stream, End(address)))
    }

    fn get_local_addr(&self) -> io::Result<End> {
        self.listener.local_addr().map(End)
    }
}

impl Address for End {
    type Stream = TcpStream;
    type Listener = Accepting;
}

impl Connected<End> for SocketAddr {
    fn connect_info(End(address): End) -> Self {
        address
    }
}
