//! `gracekey serve` as a process.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::folder::Folder;
use crate::http::Http;

/// A running server on a store of its own.
pub(crate) struct Server {
    folder: Folder,
    port: u16,
    process: Child,
}

const PATIENCE: Duration = Duration::from_secs(60);

impl Server {
    /// Starts one, and returns once it is ready.
    pub(crate) async fn start(name: &str) -> Self {
        let folder = Folder::new(name);
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let log = File::create(folder.path().join("log")).expect("a log");
        let mut command = command(&folder);
        command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
        let process = command.stdout(log.try_clone().expect("a log")).stderr(log).spawn().expect("gracekey runs");
        let mut server = Self { folder, port, process };
        server.wait().await;
        server
    }

    async fn wait(&mut self) {
        let http = Http::new(&self.url());
        let since = Instant::now();
        while !http.get("/readyz", "").await.is_ok_and(|answer| answer.status == 200) {
            let ended = self.process.try_wait().expect("its state");
            assert!(ended.is_none() && since.elapsed() < PATIENCE, "not ready ({ended:?}):\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn pepper(&self) -> PathBuf {
        self.folder.path().join("pepper")
    }

    /// Runs a verb on the store itself, and gives out what it prints.
    pub(crate) fn run(&self, verb: &[&str]) -> String {
        let output = command(&self.folder).args(verb).stderr(Stdio::inherit()).output().expect("gracekey runs");
        assert!(output.status.success(), "gracekey {verb:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text").trim().into()
    }

    /// A key that may do everything on this server.
    pub(crate) async fn admin_key(&self) -> String {
        let key = self.run(&["issue", "--client", "operator", "--scope", "gracekey:admin"]);
        let http = Http::new(&self.url());
        while http.get("/v2/clients", &key).await.expect("an answer").status == 401 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        key
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

fn command(folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gracekey"));
    command.env("GRACEKEY_STORE", "sqlite:keys.db").args(["--pepper", "pepper"]);
    command.current_dir(folder.path()).stdin(Stdio::null());
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
