//! Replays every seed and every input that once failed, with the oracles of the fuzz targets, on any compiler.

use std::fs;
use std::path::{Path, PathBuf};

use gracekey_fuzz::TARGETS;
use serde_json::Value;

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    files
}

#[test]
fn every_seed_and_regression_replays() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, oracle) in TARGETS {
        let seeds = files(&root.join("seeds").join(target));
        assert!(seeds.len() >= 5, "seeds/{target} has {} seeds: nothing would be replayed", seeds.len());
        for file in seeds.into_iter().chain(files(&root.join("regressions").join(target))) {
            println!("{}", file.strip_prefix(root).expect("below the root").display());
            oracle(&fs::read(&file).expect("a readable seed"));
        }
    }
}

/// The engine's vectors are seeds, too: their requests at every place and under every policy of ours.
#[test]
fn every_vector_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/core/tests/vectors");
    let cases = files(&folder).into_iter().filter(|file| file.extension().is_some_and(|end| end == "json"));
    let mut replayed = 0;
    for file in cases {
        println!("{}", file.display());
        let case: Value = serde_json::from_slice(&fs::read(&file).expect("a readable case")).expect("a case is JSON");
        if let Some(policy) = case.get("policy") {
            gracekey_fuzz::policy(policy.to_string().as_bytes());
        }
        let request = text(&case["request"]);
        for places in [0x0003_u16, 0x0fff, 0x0640] {
            gracekey_fuzz::extraction(&[&places.to_le_bytes(), request.as_slice()].concat());
        }
        for policy in 0..8 {
            gracekey_fuzz::decide(&[&[policy, 0, 0, 0], request.as_slice()].concat());
        }
        replayed += 1;
    }
    assert!(replayed >= 100, "{replayed} vectors");
}

/// A request of a vector as the targets read it.
fn text(request: &Value) -> Vec<u8> {
    let mut text = [bytes(&request["method"]), b" ".to_vec(), bytes(&request["target"])].concat();
    for field in request["headers"].as_array().into_iter().flatten() {
        text = [text, b"\n".to_vec(), bytes(&field[0]), b":".to_vec(), bytes(&field[1])].concat();
    }
    text
}

/// A text, or bytes as `{"hex":"ff00"}`, or `{"repeat":["a",1000]}`.
fn bytes(value: &Value) -> Vec<u8> {
    if let Some(hex) = value["hex"].as_str() {
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
        return digits.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect();
    }
    match (value["repeat"][0].as_str(), value["repeat"][1].as_u64()) {
        (Some(text), Some(times)) => text.repeat(usize::try_from(times).expect("a size")).into_bytes(),
        _ => value.as_str().unwrap_or_default().into(),
    }
}

#[test]
fn every_folder_of_seeds_has_its_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["seeds", "regressions"] {
        for path in files(&root.join(folder)) {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a folder with a name");
            assert!(TARGETS.iter().any(|(target, _)| *target == name), "{folder}/{name} belongs to no target");
        }
    }
}

/// Seeds that are all refused at the door would test nothing behind it.
#[test]
fn the_seeds_reach_both_outcomes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let texts = |target: &str| files(&root.join(target)).into_iter().map(|file| fs::read(file).expect("a seed"));
    let documents = texts("document").filter(|text| gracekey_core::SealedDocument::parse(text).is_ok()).count();
    assert!(documents >= 2, "{documents} seeds of documents parse");
    let policies = texts("policy").filter(|text| gracekey_core::Policy::parse(text).is_ok()).count();
    assert!(policies >= 3, "{policies} seeds of policies parse");
}
