//! Replays every seed and every input that once failed, with the oracles of the fuzz targets, on any compiler.

use std::fs;
use std::path::{Path, PathBuf};

use gracekey_fuzz::TARGETS;

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

/// An oracle that accepts everything would replay all its seeds, too: each must fail on a planted lie.
#[test]
fn the_seeds_reach_both_outcomes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let texts = |target: &str| files(&root.join(target)).into_iter().map(|file| fs::read(file).expect("a seed"));
    let documents = texts("document").filter(|text| gracekey_core::SealedDocument::parse(text).is_ok()).count();
    assert!(documents >= 2, "{documents} seeds of documents parse");
    let policies = texts("policy").filter(|text| gracekey_core::Policy::parse(text).is_ok()).count();
    assert!(policies >= 3, "{policies} seeds of policies parse");
}
