//! A running configuration of examples/envoy, with sockets in a folder in the place of its ports.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::exchange::Reply;
use crate::vector::{Bytes, RequestText};
use crate::{http1, parts};

/// What the example shows the feed.
pub(crate) const FEED_KEY: &str = "the-key-of-the-feed";

/// An Envoy with a configuration of the examples.
pub(crate) struct Example {
    process: Child,
    folder: PathBuf,
}

impl Example {
    /// Starts it. The keyring of the fetched variant comes from `feed`.
    pub(crate) fn start(file: &str, feed: Option<&Path>) -> Self {
        let folder = std::env::temp_dir().join(format!("gracekey-{file}-{}", thread_name()));
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).expect("a folder for Envoy");
        let examples = parts::root().join("examples/envoy");
        let mut text = fs::read_to_string(examples.join(file)).expect("the example");
        for port in [10_000, 10_001, 10_002, 8787, 9901] {
            let source = matches!(port, 10_002 | 8787);
            let socket = match feed {
                Some(feed) if source => feed.to_path_buf(),
                _ => socket(&folder, port),
            };
            let address = format!("socket_address: {{address: 127.0.0.1, port_value: {port}}}");
            assert!(source || text.contains(&address), "{file} has no {address}");
            text = text.replace(&address, &format!("pipe: {{path: {}}}", socket.display()));
        }
        let filter = parts::filter();
        text = text.replace("filename: .tools/gracekey.wasm", &format!("filename: {}", filter.display()));
        fs::write(folder.join("envoy.yaml"), text).expect("the configuration");
        // Each worker fetches for itself. With one, an answer tells what the whole of Envoy holds.
        let workers = if feed.is_some() { "1" } else { "2" };
        let log = || fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).expect("a log");
        let process = Command::new(parts::envoy())
            .args(["--concurrency", workers, "--disable-hot-restart", "--log-level", "info", "-c"])
            .arg(folder.join("envoy.yaml"))
            .env("GRACEKEY_PEPPER", fs::read_to_string(examples.join("pepper.txt")).expect("the pepper"))
            .env("GRACEKEY_FEED_KEY", FEED_KEY)
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn()
            .expect("Envoy starts");
        let mut example = Self { process, folder };
        example.wait();
        example
    }

    /// What stands in the place of that port.
    pub(crate) fn socket(&self, port: u16) -> PathBuf {
        socket(&self.folder, port)
    }

    pub(crate) fn get(&self, target: &str, key: Option<&str>) -> Reply {
        let key = key.map(|key| ("authorization".to_owned(), Bytes(format!("Bearer {key}").into())));
        self.ask(10_000, target, key.into_iter().collect())
    }

    /// Sends a request with these headers to the edge.
    pub(crate) fn send(&self, method: &str, headers: &[(&str, &str)]) -> Reply {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), Bytes((*value).into()))).collect();
        let request = RequestText { method: method.into(), target: Bytes(b"/v1/logs".into()), headers };
        http1::send(&self.socket(10_000), &request).unwrap_or_else(|why| panic!("{why}\n{}", self.log()))
    }

    /// Asks until a key has that status.
    pub(crate) fn until(&self, key: &str, status: u16) {
        let reached = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            // Of two workers each has to know.
            (0..8).all(|_| self.get("/v1/logs", Some(key)).status == status)
        });
        assert!(reached, "it never answered {status}:\n{}", self.log());
    }

    /// The metrics, once that line is among them: they leave the filter once a second.
    pub(crate) fn metrics_with(&self, line: &str) -> String {
        for _ in 0..100 {
            let metrics = self.ask(9901, "/stats/prometheus?filter=gracekey", Vec::new()).text();
            if metrics.lines().any(|own| own == line) {
                return metrics;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.ask(9901, "/stats/prometheus?filter=gracekey", Vec::new()).text()
    }

    /// Stops it, and gives out its log with the access log.
    pub(crate) fn stop(mut self) -> String {
        Command::new("kill").arg(self.process.id().to_string()).status().expect("kill");
        self.process.wait().expect("Envoy ends");
        self.log()
    }

    fn ask(&self, port: u16, target: &str, headers: Vec<(String, Bytes)>) -> Reply {
        let request = RequestText { method: "GET".into(), target: Bytes(target.into()), headers };
        http1::send(&self.socket(port), &request).unwrap_or_else(|why| panic!("{target}: {why}\n{}", self.log()))
    }

    fn wait(&mut self) {
        for _ in 0..5_000 {
            if UnixStream::connect(self.socket(10_000)).is_ok() {
                return;
            }
            let ended = self.process.try_wait().expect("Envoy");
            assert!(ended.is_none(), "Envoy ended ({ended:?}):\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn socket(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!("{port}.sock"))
}

/// Tests of one process run at once; each has its own thread.
fn thread_name() -> String {
    let name = std::thread::current().name().unwrap_or_default().len();
    format!("{}-{name}", std::process::id())
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let own = self.headers.iter().find(|(own, _)| own == name);
        own.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}
