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
    server: Option<Child>,
}

const MISSING: &str = "PostgreSQL is missing and these tests need a real one: run scripts/tools.sh, or install \
                       Debian's package `postgresql`";

impl Postgres {
    /// Starts a server with an empty database.
    pub(crate) fn start() -> Self {
        let folder = Folder::new("postgres");
        own(folder.path());
        run(as_postgres(Path::new("cp")).arg("-a").arg(template()).arg(folder.path().join("data")));
        let mut server = Self { folder, server: None };
        server.resume();
        server
    }

    /// Its address, for the user that `initdb` was run with.
    pub(crate) fn address(&self) -> String {
        format!("postgres://gracekey@localhost/postgres?host={}", self.folder.path().display())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
    }

    /// Starts the server again on the same data.
    pub(crate) fn resume(&mut self) {
        assert!(self.server.is_none());
        let folder = self.folder.path();
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut command = as_postgres(&binaries().join("postgres"));
        command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder).args(["-c", "listen_addresses="]);
        // The tests kill clients, never the machine.
        command.args(["-c", "fsync=off", "-c", "max_connections=60", "-c", "shared_buffers=16MB"]);
        let mut server =
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().expect(MISSING);
        let ready = || fs::read_to_string(folder.join("data/postmaster.pid")).is_ok_and(|text| text.contains("ready"));
        while !ready() {
            let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(server.try_wait().unwrap().is_none(), "PostgreSQL did not start: {}", log());
            sleep(Duration::from_millis(20));
        }
        self.server = Some(server);
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

fn own(path: &Path) {
    if is_root() {
        chown(path, Some(user("-u", Some("postgres"))), Some(user("-g", Some("postgres")))).unwrap();
    }
}

fn is_root() -> bool {
    user("-u", None) == 0
}

fn user(what: &str, name: Option<&str>) -> u32 {
    let output = Command::new("id").arg(what).args(name).output().unwrap().stdout;
    String::from_utf8_lossy(&output).trim().parse().expect(MISSING)
}

fn run(command: &mut Command) {
    let output = command.output().expect(MISSING);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
