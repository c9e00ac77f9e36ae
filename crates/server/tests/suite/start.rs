//! The first start, TLS, and the end.

use std::time::Duration;

use gracekey_core::{Pepper, Peppers};
use gracekey_server::{Config, Server, Tls, first_start};
use gracekey_store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Place, Running, at, on_both, peppers};

on_both! {
    the_first_start_makes_one_operator
}

async fn the_first_start_makes_one_operator(place: Place) {
    let store = Store::connect(&place.address()).await.unwrap();
    let peppers = peppers();
    let both = tokio::join!(first_start(&store, &peppers, at(0)), first_start(&store, &peppers, at(0)));
    let made = [both.0.unwrap(), both.1.unwrap()];
    assert_eq!(made.iter().flatten().count(), 1, "{made:?}");
    let admin = made.into_iter().flatten().next().unwrap();
    assert!(!format!("{admin:?}").contains(admin.key.reveal()));
    assert!(first_start(&store, &peppers, at(1)).await.unwrap().is_none());
    let row = store.client(&admin.client_id).await.unwrap().unwrap();
    assert_eq!(row.client.scopes[0].as_str(), "gracekey:admin");
    store.close().await;
}

#[tokio::test]
async fn a_first_start_that_was_cut_off_is_finished() {
    let place = Place::sqlite();
    let store = Store::connect(&place.address()).await.unwrap();
    let client = gracekey_core::Client {
        client_id: "gracekey-admin".parse().unwrap(),
        disabled: false,
        scopes: vec!["gracekey:admin".parse().unwrap()],
    };
    store.add_client(&client.into(), &"first-start".parse().unwrap(), at(0)).await.unwrap();
    assert!(first_start(&store, &peppers(), at(1)).await.unwrap().is_some());
    assert!(first_start(&store, &peppers(), at(2)).await.unwrap().is_none());
}

#[tokio::test]
async fn another_pepper_is_an_error_and_no_server() {
    let running = Running::new().await;
    let place = running.end().await;
    let store = Store::connect(&place.address()).await.unwrap();
    let other = Peppers::one(Pepper::new("p2".parse().unwrap(), &[8; 32]).unwrap());
    let mut config = Config::new(store, other.into());
    config.listen.set_port(0);
    let refusal = Server::start(config).await.unwrap_err().to_string();
    assert!(refusal.contains("pepper") && refusal.contains("p1"), "{refusal}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let running = Running::new().await;
    let mut config = Config::new(running.store.clone(), peppers());
    config.listen = running.server.local_addr();
    let refusal = Server::start(config).await.unwrap_err().to_string();
    assert!(refusal.contains(&format!("can't listen on {}", running.server.local_addr())), "{refusal}");
    running.end().await;
}

/// What was acknowledged is there after a restart, and the keyring goes on where it was.
#[tokio::test]
async fn a_restart_loses_nothing() {
    let running = Running::new().await;
    let issued = running.issue("acme_corp").await;
    running.clock.set(at(10));
    let rotated = running.rotate(&issued.key).await.is(200).json();
    let epoch = running.epoch().await;
    let place = running.end().await;
    let mut config = Config::new(Store::connect(&place.address()).await.unwrap(), peppers());
    config.listen.set_port(0);
    config.clock = gracekey_tower::FakeClock::at(at(20)).into();
    let again = Server::start(config).await.unwrap();
    let http = crate::support::http::Http::new(format!("http://{}", again.local_addr()));
    assert_eq!(http.call("GET", "/readyz", None, None).await.is(200).json()["epoch"], epoch);
    let key = rotated["new_api_key"].as_str().unwrap();
    http.call("POST", "/v2/auth/rotate-key", Some(key), None).await.is(200);
    again.shutdown(Duration::from_secs(5));
    again.wait().await.unwrap();
}

/// What ended three months ago is dropped, with a line in the audit log, and what lives stays.
#[tokio::test]
async fn what_ended_long_ago_is_dropped() {
    let running = Running::new().await;
    let issued = running.issue("acme_corp").await;
    running.clock.set(at(10));
    let successor = crate::support::Issued::of_rotation(&running.rotate(&issued.key).await.is(200).json());
    let admin = running.admin.clone();
    let place = running.end().await;
    let mut config = Config::new(Store::connect(&place.address()).await.unwrap(), peppers());
    config.listen.set_port(0);
    config.clock = gracekey_tower::FakeClock::at(at(92 * 86_400)).into();
    let again = Server::start(config).await.unwrap();
    let http = crate::support::http::Http::new(format!("http://{}", again.local_addr()));
    let path = format!("/v2/keys/{}", issued.key_id);
    while http.call("GET", &path, Some(&admin), None).await.status != 404 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let log = http.call("GET", "/v2/audit?client_id=acme_corp", Some(&admin), None).await.is(200).json();
    let last = log["entries"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((last["action"].as_str(), last["actor"].as_str()), (Some("key.prune"), Some("upkeep")));
    http.call("GET", &format!("/v2/keys/{}", successor.key_id), Some(&admin), None).await.is(200);
    again.shutdown(Duration::from_secs(5));
    again.wait().await.unwrap();
}

/// A poller that waits does not hold the end up.
#[tokio::test]
async fn the_end_is_graceful() {
    let running = Running::new().await;
    let first = running.get("/v2/keyring").await.is(200);
    let poll = http::Request::get(format!("{}/v2/keyring", running.http.base()))
        .header("authorization", format!("Bearer {}", running.admin))
        .header("if-none-match", &first.headers["etag"])
        .header("prefer", "wait=60")
        .header("x-gracekey-verifier", "edge-1")
        .body(axum::body::Body::empty());
    let (http, address) = (running.http.clone(), running.server.local_addr());
    let waiting = tokio::spawn(async move { http.send(poll).await.status });
    while running.get("/v2/verifiers").await.is(200).json()["verifiers"].as_array().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::timeout(Duration::from_secs(30), running.end()).await.expect("the end was held up");
    assert_eq!(waiting.await.unwrap(), 304);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_certificate_makes_it_https() {
    let folder = crate::support::folder::Folder::new("tls");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl is missing; install Debian's package `openssl`");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let tls = Tls { certificate: certificate.clone(), key: key.clone() };
    let running = Running::with(|config| config.tls = Some(tls)).await;
    let https = https_client(&certificate);
    let uri = format!("https://localhost:{}/v2/clients", running.server.local_addr().port());
    let request = http::Request::get(&uri).header("authorization", format!("Bearer {}", running.admin));
    let response = https.request(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!((response.status(), response.version()), (http::StatusCode::OK, http::Version::HTTP_2));
    running.end().await;

    let place = Place::sqlite();
    let store = Store::connect(&place.address()).await.unwrap();
    for (tls, named) in [
        (Tls { certificate: "/nowhere/cert.pem".into(), key: key.clone() }, "/nowhere/cert.pem"),
        (Tls { certificate: key.clone(), key: key.clone() }, "no certificate"),
        (Tls { certificate: certificate.clone(), key: certificate.clone() }, "no PEM section"),
    ] {
        let mut config = Config::new(store.clone(), peppers());
        config.listen.set_port(0);
        config.tls = Some(tls);
        let refusal = Server::start(config).await.unwrap_err().to_string();
        assert!(refusal.contains(named), "{refusal}");
        assert!(!refusal.contains("PRIVATE"), "{refusal}");
    }
}

type Https = hyper_util::client::legacy::Client<
    hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>,
    axum::body::Body,
>;

fn https_client(trusted: &std::path::Path) -> Https {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let connector = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config.with_no_client_auth());
    let connector = connector.https_only().enable_http1().enable_http2().build();
    hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build(connector)
}

/// A request whose head was read is answered, however long its body takes.
#[tokio::test]
async fn the_end_waits_for_what_is_under_way() {
    let running = Running::new().await;
    let csv = "key,client_id\na-foreign-key-1,client-1\n";
    let mut stream = tokio::net::TcpStream::connect(running.server.local_addr()).await.unwrap();
    let head = format!(
        "POST /v2/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: text/csv\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        running.admin,
        csv.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    running.server.shutdown(Duration::from_secs(30));
    stream.write_all(csv.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let place = running.end().await;
    let store = Store::connect(&place.address()).await.unwrap();
    assert!(store.client(&"client-1".parse().unwrap()).await.unwrap().is_some());
}
