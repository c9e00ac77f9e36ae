//! A small gRPC service that keeps serving while its keys rotate.
//!
//! It reads `gracekey.pepper` and `gracekey.keyring.json`, which `gracekey init` made, in the folder where it is started,
//! and follows every change of the keyring file. `GRACEKEY_LISTEN` is where it listens, 127.0.0.1:50051 by default.

use gracekey::{Caller, GracekeyLayer, KeyringFile, LiveKeyring, Policy, pepper_from_file};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use proto::logs_server::{Logs, LogsServer};
use proto::{AppendReply, AppendRequest};

#[expect(unreachable_pub, unused_qualifications, reason = "generated from proto/logs.proto")]
mod proto {
    tonic::include_proto!("logs.v1");
}

struct Service;

#[tonic::async_trait]
impl Logs for Service {
    async fn append(&self, request: Request<AppendRequest>) -> Result<Response<AppendReply>, Status> {
        let caller = request.extensions().get::<Caller>().ok_or_else(|| Status::internal("the Layer is missing"))?;
        let client_id = caller.client_id().to_owned();
        let bytes = request.get_ref().line.len().try_into().unwrap_or(u64::MAX);
        Ok(Response::new(AppendReply { client_id, bytes }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = KeyringFile::new("gracekey.keyring.json", pepper_from_file("gracekey.pepper")?);
    let keys = LiveKeyring::new(file.load()?);
    let _watch = file.watch(&keys)?;
    let policy = Policy::parse(include_bytes!("../policy.json"))?;

    let listen = std::env::var("GRACEKEY_LISTEN").unwrap_or_else(|_| "127.0.0.1:50051".into());
    let listener = TcpListener::bind(&listen).await?;
    say(&format!("listening on {}", listener.local_addr()?));
    tonic::transport::Server::builder()
        .layer(GracekeyLayer::new(policy, keys))
        .add_service(LogsServer::new(Service))
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a service tells on its standard output where it listens")]
fn say(line: &str) {
    println!("{line}");
}
