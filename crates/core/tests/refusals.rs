//! Bad input: one case to a file, the file's name is the rule, and beside it stands the whole refusal, byte for byte.
#![expect(clippy::expect_used, reason = "a test tells its failure by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gracekey_core::{ApiKeys, Keyring, Pepper, Peppers, Policy};

/// What stands in a case where a secret would: no refusal may repeat it.
const MARK: &str = "MARKED";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals")
}

/// Two peppers, `p2` and before it `p1`. The secret of each is its id, repeated to 32 bytes.
fn peppers() -> Arc<Peppers> {
    let pepper = |id: &str| Pepper::new(id.parse().expect("an id"), id.repeat(16).as_bytes()).expect("a pepper");
    Arc::new(Peppers::rotating(pepper("p2"), pepper("p1")).expect("two ids"))
}

/// A refusal in words, and as `{:?}` shows it.
type Refused = Result<(), (String, String)>;

fn refused<T, E: std::error::Error>(outcome: Result<T, E>) -> Refused {
    outcome.map(drop).map_err(|error| (error.to_string(), format!("{error:?}")))
}

/// Runs every case of a folder. Lists all that differ, not only the first.
fn check(kind: &str, at_least: usize, read: impl Fn(&[u8]) -> Refused) {
    let files = fs::read_dir(folder().join(kind)).expect("a folder of cases");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a readable folder").path()).collect();
    files.sort();
    let is_error = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "error");
    let (errors, cases): (Vec<_>, Vec<_>) = files.into_iter().partition(is_error);
    assert!(cases.len() >= at_least, "{kind} has {} cases, and {at_least} are known", cases.len());
    assert_eq!(errors.len(), cases.len(), "each case of {kind} has its .error, and each .error its case");

    let mut wrong = Vec::new();
    for case in &cases {
        let expected = fs::read_to_string(case.with_extension("error")).unwrap_or_default();
        let Err((told, shown)) = read(&fs::read(case).expect("a readable case")) else {
            wrong.push(format!("{}: accepted", case.display()));
            continue;
        };
        assert!(!told.contains(MARK) && !shown.contains(MARK), "{}: a secret in {told} {shown}", case.display());
        assert!(!told.contains(char::is_control), "{}: more than one line: {told:?}", case.display());
        if expected != format!("{told}\n") {
            wrong.push(format!("{}:\n    is   {told}\n    and not {expected}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Every document of the folder is the one that is held, but for its one slip.
#[test]
fn documents() {
    let held = fs::read(folder().join("held.json")).expect("the keyring at hand");
    let held = Keyring::open(&held, peppers()).expect("the keyring at hand is good");
    check("document", 60, |text| {
        refused(Keyring::open(text, peppers()).and_then(|offered| offered.check_follows(&held)))
    });
}

#[test]
fn policies() {
    check("policy", 50, |text| refused(Policy::parse(text)));
}

#[test]
fn api_keys() {
    check("api_keys", 18, |text| refused(ApiKeys::parse(std::str::from_utf8(text).expect("a text"))));
}

#[test]
fn pepper() {
    check("pepper", 12, |text| refused(std::str::from_utf8(text).expect("a text").parse::<Peppers>()));
}
