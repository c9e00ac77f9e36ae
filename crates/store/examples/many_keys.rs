//! What a store of many keys costs: `many_keys <address> [keys]`, by default 100,000 keys on an empty store.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures, and prints what it measured")]

use std::error::Error;
use std::fmt::Write;
use std::time::{Duration, Instant};

use gracekey_core::{Client, Pepper, Peppers, Prefix, Revoke, Timestamp};
use gracekey_store::{Actor, Import, Rotate, RotateFrom, Store, Usage, mint};

const CHANGES: u32 = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("give the address of an empty store")?;
    let keys: usize = arguments.next().map_or(Ok(100_000), |keys| keys.parse())?;
    let pepper = || Pepper::new("p1".parse()?, &[7; 32]).map_err(Box::<dyn Error>::from);
    let (peppers, pepper, by) = (Peppers::one(pepper()?), pepper()?, "operator".parse::<Actor>()?);
    let store = Store::connect(&address).await?;
    let mut now: Timestamp = "2025-11-22T02:00:00Z".parse()?;

    let mut csv = String::from("key,client_id\n");
    for number in 0..keys {
        let key = mint(&Prefix::default(), &pepper)?.0;
        writeln!(csv, "{},client-{}", key.reveal(), number / 2)?;
    }
    let start = Instant::now();
    let import = Import::csv(csv.as_bytes(), &peppers)?;
    println!("{keys} keys read and digested in {:?}", start.elapsed());
    drop(csv);
    let others = tokio::spawn(others(Store::connect(&address).await?, now));
    let start = Instant::now();
    let report = store.import(import, &by, now, |_| {}).await?.value;
    println!("{} keys imported in {:?}, {}", report.imported(), start.elapsed(), memory());
    println!("meanwhile {}", others.await?);
    drop(report);

    let start = Instant::now();
    let document = store.snapshot().await?;
    println!("a snapshot of {} keys in {:?}, {}", document.keys.len(), start.elapsed(), memory());
    let start = Instant::now();
    let text = document.clone().seal(&peppers).to_json();
    println!("sealed and written, {} bytes a key, in {:?}", text.len() / keys.max(1), start.elapsed());

    let usage: Vec<_> =
        document.keys.iter().map(|key| Usage { key_id: key.key_id, requests: 1, last_used: now }).collect();
    for what in ["first", "second"] {
        let start = Instant::now();
        store.record_usage(&usage, None, now).await?;
        println!("{what} usage report of {} keys in {:?}", usage.len(), start.elapsed());
    }

    let start = Instant::now();
    for key in document.keys.iter().take(usize::try_from(CHANGES)?) {
        now = now.saturating_add(2);
        let key_id = key.key_id;
        let (from, key) = (RotateFrom::Held(key_id), mint(&Prefix::default(), &pepper)?.1);
        store.rotate(&Rotate { from, key, grace: "1d".parse()? }, &by, now).await?;
    }
    println!("a rotation in {:?}, one after the other", start.elapsed() / CHANGES);
    let start = Instant::now();
    for key in document.keys.iter().take(usize::try_from(CHANGES)?) {
        store.revoke(&Revoke::Key(key.key_id), &by, now).await?;
    }
    println!("a revocation in {:?}, one after the other", start.elapsed() / CHANGES);
    Ok(())
}

/// What another server finds while keys are imported: how long it reads, and what becomes of its change.
async fn others(store: Store, now: Timestamp) -> String {
    let (mut reads, mut longest) = (0, Duration::ZERO);
    let change = async {
        let start = Instant::now();
        let (client, by) = ("another".parse(), "another".parse());
        let (Ok(client_id), Ok(by)) = (client, by) else { return String::new() };
        let client = Client { client_id, disabled: false, scopes: Vec::new() };
        match store.add_client(&client.into(), &by, now).await {
            Ok(_) => format!("a change waited {:?}", start.elapsed()),
            Err(error) => format!("a change was refused after {:?}: {error}", start.elapsed()),
        }
    };
    tokio::pin!(change);
    tokio::time::sleep(Duration::from_millis(200)).await;
    loop {
        tokio::select! {
            told = &mut change => return format!("{told}; the longest of {reads} reads took {longest:?}"),
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                let start = Instant::now();
                reads += u32::from(store.epoch().await.is_ok());
                longest = longest.max(start.elapsed());
            }
        }
    }
}

/// What this process takes right now and took at most, as Linux tells it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name| status.lines().find_map(|line: &str| line.strip_prefix(name)).unwrap_or("?").trim();
    format!("in memory {}, at most {}", line("VmRSS:"), line("VmHWM:"))
}
