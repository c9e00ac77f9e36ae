//! What the tests of the examples share: a folder with keys, and the service running in it as its own process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use gracekey::core::{
    ApiKey, Client, Document, Grace, Minted, Pepper, PepperId, Peppers, Prefix, Scope, Seconds, Timestamp,
};

/// A folder as `gracekey init` and a few `gracekey issue` leave it.
pub(crate) struct Keys {
    pub(crate) folder: tempfile::TempDir,
    peppers: Peppers,
    document: Document,
    minted: u8,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let id: PepperId = "p1".parse().expect("a pepper id");
        let pepper = Pepper::text(id, &[42; 32]);
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(folder.path().join("gracekey.pepper"));
        file.and_then(|mut file| file.write_all(pepper.as_bytes())).expect("a pepper file");
        let keys =
            Self { folder, peppers: pepper.parse().expect("a pepper"), document: Document::empty(now()), minted: 0 };
        keys.write();
        keys
    }

    pub(crate) fn issue(&mut self, client: &str, scopes: &[&str]) -> ApiKey {
        let key = self.mint();
        let client_id: gracekey::core::ClientId = client.parse().expect("a client id");
        let scopes: Vec<Scope> = scopes.iter().map(|scope| scope.parse().expect("a scope")).collect();
        let row = Client { client_id: client_id.clone(), disabled: false, scopes };
        self.document.add_client(row, now()).expect("a new client");
        let minted = self.digested(&key);
        self.document.issue(&client_id, &name(), minted, None, now()).expect("a first generation");
        self.write();
        key
    }

    pub(crate) fn rotate(&mut self, client: &str) -> ApiKey {
        let key = self.mint();
        let client_id = client.parse().expect("a client id");
        let grace = Grace::new(Seconds::DAY).expect("a grace");
        let minted = self.digested(&key);
        let rotated = self.document.rotate((&client_id, &name()), None, minted, grace, now(), |_| false);
        drop(rotated.expect("a rotation"));
        self.write();
        key
    }

    fn mint(&mut self) -> ApiKey {
        self.minted += 1;
        let entropy = std::array::from_fn(|at| u8::try_from(at).expect("96 bytes") ^ self.minted);
        ApiKey::mint(&Prefix::default(), &entropy).expect("a key")
    }

    fn digested(&self, key: &ApiKey) -> Minted {
        Minted::of(key, self.peppers.current()).expect("a key id")
    }

    fn write(&self) {
        let folder = self.folder.path();
        let sealed = self.document.clone().seal(&self.peppers).to_json();
        fs::write(folder.join("next"), sealed).expect("a new keyring");
        fs::rename(folder.join("next"), folder.join("gracekey.keyring.json")).expect("the keyring replaced");
    }
}

fn name() -> gracekey::core::CredentialName {
    "default".parse().expect("a credential")
}

#[expect(clippy::disallowed_methods, reason = "the service under test reads the same clock")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    Timestamp::from_unix_seconds(since.as_secs().cast_signed()).expect("a year before 10000")
}

/// The service as its own process, ended with the test.
pub(crate) struct Service {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Service {
    pub(crate) fn start(program: &str, folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.current_dir(folder).env("GRACEKEY_LISTEN", "127.0.0.1:0").stdout(Stdio::piped());
        let mut process = command.spawn().expect("the service starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("its first line");
        let address = line.trim().rsplit([' ', '/']).next().and_then(|address| address.parse().ok());
        Self { process, address: address.unwrap_or_else(|| panic!("an address in {line:?}")) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
