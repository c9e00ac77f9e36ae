use std::net::SocketAddr;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::server::Server;
use super::tally::Answer;
use crate::failure::Failure;

/// One caller's connection, kept alive from request to request.
pub(super) struct Connection {
    address: SocketAddr,
    sender: SendRequest<Empty<Bytes>>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // It ends with the sender; what goes wrong in it shows in the sender's answers.
        tokio::spawn(connection);
        Ok(Self { address, sender })
    }

    /// Sends one request with that key and reads the whole answer.
    pub(super) async fn get(&mut self, key: &str) -> Result<Answer, String> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|error| error.to_string())?;
        authorization.set_sensitive(true);
        let request = hyper::Request::get(Server::ROUTE)
            .header(HOST, self.address.to_string())
            .header(AUTHORIZATION, authorization)
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let response = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let retires = response.headers().get(HeaderName::from_static("x-api-key-retires"));
        let retires = retires.and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status, retires, superseded: body.windows(SUPERSEDED.len()).any(|part| part == SUPERSEDED) })
    }
}

const SUPERSEDED: &[u8] = b"\"code\":\"superseded\"";

/// One request on a connection of its own, and the answer to the byte.
pub(super) async fn exchange(address: SocketAddr, key: &str) -> Result<String, Failure> {
    send(address, "GET", Server::ROUTE, &bearer(key)).await
}

/// One request that changes something, and the answer to the byte.
pub(super) async fn post(address: SocketAddr, path: &str, key: &str) -> Result<String, Failure> {
    let headers = Zeroizing::new(format!("{}content-length: 0\r\n", *bearer(key)));
    send(address, "POST", path, &headers).await
}

fn bearer(key: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("authorization: Bearer {key}\r\n"))
}

/// What `/metrics` answers, without its head.
pub(super) async fn metrics(address: SocketAddr) -> Result<String, Failure> {
    let answer = send(address, "GET", Server::METRICS, "").await?;
    Ok(answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

async fn send(address: SocketAddr, method: &str, path: &str, headers: &str) -> Result<String, Failure> {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n{headers}connection: close\r\n\r\n");
    let request = Zeroizing::new(request);
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    exchange.await.map_err(|error: std::io::Error| Failure::refused(format!("a request failed: {error}")))
}
