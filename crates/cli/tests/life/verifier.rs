//! Verifiers that follow a server's feed: services behind the Layer in this process, and real Envoys with the filter.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use gracekey_core::{ApiKey, Peppers, Policy, PolicyConfig};
use gracekey_tower::{Following, GracekeyLayer, KeyringFeed, LiveKeyring};

use crate::folder::Folder;
use crate::http::Http;
use crate::server::Server;

/// Something that lets requests with a good key pass.
pub(crate) struct Verifier {
    pub(crate) name: String,
    pub(crate) url: String,
    /// What keeps it going.
    _layer: Option<Following>,
    _envoy: Option<Envoy>,
}

struct Envoy {
    process: Child,
    _folder: Folder,
}

const MISSING: &str = "a real Envoy and the filter are needed: run scripts/envoy-install.sh and scripts/wasm-build.sh";

impl Verifier {
    /// A service behind the Layer.
    pub(crate) async fn layer(number: usize, server: &Server, feed_key: &str) -> Self {
        let name = format!("layer-{number}");
        let live = LiveKeyring::empty();
        let feed =
            KeyringFeed::new(&server.url(), peppers(server)).and_then(|feed| feed.verifier(&name)).expect("a feed");
        let key = ApiKey::parse(feed_key).expect("an API key");
        let following = feed.key(key).follow(&live).expect("a follower");
        let policy = Policy::new(PolicyConfig::default()).expect("the default policy");
        let app = Router::new().route("/", get(|| async { "ok" })).layer(GracekeyLayer::new(policy, live));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its number"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { name, url, _layer: Some(following), _envoy: None }
    }

    /// An Envoy with the filter.
    pub(crate) async fn envoy(number: usize, server: &Server, feed_key: &str) -> Self {
        Self::envoy_fetching("", number, server, feed_key).await
    }

    /// The same with more to say of how the filter fetches, as JSON that is led by a comma.
    pub(crate) async fn envoy_fetching(how: &str, number: usize, server: &Server, feed_key: &str) -> Self {
        let name = format!("envoy-{number}");
        let folder = Folder::new(&name);
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let bootstrap = bootstrap(port, server, &name, how);
        std::fs::write(folder.path().join("envoy.yaml"), bootstrap).expect("a configuration");
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let process = Command::new(part("envoy/envoy"))
            .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning", "-c"])
            .arg(folder.path().join("envoy.yaml"))
            .env("GRACEKEY_PEPPER", std::fs::read_to_string(server.pepper()).expect("the pepper").trim())
            .env("GRACEKEY_FEED_KEY", feed_key)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect(MISSING);
        let envoy = Envoy { process, _folder: folder };
        Self { name, url: format!("http://127.0.0.1:{port}"), _layer: None, _envoy: Some(envoy) }
    }

    /// Waits until it grants that key.
    pub(crate) async fn grants(&self, key: &str) {
        let http = Http::new(&self.url);
        for _ in 0..1_200 {
            if http.get("/", key).await.is_ok_and(|answer| answer.status == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} does not grant a good key: {:?}", self.name, http.get("/", key).await);
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn peppers(server: &Server) -> Arc<Peppers> {
    let text = std::fs::read_to_string(server.pepper()).expect("the pepper");
    Arc::new(text.trim().parse().expect("a pepper"))
}

/// A part that the project's scripts install.
fn part(path: &str) -> PathBuf {
    let part = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools").join(path);
    assert!(part.exists(), "{} is missing; {MISSING}", part.display());
    part
}

fn bootstrap(port: u16, server: &Server, name: &str, how: &str) -> String {
    let (filter, feed) = (part("gracekey.wasm"), server.port());
    let filter = filter.display();
    format!(
        r#"
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: "/"}}, direct_response: {{status: 200, body: {{inline_string: ok}}}}}}]
          http_filters:
          - name: gracekey
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                vm_config:
                  vm_id: gracekey
                  runtime: envoy.wasm.runtime.v8
                  code: {{local: {{filename: {filter}}}}}
                  environment_variables: {{host_env_keys: [GRACEKEY_PEPPER, GRACEKEY_FEED_KEY]}}
                configuration:
                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: |
                    {{"keyring": {{"fetch": {{"cluster": "server", "path": "/v2/keyring", "wait": "30s",
                      "key": {{"env": "GRACEKEY_FEED_KEY"}}, "verifier": "{name}"{how}}}}}}}
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: server
    type: STATIC
    load_assignment:
      cluster_name: server
      endpoints:
      - lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {feed}}}}}}}}}]
"#
    )
}
