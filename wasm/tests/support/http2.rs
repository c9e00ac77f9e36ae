//! HTTP/2 without TLS.

use std::path::Path;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use tokio::net::UnixStream;

use crate::exchange::Reply;
use crate::vector::RequestText;

/// Sends a request, and reads the answer.
pub(crate) fn send(socket: &Path, request: &RequestText) -> Result<Reply, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let exchange = async { tokio::time::timeout(Duration::from_secs(20), exchange(socket, request)).await };
    runtime.block_on(exchange).map_err(|_| "no answer".to_owned())?
}

async fn exchange(socket: &Path, text: &RequestText) -> Result<Reply, String> {
    let request = request(text)?;
    let stream = UnixStream::connect(socket).await.map_err(|error| error.to_string())?;
    let mut builder = h2::client::Builder::new();
    let client = builder.max_header_list_size(1 << 24).handshake::<_, bytes::Bytes>(stream).await;
    let (client, connection) = client.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let mut client = client.ready().await.map_err(|error| error.to_string())?;
    let (response, _) = client.send_request(request, true).map_err(|error| error.to_string())?;
    let (head, mut stream) = response.await.map_err(|error| error.to_string())?.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece.map_err(|error| error.to_string())?;
        stream.flow_control().release_capacity(piece.len()).map_err(|error| error.to_string())?;
        body.extend_from_slice(&piece);
    }
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into())).collect();
    Ok(Reply { status: head.status.as_u16(), headers, body })
}

fn request(text: &RequestText) -> Result<Request<()>, String> {
    let target = std::str::from_utf8(&text.target.0).map_err(|error| error.to_string())?;
    let uri: Uri = format!("http://api{target}").parse().map_err(|error| format!("{error}"))?;
    let method = Method::from_bytes(text.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    for (name, value) in &text.headers {
        let name: HeaderName = name.parse().map_err(|error| format!("{error}"))?;
        let value = HeaderValue::from_bytes(&value.0).map_err(|error| error.to_string())?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}
