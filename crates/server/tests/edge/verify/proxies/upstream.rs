//! A service that answers with what it was sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    served: Arc<AtomicUsize>,
}

impl Upstream {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let served = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&served);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&count)));
            }
        });
        Self { address, served }
    }

    /// How many requests came so far.
    pub(super) fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

/// One request per connection.
async fn serve(mut stream: TcpStream, served: Arc<AtomicUsize>) -> Option<()> {
    let (mut request, mut piece) = (Vec::new(), vec![0; 65_536]);
    let whole = |request: &[u8]| {
        let head = request.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(request.get(..head)?).to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        (request.len() >= head + length.unwrap_or(0)).then_some(())
    };
    while whole(&request).is_none() {
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        request.extend_from_slice(piece.get(..count)?);
    }
    served.fetch_add(1, Ordering::SeqCst);
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", request.len());
    stream.write_all(&[head.as_bytes(), &request].concat()).await.ok()
}
