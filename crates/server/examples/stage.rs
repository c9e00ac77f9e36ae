//! What `benches/server` measures: a server with many keys, and beside it, in the same process, a bare axum handler.
//!
//! `cargo run --release -p gracekey-server --example stage -- 100000` prints a line of JSON with the addresses and keys, and
//! runs until its input ends.
#![expect(clippy::print_stdout, reason = "its one line is what it is for")]

use std::error::Error;
use std::fmt::Write as _;
use std::io::Read as _;
use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use gracekey_core::{ApiKey, Client, Pepper, Peppers, Prefix};
use gracekey_server::{Config, Server, Telemetry};
use gracekey_store::{Actor, Import, Issue, Store, mint};
use gracekey_tower::Clock;
use tokio::net::TcpListener;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let keys = std::env::args().nth(1).map_or(Ok(100_000), |keys| keys.parse())?;
    let folder = tempfile::tempdir()?;
    let pepper = Pepper::new("p1".parse()?, b"a pepper for measurements only, not for keys")?;
    let peppers = Arc::new(Peppers::one(pepper));
    let store = Store::connect(&format!("sqlite:{}", folder.path().join("store.db").display())).await?;
    let caller = fill(&store, &peppers, keys).await?;
    let admin = client(&store, &peppers, "operator", "gracekey:admin").await?;

    let mut config = Config::new(store, peppers);
    config.listen = ([127, 0, 0, 1], 0).into();
    config.trusted_proxies = vec!["127.0.0.1/32".parse()?];
    config.telemetry = Some(Telemetry::install()?);
    let server = Server::start(config).await?;
    let bare = TcpListener::bind("127.0.0.1:0").await?;
    let (gracekey, bare_address, process) = (server.local_addr(), bare.local_addr()?, std::process::id());
    let handler = Router::new().route("/verify", any(async || ()));
    tokio::spawn(async move { axum::serve(bare, handler).await });

    let (caller, admin) = (caller.reveal(), admin.reveal());
    println!(
        r#"{{"process":{process},"gracekey":"{gracekey}","bare":"{bare_address}","caller":"{caller}","admin":"{admin}"}}"#
    );
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

/// So many clients with a key each; the key of one of them.
async fn fill(store: &Store, peppers: &Peppers, keys: usize) -> Outcome<ApiKey> {
    let by: Actor = "bench".parse()?;
    let mut rows = String::from("key,client_id,scopes\n");
    let mut last = None;
    for number in 0..keys {
        let (key, _) = mint(&Prefix::default(), peppers.current())?;
        writeln!(rows, "{},client-{number:06},logs:write", key.reveal())?;
        last = Some(key);
    }
    let now = Clock::system().now().ok_or("no time")?;
    store.import(Import::csv(rows.as_bytes(), peppers)?, &by, now, |_| ()).await?;
    last.ok_or_else(|| "no keys were asked for".into())
}

async fn client(store: &Store, peppers: &Peppers, name: &str, scope: &str) -> Outcome<ApiKey> {
    let by: Actor = "bench".parse()?;
    let now = Clock::system().now().ok_or("no time")?;
    let client = Client { client_id: name.parse()?, disabled: false, scopes: vec![scope.parse()?] };
    store.add_client(&client.clone().into(), &by, now).await?;
    let (key, minted) = mint(&Prefix::default(), peppers.current())?;
    let issue = Issue { client_id: client.client_id, credential: "default".parse()?, key: minted, expires_at: None };
    store.issue(&issue, &by, now).await?;
    Ok(key)
}
