use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

/// A way to the server that can be cut after any byte.
pub(crate) struct Proxy {
    port: u16,
    /// How many bytes may still pass: there, and back.
    left: Arc<[AtomicI64; 2]>,
}

/// The way from the client to the server.
pub(crate) const THERE: usize = 0;
/// The way from the server to the client.
pub(crate) const BACK: usize = 1;

const ENOUGH: i64 = i64::MAX / 2;

impl Proxy {
    pub(crate) async fn start(server: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let left = Arc::new([AtomicI64::new(ENOUGH), AtomicI64::new(ENOUGH)]);
        let shared = left.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, left) = (UnixStream::connect(&server).await.unwrap(), shared.clone());
                tokio::spawn(async move {
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    // Whichever way ends first takes the other with it.
                    tokio::select! {
                        () = carry(from_client, to_server, &left[THERE]) => {}
                        () = carry(from_server, to_client, &left[BACK]) => {}
                    }
                });
            }
        });
        Self { port, left }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the connection that has carried so many bytes in that direction.
    pub(crate) fn cut_after(&self, direction: usize, bytes: i64) {
        self.left[direction].store(bytes, Ordering::SeqCst);
    }

    pub(crate) fn restore(&self) {
        self.left.iter().for_each(|left| left.store(ENOUGH, Ordering::SeqCst));
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, left: &AtomicI64) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let before = left.fetch_sub(i64::try_from(read).unwrap(), Ordering::SeqCst);
        let passes = usize::try_from(before).unwrap_or(0).min(read);
        let sent = to.write_all(&buffer[..passes]).await;
        if passes < read {
            // One connection is cut. The next one goes through.
            left.store(ENOUGH, Ordering::SeqCst);
            return;
        }
        if sent.is_err() {
            return;
        }
    }
}
