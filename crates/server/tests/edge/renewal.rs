//! A certificate is renewed while the server runs, as Kubernetes does it: a link is swapped.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use gracekey_server::Tls;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use crate::running::Running;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_taken_and_no_connection_ends() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).expect("the first subscriber");
    let mount = Mount::new();
    mount.swap(&mount.made("one"));
    let tls = Tls { certificate: mount.path("tls.crt"), key: mount.path("tls.key") };
    let running = Running::start(|config| config.tls = Some(tls)).await;
    let to = running.server.local_addr();
    assert_eq!(served(to), "one");
    // Trusts the first certificate and no other: a second connection would be refused.
    let client = trusting(&mount.path("tls.crt"));
    assert_eq!(alive(&client, to).await, 200);

    mount.swap(&mount.made("two"));
    until(|| served(to) == "two").await;
    assert_eq!(alive(&client, to).await, 200, "the connection stays");

    // The key of another certificate, what is no key at all, and nothing.
    let (three, broken) = (mount.made("three"), mount.made("broken"));
    fs::copy(mount.path("one/tls.key"), broken.join("tls.key")).expect("a copy");
    mount.swap(&broken);
    until(|| log.text().contains("tls.crt: keys may not be consistent: KeyMismatch")).await;
    fs::write(broken.join("tls.key"), "no key").expect("a file");
    until(|| log.text().contains("tls.key: no PEM section of the right kind in it")).await;
    fs::remove_file(broken.join("tls.key")).expect("a file");
    until(|| log.text().contains("tls.key: can't be read")).await;
    assert!(log.text().contains("the one before stays in use"), "{}", log.text());
    assert_eq!(served(to), "two");
    assert_eq!(alive(&client, to).await, 200);

    mount.swap(&three);
    until(|| served(to) == "three").await;
    assert_eq!(log.text().matches("new certificate taken").count(), 2, "{}", log.text());
    assert_eq!(log.text().matches("is refused").count(), 3, "each reason once: {}", log.text());
}

/// A folder as Kubernetes mounts a secret: the files are links through `..data`, which is a link itself.
struct Mount(TempDir);

impl Mount {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), folder.path().join(name)).expect("a link");
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A certificate of its own, with its key, in a folder of that name.
    fn made(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir(&folder).expect("a folder");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"])
            .args(["-subj", &format!("/CN=localhost/O={name}"), "-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "tls.key", "-out", "tls.crt"])
            .current_dir(&folder)
            .output()
            .expect("openssl is missing; install Debian's package `openssl`");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        folder
    }

    fn swap(&self, to: &Path) {
        let aside = self.path("..data_tmp");
        symlink(to, &aside).expect("a link");
        fs::rename(aside, self.path("..data")).expect("it takes the place of the old one");
    }
}

/// The organisation in the certificate that a new connection gets.
fn served(to: SocketAddr) -> String {
    let seen = Command::new("openssl")
        .args(["s_client", "-connect", &to.to_string(), "-servername", "localhost"])
        .stdin(Stdio::null())
        .output()
        .expect("openssl runs");
    let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
    let subject = seen.lines().find_map(|line| line.strip_prefix("subject=")).unwrap_or_else(|| panic!("{seen}"));
    subject.rsplit("O = ").next().unwrap_or_default().to_owned()
}

type Https = Client<HttpsConnector<HttpConnector>, Body>;

fn trusting(certificate: &Path) -> Https {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).expect("PEM")).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
    let connector = HttpsConnectorBuilder::new().with_tls_config(config.with_no_client_auth()).https_only();
    Client::builder(TokioExecutor::new()).build(connector.enable_http1().build())
}

async fn alive(client: &Https, to: SocketAddr) -> u16 {
    let uri = format!("https://localhost:{}/healthz", to.port()).parse().expect("an address");
    let answer = client.get(uri).await.expect("an answer");
    let status = answer.status().as_u16();
    http_body_util::BodyExt::collect(answer.into_body()).await.expect("all of it");
    status
}

async fn until(holds: impl Fn() -> bool) {
    for _ in 0..600 {
        if tokio::task::block_in_place(&holds) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never");
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("a log")).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
