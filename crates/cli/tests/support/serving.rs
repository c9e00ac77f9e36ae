//! A real server, started as people start it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Ran, Sandbox};

/// `gracekey serve` on a free port, with its store and its pepper in a sandbox.
pub(crate) struct Serving {
    child: Child,
    url: String,
    /// What it printed: the admin key, if it was the first start.
    admin_key: String,
    said: Option<JoinHandle<String>>,
    /// The lines that it says while it serves.
    lines: mpsc::Receiver<String>,
}

/// Nothing here takes that long, unless it hangs.
const HANGS: Duration = Duration::from_secs(60);

impl Serving {
    /// Starts it, and waits until it serves.
    pub(crate) fn start(sandbox: &Sandbox, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let printed = sandbox.path("serve.stdout");
        let mut command = sandbox.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(args).envs(variables.iter().copied()).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.stdout(File::create(&printed).unwrap()).spawn().unwrap();
        let (send, receive) = mpsc::channel();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            while lines.read_line(&mut said).is_ok_and(|bytes| bytes > 0) {
                if let Some((_, url)) = said.lines().last().unwrap_or_default().split_once("served at ") {
                    send.send(url.to_owned()).unwrap();
                    break;
                }
            }
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                said.push_str(&line);
                let _ = send.send(std::mem::take(&mut line));
            }
            said
        });
        let Ok(url) = receive.recv_timeout(HANGS) else {
            child.kill().unwrap();
            panic!("the server did not start: {}", said.join().unwrap());
        };
        let admin_key = std::fs::read_to_string(printed).unwrap().trim_end().to_owned();
        Self { child, url, admin_key, said: Some(said), lines: receive }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn admin_key(&self) -> &str {
        &self.admin_key
    }

    /// A command that works on it, with its admin key.
    pub(crate) fn command(&self, sandbox: &Sandbox, args: &[&str]) -> Command {
        let mut command = sandbox.command(args);
        command.env("GRACEKEY_STORE", self.url()).env("GRACEKEY_ADMIN_KEY", self.admin_key());
        command
    }

    pub(crate) fn run(&self, sandbox: &Sandbox, args: &[&str]) -> Ran {
        self.command(sandbox, args).stdin(Stdio::null()).output().unwrap().into()
    }

    /// Limits what it may use from now on, in the words of `prlimit`.
    pub(crate) fn limit(&self, limit: &str) {
        let process = format!("--pid={}", self.child.id());
        let limited = Command::new("prlimit").args([limit, &process]).status();
        let limited = limited.unwrap_or_else(|_| panic!("prlimit is missing; install Debian's package `util-linux`"));
        assert!(limited.success());
    }

    /// Waits until it says that.
    pub(crate) fn wait_for(&self, part: &str) {
        while !self.lines.recv_timeout(HANGS).unwrap().contains(part) {}
    }

    /// Ends it as a service manager does, and says how that went.
    pub(crate) fn end(mut self) -> Ran {
        signal("TERM", &self.child);
        let code = self.child.wait().unwrap().code();
        Ran { code, stdout: String::new(), stderr: self.said.take().unwrap().join().unwrap() }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that we started.
pub(crate) fn signal(name: &str, child: &Child) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}
