//! The way to PostgreSQL, encrypted: whom it trusts, and what it refuses.

use std::fs;
use std::path::Path;

use gracekey_store::{Kind, Store, StoreError};

use crate::support::Place;
use crate::support::certificates::Certificates;
use crate::support::folder::Folder;
use crate::support::postgres::{Postgres, own};

const PASSWORD: &str = "hunter2-and-more";

/// A server that takes nothing but encrypted connections with a password, beside its own Unix socket.
struct Secured {
    place: Place,
    port: u16,
    authority: String,
    /// An authority that did not vouch for it.
    stranger: String,
}

impl Secured {
    fn start() -> Self {
        let mut server = Postgres::new(Folder::new("tls"));
        let folder = server.folder().to_owned();
        let certificates = Certificates::make(&folder);
        own(&certificates.server_key);
        let stranger = folder.join("stranger");
        fs::create_dir(&stranger).unwrap();
        let stranger = Certificates::make(&stranger).authority;
        let logins = folder.join("logins");
        fs::write(&logins, "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
        let path = |path: &Path| path.display().to_string();
        server.set([
            "ssl=on".into(),
            format!("ssl_cert_file={}", path(&certificates.server)),
            format!("ssl_key_file={}", path(&certificates.server_key)),
            format!("hba_file={}", path(&logins)),
        ]);
        let port = server.listen();
        Self {
            place: Place::Postgres(server),
            port,
            authority: path(&certificates.authority),
            stranger: path(&stranger),
        }
    }

    fn address(&self, host: &str, options: &str) -> String {
        format!("postgres://holder:{PASSWORD}@{host}:{}/postgres?{options}", self.port)
    }

    async fn refusal(&self, host: &str, options: &str) -> String {
        let refusal = match Store::connect(&self.address(host, options)).await {
            Ok(_) => panic!("{host} {options} was opened"),
            Err(refusal) => refusal,
        };
        assert_eq!(refusal.kind(), Kind::Operator, "{host} {options}: {refusal:?}");
        assert!(!format!("{refusal} {refusal:?}").contains(PASSWORD), "{refusal:?}");
        refusal.to_string()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_to_postgresql_is_encrypted_and_knows_its_server() {
    let server = Secured::start();
    server.place.sql(&format!("CREATE ROLE holder SUPERUSER LOGIN PASSWORD '{PASSWORD}'")).await.unwrap();
    let (trusted, stranger) = (format!("sslrootcert={}", server.authority), format!("sslrootcert={}", server.stranger));

    for (host, options) in [
        ("localhost", "sslmode=require".to_owned()),
        ("localhost", format!("sslmode=verify-full&{trusted}")),
        // The certificate names no address, and this mode does not look at names.
        ("127.0.0.1", format!("sslmode=verify-ca&{trusted}")),
    ] {
        let store = match Store::connect(&server.address(host, &options)).await {
            Ok(store) => store,
            Err(refusal) => panic!("{host} {options}: {refusal}"),
        };
        let open = |ssl: &str| {
            format!(
                "SELECT COUNT(*) FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a ON a.pid = s.pid \
                 WHERE a.application_name = 'gracekey' AND {ssl}"
            )
        };
        let (encrypted, plain) =
            (server.place.count(&open("s.ssl")).await, server.place.count(&open("NOT s.ssl")).await);
        assert!(encrypted >= 2 && plain == 0, "{options}: {encrypted} encrypted, {plain} plain");
        store.close().await;
    }

    for (host, options, why) in [
        ("localhost", format!("sslmode=verify-full&{stranger}"), "invalid peer certificate"),
        ("localhost", format!("sslmode=verify-ca&{stranger}"), "invalid peer certificate"),
        ("localhost", "sslmode=verify-full".to_owned(), "UnknownIssuer"),
        ("127.0.0.1", format!("sslmode=verify-full&{trusted}"), "not valid for name"),
    ] {
        let refusal = server.refusal(host, &options).await;
        assert!(refusal.contains(why) && refusal.contains("sslrootcert"), "{host} {options}: {refusal}");
    }
    let refusal = server.refusal("localhost", "sslmode=verify-full&sslrootcert=/no/such.crt").await;
    assert!(refusal.contains("sslrootcert"), "{refusal}");
    // Without encryption the server turns it away, before it hears the password.
    let refusal = server.refusal("localhost", "sslmode=disable").await;
    assert!(refusal.contains("no encryption") && refusal.contains("sslmode"), "{refusal}");
    let wrong = server.address("localhost", "sslmode=require").replace("holder:", "somebody:");
    let Err(StoreError::Config(refusal)) = Store::connect(&wrong).await else { panic!("{wrong} was opened") };
    assert!(refusal.to_string().contains("correct user and password"), "{refusal}");
}
