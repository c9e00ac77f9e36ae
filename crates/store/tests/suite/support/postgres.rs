//! A PostgreSQL server of its own for each test, on a Unix socket in a temporary folder.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::folder::Folder;

pub(crate) struct Postgres {
    folder: Folder,
    /// What the server is told besides, as `name=value`.
    settings: Vec<String>,
    port: u16,
    server: Option<Child>,
}

const MISSING: &str = "PostgreSQL is missing and these tests need a real one: run scripts/tools.sh, or install \
                       Debian's package `postgresql`";

impl Postgres {
    /// Starts a server with an empty database.
    pub(crate) fn start() -> Self {
        Self::start_in(Folder::new("postgres"))
    }

    pub(crate) fn start_in(folder: Folder) -> Self {
        let mut server = Self::new(folder);
        server.resume();
        server
    }

    /// The data of a server that is yet to start.
    pub(crate) fn new(folder: Folder) -> Self {
        own(folder.path());
        run(as_postgres(Path::new("cp")).arg("-a").arg(template()).arg(folder.path().join("data")));
        Self { folder, settings: Vec::new(), port: 5432, server: None }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn set(&mut self, settings: impl IntoIterator<Item = String>) {
        self.settings.extend(settings);
    }

    /// Its address, for the user that `initdb` was run with.
    pub(crate) fn address(&self) -> String {
        format!("postgres://gracekey@localhost:{}/postgres?host={}", self.port, self.folder.path().display())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{}", self.port))
    }

    /// Starts the server on the data that are there.
    pub(crate) fn resume(&mut self) {
        self.try_resume().unwrap_or_else(|log| panic!("PostgreSQL did not start: {log}"));
    }

    /// As [`Self::resume`], or what the server says.
    pub(crate) fn try_resume(&mut self) -> Result<(), String> {
        assert!(self.server.is_none());
        let folder = self.folder.path();
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut command = as_postgres(&binaries().join("postgres"));
        command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder).args(["-c", "listen_addresses="]);
        // The tests kill clients, never the machine.
        command.args(["-c", "fsync=off", "-c", "max_connections=60", "-c", "shared_buffers=16MB"]);
        command.args(self.settings.iter().flat_map(|setting| ["-c", setting]));
        let mut server =
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().expect(MISSING);
        let ready = || fs::read_to_string(folder.join("data/postmaster.pid")).is_ok_and(|text| text.contains("ready"));
        while !ready() {
            if server.try_wait().unwrap().is_some() {
                return Err(fs::read_to_string(folder.join("log")).unwrap_or_default());
            }
            sleep(Duration::from_millis(20));
        }
        self.server = Some(server);
        Ok(())
    }

    /// Starts the server so that it listens on a port of 127.0.0.1 too, and says which.
    #[cfg(feature = "tls")]
    pub(crate) fn listen(&mut self) -> u16 {
        let before = self.settings.len();
        let mut why = String::new();
        for _ in 0..10 {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            self.settings.truncate(before);
            self.set(["listen_addresses=127.0.0.1".into(), format!("port={port}")]);
            match self.try_resume() {
                Ok(()) => {
                    self.port = port;
                    return port;
                }
                // Somebody else was faster to take the port.
                Err(log) => why = log,
            }
        }
        panic!("PostgreSQL did not start: {why}");
    }

    /// Stops the server; connections are cut at once.
    pub(crate) fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let stopped = Command::new("kill").args(["-QUIT", &server.id().to_string()]).status();
            if !stopped.is_ok_and(|status| status.success()) {
                server.kill().ok();
            }
            server.wait().ok();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The newest installed PostgreSQL: Debian keeps its servers off the PATH.
fn binaries() -> PathBuf {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = installed.map(|version| version.path().join("bin")).collect();
    found.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    found.retain(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
    found.sort();
    found.pop().expect(MISSING)
}

/// An empty data folder, made once and copied for each test: `initdb` takes longer than most of them.
fn template() -> PathBuf {
    let version = Command::new(binaries().join("postgres")).arg("--version").output().expect(MISSING).stdout;
    let version: String = String::from_utf8_lossy(&version).chars().filter(|c| c.is_ascii_digit()).collect();
    let folder = std::env::temp_dir().join(format!("gracekey-postgres-template-{version}-{}", user("-u", None)));
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let (data, ready) = (folder.join("data"), folder.join("ready"));
    if !ready.exists() {
        fs::remove_dir_all(&data).ok();
        fs::create_dir(&data).unwrap();
        own(&data);
        let mut initdb = as_postgres(&binaries().join("initdb"));
        initdb.arg("-D").arg(&data).args(["-U", "gracekey", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]);
        run(&mut initdb);
        fs::write(ready, "").unwrap();
    }
    data
}

/// PostgreSQL refuses to run as root, and is to go when the test goes, however that ends.
fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.args(["--pdeathsig", "QUIT", "--"]).arg(program).current_dir("/");
    command
}

/// Hands a file or folder to the user that the server runs as.
pub(crate) fn own(path: &Path) {
    if is_root() {
        chown(path, Some(user("-u", Some("postgres"))), Some(user("-g", Some("postgres")))).unwrap();
    }
}

pub(crate) fn is_root() -> bool {
    user("-u", None) == 0
}

pub(crate) fn user(what: &str, name: Option<&str>) -> u32 {
    let output = Command::new("id").arg(what).args(name).output().unwrap().stdout;
    String::from_utf8_lossy(&output).trim().parse().expect(MISSING)
}

fn run(command: &mut Command) {
    let output = command.output().expect(MISSING);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
