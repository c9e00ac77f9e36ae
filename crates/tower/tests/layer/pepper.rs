use std::fs;

use gracekey_tower::{PepperSourceError, pepper_from_file};

const GOOD: &str = "p1:UEVQUEVSTUFSS1BFUFBFUk1BUktQRVBQRVJNQVJLISE=\n";

#[cfg(unix)]
fn file(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pepper");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (folder, path)
}

#[cfg(unix)]
#[test]
fn a_closed_file_is_read() {
    for mode in [0o600, 0o400] {
        let (_folder, path) = file(GOOD, mode);
        assert_eq!(pepper_from_file(path).unwrap().current().id().as_str(), "p1");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_refused_with_what_to_do() {
    for mode in [0o640, 0o604, 0o620, 0o644, 0o666] {
        let (_folder, path) = file(GOOD, mode);
        let why = pepper_from_file(&path).unwrap_err();
        assert!(matches!(why, PepperSourceError::OpenToOthers { mode: seen, .. } if seen == mode));
        assert!(why.to_string().ends_with(&format!("run `chmod 600 {}`", path.display())), "{why}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_pepper_is_refused_and_not_repeated() {
    for (text, said) in [
        ("", "is empty"),
        ("UEVQUEVSTUFSS1BFUFBFUk1BUktQRVBQRVJNQVJLISE=", "no id"),
        ("p1:UEVQUEVSTUFSSw==", "needs at least 32"),
        ("p1:§§PEPPERMARK", "not base64"),
    ] {
        let (_folder, path) = file(text, 0o600);
        let why = pepper_from_file(&path).unwrap_err().to_string();
        assert!(why.starts_with(&path.display().to_string()) && why.contains(said), "{why}");
        assert!(!why.contains("PEPPERMARK") && !why.contains("UEVQ"), "{why}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let why = pepper_from_file("no/such/pepper").unwrap_err().to_string();
    assert!(why.starts_with("the pepper file no/such/pepper cannot be read"), "{why}");
}
