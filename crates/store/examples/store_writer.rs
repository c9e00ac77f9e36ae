//! Changes a store without end and says so, for the tests that kill it: `store_writer <address>`.
//!
//! After each change that the store acknowledged it prints a line: the epoch, what was done, and the key id. It goes on
//! until it is killed; when the store fails it prints `failed` and why, and ends.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::io::Write;

use gracekey_core::{Client, ClientId, CredentialName, Grace, Pepper, Peppers, Prefix, Revoke, Timestamp};
use gracekey_store::{Actor, Import, Issue, Kind, Rotate, RotateFrom, Store, StoreError, mint};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("give the address of a store")?;
    match write(&address).await {
        Err(Failure::Store(error)) if error.kind() == Kind::World => say(&format!("failed {error}")),
        Err(Failure::Store(error)) => Err(error.into()),
        Err(Failure::Other(error)) => Err(error),
        Ok(never) => match never {},
    }
}

/// More than one statement writes.
const IMPORTED: u32 = 520;

enum Failure {
    Store(StoreError),
    Other(Box<dyn Error>),
}

async fn write(address: &str) -> Result<std::convert::Infallible, Failure> {
    let store = Store::connect(address).await?;
    let by: Actor = "writer".parse().map_err(other)?;
    let pepper = || Pepper::new("p1".parse().map_err(other)?, &[7; 32]).map_err(other);
    let (pepper, peppers) = (pepper()?, Peppers::one(pepper()?));
    let grace: Grace = "1h".parse().map_err(other)?;
    let document = store.snapshot().await?;
    // Whoever was killed before this one may have seen any of the seconds up to here.
    let mut now = document.issued_at.max(Timestamp::from_unix_seconds(1_763_776_800).ok_or_else(|| other("time"))?);
    for number in document.clients.len().. {
        let client_id: ClientId = format!("client-{number}").parse().map_err(other)?;
        let credential: CredentialName = "default".parse().map_err(other)?;
        now = now.saturating_add(5);
        let client = Client { client_id: client_id.clone(), disabled: false, scopes: Vec::new() };
        let done = store.add_client(&client.into(), &by, now).await?;
        acknowledged(done.epoch, "client", client_id.as_str())?;

        let key = mint(&Prefix::default(), &pepper).map_err(other)?.1;
        let issue = Issue { client_id: client_id.clone(), credential: credential.clone(), key, expires_at: None };
        let done = store.issue(&issue, &by, now).await?;
        acknowledged(done.epoch, "issue", done.value.key_id.as_str())?;

        let mut current = done.value.key_id;
        for _ in 0..2 {
            now = now.saturating_add(5);
            let key = mint(&Prefix::default(), &pepper).map_err(other)?.1;
            let rotate = Rotate { from: RotateFrom::Held(current), key, grace };
            let done = store.rotate(&rotate, &by, now).await?;
            current = done.value.successor.key_id;
            acknowledged(done.epoch, "rotate", current.as_str())?;
        }
        let done = store.revoke(&Revoke::Key(current), &by, now).await?;
        acknowledged(done.epoch, "revoke", current.as_str())?;

        if number % 20 == 3 {
            let rows: String = (0..IMPORTED).map(|row| format!("foreign-key-{number}-{row},{client_id}\n")).collect();
            let import = Import::csv(format!("key,client_id\n{rows}").as_bytes(), &peppers).map_err(other)?;
            let done = store.import(import, &by, now, |_| {}).await?;
            let last = done.value.lines.last().and_then(|line| line.key_id).ok_or_else(|| other("an empty report"))?;
            acknowledged(done.epoch, "import", last.as_str())?;
        }
    }
    Err(other("it counted to the end"))
}

fn acknowledged(epoch: u64, what: &str, name: &str) -> Result<(), Failure> {
    say(&format!("{epoch} {what} {name}")).map_err(Failure::Other)
}

/// A whole line at once, so that a killed writer leaves no half one.
fn say(line: &str) -> Result<(), Box<dyn Error>> {
    println!("{line}");
    Ok(std::io::stdout().flush()?)
}

fn other(error: impl Into<Box<dyn Error>>) -> Failure {
    Failure::Other(error.into())
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
