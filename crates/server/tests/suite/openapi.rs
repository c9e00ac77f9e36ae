//! The API's own document, held against the server that serves it.

use std::path::Path;

use crate::support::Running;
use crate::support::folder::Folder;

#[tokio::test]
async fn the_document_names_every_endpoint() {
    let running = Running::new().await;
    let document = running.http.call("GET", "/openapi.json", None, None).await.is(200).json();
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    for path in [
        "/healthz",
        "/readyz",
        "/v2/auth/rotate-key",
        "/v2/audit",
        "/v2/clients",
        "/v2/clients/{client_id}",
        "/v2/clients/{client_id}/credentials/{credential}/close-window",
        "/v2/clients/{client_id}/credentials/{credential}/keys",
        "/v2/clients/{client_id}/credentials/{credential}/revoke",
        "/v2/clients/{client_id}/credentials/{credential}/rotate",
        "/v2/clients/{client_id}/revoke",
        "/v2/import",
        "/v2/keyring",
        "/v2/keys",
        "/v2/keys/{key_id}",
        "/v2/keys/{key_id}/expire",
        "/v2/keys/{key_id}/revoke",
        "/v2/usage",
        "/v2/verifiers",
        "/verify",
        "/verify/envoy/{target}",
        "/verify/nginx",
    ] {
        assert!(paths.contains(&path), "{path} is missing in {paths:?}");
    }
    running.end().await;
}

/// How many requests schemathesis makes up for each operation. `GRACEKEY_SCHEMATHESIS_EXAMPLES=500` looks longer.
const EXAMPLES: &str = "8";

/// Every check of schemathesis, with an operator's key: every answer is one that the document names, bad data is refused
/// and good data is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_true() {
    let running = Running::with(|config| {
        config.limits.guesses_per_minute = u32::MAX;
        config.limits.rotations_per_hour = 0;
        config.limits.rotations_per_day = 0;
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let caller = running.issue("acme_corp").await.key;
    running.issue("holders").await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join(".tools/venv/bin/schemathesis");
    assert!(program.exists(), "schemathesis is missing and this test needs it: run scripts/tools.sh");
    let folder = Folder::new("schemathesis");
    let examples = std::env::var("GRACEKEY_SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| EXAMPLES.into());
    let mut command = std::process::Command::new(program);
    command
        .args(["run", "--workers", "1", "--max-examples", &examples, "--request-timeout", "20"])
        .args(["--generation-database", "none", "--no-color", "--warnings", "off", "--seed", "1"])
        .args(["--continue-on-failure", "--max-failures", "20", "--no-shrink"])
        .arg(format!("{}/openapi.json", running.http.base()))
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .env("PYTHONPATH", folder.path())
        .env("GRACEKEY_URL", running.http.base())
        .env("GRACEKEY_ADMIN_KEY", &running.admin)
        .env("GRACEKEY_CALLER_KEY", &caller)
        .current_dir(folder.path());
    for (file, name) in [("schemathesis.py", "schemathesis_hooks.py"), ("schemathesis.toml", "schemathesis.toml")] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file);
        std::fs::copy(file, folder.path().join(name)).unwrap();
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    running.end().await;
}
