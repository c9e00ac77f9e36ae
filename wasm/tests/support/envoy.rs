//! A running Envoy with one listener per configuration of the filter.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gracekey_core::Timestamp;

use crate::vector::{Bytes, RequestText};
use crate::{http1, parts};

/// An Envoy that stands at one moment in time, on sockets in a folder of its own.
pub(crate) struct Envoy {
    process: Child,
    folder: PathBuf,
    listeners: usize,
}

impl Envoy {
    /// Starts one at `moment`, with a listener for each configuration. Its upstream listens on
    /// `upstream`.
    pub(crate) fn start(name: &str, moment: Timestamp, configurations: &[String], upstream: &Path) -> Self {
        let folder = std::env::temp_dir().join(format!("gracekey-{name}-{}", std::process::id()));
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).expect("a folder for Envoy");
        let bootstrap = bootstrap(&folder, &parts::filter(), configurations, upstream);
        fs::write(folder.join("envoy.json"), bootstrap).expect("the bootstrap");
        let log = fs::File::create(folder.join("envoy.log")).expect("a log");
        fs::write(folder.join("moment"), moment.unix_seconds().to_ne_bytes()).expect("the moment");
        let process = Command::new(parts::envoy())
            .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning", "-c"])
            .arg(folder.join("envoy.json"))
            .env("LD_PRELOAD", parts::moment())
            .env("MOMENT_FILE", folder.join("moment"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Envoy starts");
        let mut envoy = Self { process, folder, listeners: configurations.len() };
        envoy.wait();
        envoy
    }

    /// Moves it to another moment.
    pub(crate) fn set_moment(&self, moment: Timestamp) {
        // In place, since Envoy has the file mapped.
        let file = fs::OpenOptions::new().write(true).open(self.folder.join("moment")).expect("the moment");
        file.write_all_at(&moment.unix_seconds().to_ne_bytes(), 0).expect("the moment");
    }

    /// The socket of the listener for a configuration.
    pub(crate) fn socket(&self, configuration: usize) -> PathBuf {
        socket(&self.folder, configuration)
    }

    /// Stops it, and gives out the access log: one line per request, in order, without the first to each listener.
    pub(crate) fn stop(mut self) -> Vec<String> {
        let id = self.process.id().to_string();
        Command::new("kill").arg(id).status().expect("kill");
        self.process.wait().expect("Envoy ends");
        let log = fs::read_to_string(self.folder.join("access.log")).expect("the access log");
        log.lines().skip(self.listeners).map(Into::into).collect()
    }

    /// Waits until each listener has answered a request: a socket takes connections before its worker has read the
    /// configuration.
    fn wait(&mut self) {
        let request = RequestText { method: "GET".into(), target: Bytes(b"/".into()), headers: Vec::new() };
        for at in 0..self.listeners {
            let socket = self.socket(at);
            for _ in 0..5_000 {
                if UnixStream::connect(&socket).is_ok() {
                    break;
                }
                let ended = self.process.try_wait().expect("Envoy");
                assert!(ended.is_none(), "Envoy ended ({ended:?}):\n{}", self.log());
                std::thread::sleep(Duration::from_millis(20));
            }
            let answered = http1::send(&socket, &request);
            assert!(answered.is_ok(), "{answered:?}\n{}", self.log());
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("envoy.log")).unwrap_or_default()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}

fn socket(folder: &Path, at: usize) -> PathBuf {
    folder.join(format!("{at}.sock"))
}

/// What the access log says of a request: the details of the response code, and the filter state.
const LOG: &str = "%RESPONSE_CODE_DETAILS% %FILTER_STATE(wasm.gracekey.client_id:PLAIN)% \
                   %FILTER_STATE(wasm.gracekey.key_id:PLAIN)% %FILTER_STATE(wasm.gracekey.generation:PLAIN)% \
                   %FILTER_STATE(wasm.gracekey.reason:PLAIN)%\n";

fn bootstrap(folder: &Path, filter: &Path, configurations: &[String], upstream: &Path) -> String {
    let json = |text: &str| serde_json::to_string(text).expect("a string");
    let path = |path: &Path| json(path.to_str().expect("a path of UTF-8"));
    let mut listeners = String::new();
    for (at, configuration) in configurations.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let (socket, filter, log) = (path(&socket(folder, at)), path(filter), path(&folder.join("access.log")));
        let (configuration, format) = (json(configuration), json(LOG));
        write!(
            listeners,
            r#"{comma}{{"name":"{at}","address":{{"pipe":{{"path":{socket}}}}},"filter_chains":[{{"filters":[{{
            "name":"http","typed_config":{{
              "@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
              "stat_prefix":"vectors","codec_type":"AUTO","generate_request_id":false,
              "max_request_headers_kb":8192,"stream_idle_timeout":"0s",
              "access_log":[{{"name":"file","typed_config":{{
                "@type":"type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path":{log},"log_format":{{"text_format_source":{{"inline_string":{format}}}}}}}}}],
              "route_config":{{"virtual_hosts":[{{"name":"all","domains":["*"],
                "routes":[{{"match":{{"prefix":""}},"route":{{"cluster":"upstream"}}}}]}}]}},
              "http_filters":[
                {{"name":"gracekey","typed_config":{{
                  "@type":"type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                  "config":{{"name":"gracekey","root_id":"","fail_open":false,
                    "vm_config":{{"vm_id":"gracekey","runtime":"envoy.wasm.runtime.v8",
                      "code":{{"local":{{"filename":{filter}}}}}}},
                    "configuration":{{"@type":"type.googleapis.com/google.protobuf.StringValue",
                      "value":{configuration}}}}}}}}},
                {{"name":"router","typed_config":{{
                  "@type":"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                  "suppress_envoy_headers":true}}}}]}}}}]}}]}}"#
        )
        .expect("a string");
    }
    let upstream = path(upstream);
    format!(
        r#"{{"static_resources":{{"listeners":[{listeners}],"clusters":[
          {{"name":"upstream","connect_timeout":"5s","type":"STATIC","load_assignment":{{"cluster_name":"upstream",
            "endpoints":[{{"lb_endpoints":[{{"endpoint":{{"address":{{"pipe":{{"path":{upstream}}}}}}}}}]}}]}}}},
          {{"name":"nowhere","connect_timeout":"1s","type":"STATIC"}}]}}}}"#
    )
}
