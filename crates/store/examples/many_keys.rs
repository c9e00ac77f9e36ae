//! What a store of many keys costs: `many_keys <address> [keys [seconds]]`, by default 100,000 keys on an empty store, and a
//! revocation so many seconds after the import began.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures, and prints what it measured")]

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gracekey_core::{Client, ClientId, KeyId, Pepper, Peppers, Prefix, Revoke, Timestamp};
use gracekey_store::{Actor, Import, Issue, Rotate, RotateFrom, Store, Usage, mint};

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
    let (over, other) = (Arc::new(AtomicBool::new(false)), Store::connect(&address).await?);
    let revocation = match arguments.next() {
        None => None,
        Some(seconds) => {
            let (client_id, credential) = ("victim".parse::<ClientId>()?, "default".parse()?);
            let client = Client { client_id: client_id.clone(), disabled: false, scopes: Vec::new() };
            store.add_client(&client.into(), &by, now).await?;
            let key = mint(&Prefix::default(), &pepper)?.1;
            let issue = Issue { client_id, credential, key, expires_at: None };
            Some((store.issue(&issue, &by, now).await?.value.key_id, Duration::from_secs_f64(seconds.parse()?)))
        }
    };
    let others = tokio::spawn(others(other, revocation, over.clone(), now));
    let start = Instant::now();
    let report = store.import(import, &by, now, |_| {}).await?.value;
    println!("{} keys imported in {:?}, {}", report.imported(), start.elapsed(), memory());
    over.store(true, Ordering::SeqCst);
    println!("meanwhile {}", others.await??);
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

/// What another server finds while keys are imported: the longest that a read took and a change, how many changes were
/// refused, and how long a revocation took, if one is wanted.
async fn others(
    store: Store,
    revocation: Option<(KeyId, Duration)>,
    over: Arc<AtomicBool>,
    now: Timestamp,
) -> Result<String, String> {
    let by: Actor = "another".parse().map_err(|_| "no actor")?;
    let (mut reads, mut changes, mut count, mut refused) = (Duration::ZERO, Duration::ZERO, 0, 0);
    let revocation = async {
        let Some((key_id, after)) = revocation else { return String::new() };
        tokio::time::sleep(after).await;
        let start = Instant::now();
        let done = store.revoke(&Revoke::Key(key_id), &by, now).await;
        format!(
            "; a revocation took {:?}: {}",
            start.elapsed(),
            done.map_or_else(|error| error.to_string(), |_| "done".into())
        )
    };
    let usual = async {
        while !over.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let start = Instant::now();
            store.epoch().await.map_err(|error| error.to_string())?;
            reads = reads.max(start.elapsed());
            let client_id = format!("another-{count}").parse().map_err(|_| "no client id")?;
            let client = Client { client_id, disabled: false, scopes: Vec::new() };
            let start = Instant::now();
            refused += u32::from(store.add_client(&client.into(), &by, now).await.is_err());
            changes = changes.max(start.elapsed());
            count += 1;
        }
        Ok::<(), String>(())
    };
    let (revoked, done) = tokio::join!(revocation, usual);
    done?;
    Ok(format!(
        "the longest of {count} reads took {reads:?}, the longest change {changes:?}, {refused} refused{revoked}"
    ))
}

/// What this process takes right now and took at most, as Linux tells it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name| status.lines().find_map(|line: &str| line.strip_prefix(name)).unwrap_or("?").trim();
    format!("in memory {}, at most {}", line("VmRSS:"), line("VmHWM:"))
}
