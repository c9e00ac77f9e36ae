//! A folder with a pepper and a keyring, and the command in it.
#![allow(dead_code, reason = "each test uses a part of it")]

#[path = "../../../store/tests/suite/support/folder.rs"]
mod folder;
#[allow(unexpected_cfgs, clippy::expect_used, clippy::panic, reason = "the store's own tests ask more of it")]
#[path = "../../../store/tests/suite/support/postgres.rs"]
pub(crate) mod postgres;
#[allow(clippy::panic, reason = "a server that does not start fails the test")]
pub(crate) mod serving;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) struct Sandbox {
    folder: TempDir,
}

/// What a run printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder after `gracekey init`.
    pub(crate) fn new() -> Self {
        let sandbox = Self::empty();
        sandbox.run(&["init"]).expect_code(0);
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn keyring(&self) -> PathBuf {
        self.path("gracekey.keyring.json")
    }

    /// The command, in the folder, with nothing of ours in its environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gracekey"));
        command.args(args).current_dir(self.folder.path());
        for name in ["PEPPER", "KEYRING", "STORE", "ADMIN_KEY", "LISTEN"] {
            command.env_remove(format!("GRACEKEY_{name}"));
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.command(args).stdin(Stdio::null()).output().unwrap().into()
    }

    /// Runs with that on standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &[u8]) -> Ran {
        let file = self.path("stdin");
        std::fs::write(&file, input).unwrap();
        let stdin = std::fs::File::open(&file).unwrap();
        self.command(args).stdin(stdin).output().unwrap().into()
    }

    /// Issues a key, and gives it back.
    pub(crate) fn issue(&self, client: &str) -> String {
        self.run(&["issue", "--client", client]).expect_code(0).stdout.trim_end().to_owned()
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn expect_error(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "{part:?} is not in {self:?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Where the system has that program.
pub(crate) fn found(program: &str) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.exists()).unwrap()
}
