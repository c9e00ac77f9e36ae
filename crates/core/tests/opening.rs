//! A document that comes in pieces is read as the whole is, wherever it is cut.
#![expect(clippy::expect_used, reason = "a test tells its failure by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gracekey_core::{DocumentError, Keyring, Opening, Pepper, Peppers};

/// As in the cases of bad input: the secret of each pepper is its id, repeated to 32 bytes.
fn peppers() -> Arc<Peppers> {
    let pepper = |id: &str| Pepper::new(id.parse().expect("an id"), id.repeat(16).as_bytes()).expect("a pepper");
    Arc::new(Peppers::rotating(pepper("p2"), pepper("p1")).expect("two ids"))
}

fn cases() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals");
    let files = fs::read_dir(folder.join("document")).expect("a folder of cases");
    let mut files: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
    files.push(folder.join("held.json"));
    files.retain(|file| file.extension().is_none_or(|extension| extension != "error"));
    files.into_iter().map(|file| (file.display().to_string(), fs::read(&file).expect("a readable case"))).collect()
}

fn open(text: &[u8], piece: usize) -> Result<Keyring, DocumentError> {
    let mut opening = Opening::new(peppers(), text.len());
    for piece in text.chunks(piece) {
        opening.push(piece)?;
    }
    opening.finish()
}

fn shown(keyring: &Keyring) -> Vec<String> {
    let mut entries: Vec<_> = keyring
        .entries()
        .map(|entry| format!("{entry:?} {:?} {:?} {:?}", entry.scopes(), entry.end(), entry.client_disabled()))
        .collect();
    entries.sort();
    entries
}

#[test]
fn where_it_is_cut_is_no_matter() {
    let mut opened = 0;
    for (name, text) in cases() {
        let whole = Keyring::open(&text, peppers());
        for piece in (1..40).chain([text.len().max(2) / 2, text.len().max(1)]) {
            match (&whole, open(&text, piece)) {
                (Ok(whole), Ok(pieces)) => {
                    assert_eq!(shown(whole), shown(&pieces), "{name} in pieces of {piece}");
                    assert!(pieces.check_follows(whole).is_ok(), "{name}: another content");
                    opened += 1;
                }
                (Err(_), Err(_)) => {}
                (whole, pieces) => assert_eq!(whole.is_ok(), pieces.is_ok(), "{name}: {whole:?} {pieces:?}"),
            }
        }
    }
    assert!(opened >= 40, "nothing was opened");
}

#[test]
fn an_item_without_end_is_refused() {
    let mut opening = Opening::new(peppers(), 0);
    opening.push(br#"{"clients":[{"client_id":""#).expect("a beginning");
    let refused = (0..1000).find_map(|_| opening.push(&[b'a'; 4096]).err());
    assert!(refused.is_some());
}
