//! A running proxy.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::running::exchange::{Reply, exchange};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Nginx,
    Caddy,
    Envoy,
}

pub(super) struct Process {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Process {
    /// Starts it with the configuration that operators are shown, on ports that are free.
    pub(super) async fn start(program: Program, gracekey: SocketAddr, service: SocketAddr) -> Self {
        let folder = TempDir::new().expect("a folder");
        let address = free();
        let shown = fs::read_to_string(root().join("crates/server/proxies").join(program.file())).expect("it is shown");
        let mut text = shown.clone();
        for (port, own) in [("8080", address), ("8787", gracekey), ("9000", service)] {
            let own = own.port().to_string();
            assert!(shown.contains(port), "{program:?}: no port {port}");
            text = text.replace(&format!(":{port}"), &format!(":{own}"));
            text = text.replace(&format!("port_value: {port}"), &format!("port_value: {own}"));
        }
        let path = folder.path().join(program.file());
        fs::write(&path, program.grounded(&text, folder.path())).expect("its configuration");
        let log = File::create(folder.path().join("log")).expect("a log");
        let mut command = program.command(&path, folder.path());
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let child = command.spawn().unwrap_or_else(|why| panic!("{program:?}: {why}; {}", program.missing()));
        let mut process = Self { child, address, folder };
        process.until_it_answers().await;
        process
    }

    pub(super) async fn ask(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        exchange(self.address, line, headers, body).await
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    async fn until_it_answers(&mut self) {
        for _ in 0..2_000 {
            if tokio::net::TcpStream::connect(self.address).await.is_ok()
                && self.ask("GET /healthz", &[], b"").await.status == 200
            {
                return;
            }
            let ended = self.child.try_wait().expect("its state");
            assert!(ended.is_none(), "it ended ({ended:?}):\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it never answered:\n{}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Program {
    fn file(self) -> &'static str {
        match self {
            Self::Nginx => "nginx.conf",
            Self::Caddy => "Caddyfile",
            Self::Envoy => "envoy.yaml",
        }
    }

    /// What a program needs to run in a folder of its own, in one process that can be ended.
    fn grounded(self, text: &str, folder: &Path) -> String {
        let folder = folder.display();
        match self {
            Self::Nginx => {
                let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
                let places: String =
                    kinds.iter().map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n")).collect();
                let text = text.replacen("http {\n", &format!("http {{\n    access_log off;\n{places}"), 1);
                format!("daemon off;\nmaster_process off;\npid {folder}/pid;\n{text}")
            }
            Self::Caddy | Self::Envoy => text.to_owned(),
        }
    }

    fn command(self, path: &Path, folder: &Path) -> Command {
        let mut command = match self {
            Self::Nginx => {
                // Debian has it where only root looks.
                let mut command = Command::new("nginx");
                command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
                command
            }
            Self::Caddy => Command::new(installed(".tools/venv/bin/caddy", "scripts/tools.sh")),
            Self::Envoy => Command::new(installed(".tools/envoy/envoy", "scripts/envoy-install.sh")),
        };
        match self {
            Self::Nginx => command.arg("-e").arg("stderr").arg("-p").arg(folder).arg("-c").arg(path),
            Self::Caddy => command.args(["run", "--adapter", "caddyfile", "--config"]).arg(path).env("HOME", folder),
            Self::Envoy => {
                let options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning", "-c"];
                command.args(options).arg(path)
            }
        };
        command
    }

    fn missing(self) -> &'static str {
        match self {
            Self::Nginx => "install Debian's package nginx-light, or run scripts/tools.sh",
            Self::Caddy => "run scripts/tools.sh",
            Self::Envoy => "run scripts/envoy-install.sh",
        }
    }
}

fn installed(place: &str, script: &str) -> PathBuf {
    let path = root().join(place);
    assert!(path.exists(), "{} is missing; run {script}", path.display());
    path
}

/// The top of the repository.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).expect("the repository").to_path_buf()
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}
