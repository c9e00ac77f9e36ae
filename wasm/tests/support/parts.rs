//! The parts that the tests need beside Rust: the built filter, Envoy, a clock to set.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_path_buf()
}

/// The filter as it ships. It is built here, so that no test ever runs an older one.
pub(crate) fn filter() -> PathBuf {
    let built = Command::new(root().join("scripts/wasm-build.sh")).output().expect("scripts/wasm-build.sh runs");
    let errors = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "scripts/wasm-build.sh failed:\n{errors}");
    let path = String::from_utf8(built.stdout).expect("a path");
    root().join(path.trim())
}

/// The real Envoy; of another version where the environment asks for one (scripts/envoy-versions.sh does).
pub(crate) fn envoy() -> PathBuf {
    match std::env::var("ENVOY_VERSION") {
        Ok(version) => installed(&format!("envoy-{version}")),
        Err(_) => installed("envoy"),
    }
}

/// What lets a test say what time it is, built from `moment.c`.
pub(crate) fn moment() -> PathBuf {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("moment-{}.so", std::process::id()));
    let source = root().join("wasm/tests/support/moment.c");
    let built = Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    assert!(built.is_ok_and(|status| status.success()), "a C compiler `cc` is missing; install Debian's package gcc");
    library
}

fn installed(folder: &str) -> PathBuf {
    let path = root().join(".tools").join(folder).join("envoy");
    assert!(path.exists(), "{} is missing; run scripts/envoy-install.sh", path.display());
    path
}
