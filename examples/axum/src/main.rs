//! A small HTTP service that keeps serving while its keys rotate.
//!
//! It reads `gracekey.pepper` and `gracekey.keyring.json`, which `gracekey init` made, in the folder where it is started,
//! and follows every change of the keyring file. With `GRACEKEY_FEED`, the URL of a `gracekey serve`, it follows that
//! server instead, with the key in `GRACEKEY_FEED_KEY`. `GRACEKEY_LISTEN` is where it listens, 127.0.0.1:3000 by default.

mod source;

use axum::Router;
use axum::routing::{get, post};
use gracekey::{Caller, GracekeyLayer, LiveKeyring, Policy};
use source::Source;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = LiveKeyring::empty();
    let source = Source::follow(&keys).await?;
    let policy = Policy::parse(include_bytes!("../policy.json"))?;

    let app = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/whoami", get(whoami))
        .route("/logs", post(append))
        .layer(GracekeyLayer::new(policy, keys));

    let listen = std::env::var("GRACEKEY_LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    say(&format!("listening on http://{}", listener.local_addr()?));
    axum::serve(listener, app).with_graceful_shutdown(stopped()).await?;
    source.end().await;
    Ok(())
}

async fn whoami(caller: Caller) -> String {
    let (client, credential) = (caller.client_id(), caller.credential());
    format!("client {client}, credential {credential}, generation {}\n", caller.generation())
}

/// The policy asks for `logs:write` here, so a handler need not.
async fn append(caller: Caller, line: String) -> String {
    format!("{} wrote {} bytes\n", caller.client_id(), line.len())
}

async fn stopped() {
    // Without a handler for the signal the service just runs on.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[expect(clippy::print_stdout, reason = "a service tells on its standard output where it listens")]
fn say(line: &str) {
    println!("{line}");
}
