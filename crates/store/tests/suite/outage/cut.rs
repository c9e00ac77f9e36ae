use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

/// A way to the server that can be cut after any byte, or at the commit.
pub(crate) struct Proxy {
    port: u16,
    cut: Arc<Cut>,
}

/// The way from the client to the server.
pub(crate) const THERE: usize = 0;
/// The way from the server to the client.
pub(crate) const BACK: usize = 1;

struct Cut {
    /// How many bytes may still pass: there, and back.
    left: [AtomicI64; 2],
    commit: AtomicU8,
}

const ENOUGH: i64 = i64::MAX / 2;

/// What happens to the next commit.
const PASSES: u8 = 0;
const IS_LOST: u8 = 1;
const ANSWER_IS_LOST: u8 = 2;

impl Proxy {
    pub(crate) async fn start(server: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(Cut { left: [ENOUGH, ENOUGH].map(AtomicI64::new), commit: AtomicU8::new(PASSES) });
        let shared = cut.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, cut) = (UnixStream::connect(&server).await.unwrap(), shared.clone());
                tokio::spawn(async move {
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    // Whichever way ends first takes the other with it.
                    tokio::select! {
                        () = cut.carry(THERE, from_client, to_server) => {}
                        () = cut.carry(BACK, from_server, to_client) => {}
                    }
                });
            }
        });
        Self { port, cut }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the connection that has carried so many bytes in that direction.
    pub(crate) fn cut_after(&self, direction: usize, bytes: i64) {
        self.cut.left[direction].store(bytes, Ordering::SeqCst);
    }

    /// Cuts the connection at the next commit, before or after that reaches the server.
    pub(crate) fn cut_at_commit(&self, arrives: bool) {
        self.cut.commit.store(if arrives { ANSWER_IS_LOST } else { IS_LOST }, Ordering::SeqCst);
    }

    pub(crate) fn restore(&self) {
        self.cut.left.iter().for_each(|left| left.store(ENOUGH, Ordering::SeqCst));
        self.cut.commit.store(PASSES, Ordering::SeqCst);
    }
}

impl Cut {
    async fn carry(&self, direction: usize, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let left = &self.left[direction];
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if direction == THERE && buffer[..read].windows(6).any(|bytes| bytes == b"COMMIT") {
                match self.commit.swap(PASSES, Ordering::SeqCst) {
                    IS_LOST => return,
                    ANSWER_IS_LOST => self.left[BACK].store(0, Ordering::SeqCst),
                    _ => {}
                }
            }
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
}
