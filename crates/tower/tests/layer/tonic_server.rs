//! A real gRPC server and client of tonic, with messages of plain bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use gracekey_core::ApiKey;
use gracekey_tower::{Caller, GracekeyLayer};
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};
use tower::{Layer, Service};

use super::service::live;
use crate::support::{generation, key, policy, superseded};

/// Bytes as they are.
#[derive(Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let len = from.remaining();
        Ok(Some(from.copy_to_bytes(len)))
    }
}

/// Answers with the client id of its caller.
#[derive(Clone)]
struct Who;

impl UnaryService<Bytes> for Who {
    type Response = Bytes;
    type Future = std::future::Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let caller = request.extensions().get::<Caller>().map(|caller| caller.client_id().to_owned());
        std::future::ready(Ok(Response::new(caller.unwrap_or_default().into())))
    }
}

impl Service<http::Request<tonic::body::Body>> for Who {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move { Ok(Grpc::new(Plain).unary(Who, request).await) })
    }
}

impl NamedService for Who {
    const NAME: &'static str = "test.Who";
}

async fn call(address: SocketAddr, key: Option<&ApiKey>) -> Result<Response<Bytes>, Status> {
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let mut request = Request::new(Bytes::from_static(b"?"));
    if let Some(key) = key {
        request.metadata_mut().insert("authorization", format!("Bearer {}", key.reveal()).parse().unwrap());
    }
    client.unary(request, PathAndQuery::from_static("/test.Who/Ask"), Plain).await
}

async fn check(address: SocketAddr) {
    let current = call(address, Some(&key(1))).await.unwrap();
    assert_eq!(current.metadata().get("authentication-info"), None);
    assert_eq!(current.into_inner(), "acme");
    let rotated = call(address, Some(&key(2))).await.unwrap();
    let info = rotated.metadata().get("authentication-info").unwrap().to_str().unwrap();
    assert!(info.contains(r#"key_status="superseded""#), "{info}");
    assert_eq!(rotated.metadata().get("x-api-key-retires").unwrap(), "2026-11-22T13:00:00Z");

    let unknown = call(address, Some(&key(3))).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.message()), (Code::Unauthenticated, "This API key is not valid."));
    let missing = call(address, None).await.unwrap_err();
    assert_eq!(missing.code(), Code::Unauthenticated);
    assert!(missing.message().starts_with("An API key is needed"), "{missing}");
}

fn layer() -> GracekeyLayer {
    GracekeyLayer::new(policy("{}"), live(vec![generation("acme", 1), superseded(generation("beta", 2))]))
}

#[tokio::test]
async fn around_the_whole_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().layer(layer()).add_service(Who);
    let server = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    check(address).await;
    server.abort();
}

#[tokio::test]
async fn around_one_service() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().add_service(layer().layer(Who));
    let server = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    check(address).await;
    server.abort();
}
