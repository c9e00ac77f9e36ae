//! Certificates for one test, by OpenSSL's command line, which comes with Debian's PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;

const MISSING: &str = "`openssl` is missing and these tests need it for certificates: run scripts/tools.sh, or install \
                       Debian's package `openssl`";

const NAMES: &str = "
    [req]
    distinguished_name = subject
    prompt = no
    [subject]
    CN = a test of gracekey
    [authority]
    basicConstraints = critical, CA:TRUE
    [server]
    subjectAltName = DNS:localhost
";

/// Files of an authority and of a server that it vouches for, which is called `localhost`.
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) server: PathBuf,
    pub(crate) server_key: PathBuf,
}

impl Certificates {
    /// Makes them in that folder.
    pub(crate) fn make(folder: &Path) -> Self {
        std::fs::write(folder.join("openssl.cnf"), NAMES).unwrap();
        let made = Self {
            authority: folder.join("authority.crt"),
            server: folder.join("server.crt"),
            server_key: folder.join("server.key"),
        };
        let authority_key = folder.join("authority.key");
        openssl(folder, "authority", &made.authority, &authority_key).run();
        let mut server = openssl(folder, "server", &made.server, &made.server_key);
        server.0.arg("-CA").arg(&made.authority).arg("-CAkey").arg(&authority_key);
        server.run();
        made
    }
}

struct OpenSsl(Command);

fn openssl(folder: &Path, what: &str, certificate: &Path, key: &Path) -> OpenSsl {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    command.arg("-config").arg(folder.join("openssl.cnf")).args(["-extensions", what]);
    command.arg("-out").arg(certificate).arg("-keyout").arg(key);
    OpenSsl(command)
}

impl OpenSsl {
    fn run(&mut self) {
        let output = self.0.output().expect(MISSING);
        assert!(output.status.success(), "{:?}: {}", self.0, String::from_utf8_lossy(&output.stderr));
    }
}
