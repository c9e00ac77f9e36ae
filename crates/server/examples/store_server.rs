//! A server on the store whose address is its argument, with a pepper for tests, until it is killed.
#![expect(clippy::print_stdout, reason = "its one line is how others find it")]

use std::error::Error;
use std::sync::Arc;

use gracekey_core::{Pepper, Peppers};
use gracekey_server::{Config, Server};
use gracekey_store::Store;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("give the address of a store")?;
    let peppers = Arc::new(Peppers::one(Pepper::new("p1".parse()?, &[7; 32])?));
    let mut config = Config::new(Store::connect(&address).await?, peppers);
    config.listen.set_port(0);
    let server = Server::start(config).await?;
    println!("http://{}", server.local_addr());
    server.wait().await?;
    Ok(())
}
