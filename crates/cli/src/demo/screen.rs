use std::net::SocketAddr;

use gracekey_core::Timestamp;
use serde::Serialize;

use super::plan::Plan;
use super::server::Server;
use super::stage::{DemoKey, Stage};
use super::tally::{Row, Tally};
use crate::failure::Failure;
use crate::output::{Ink, Output};

/// What the demo shows.
pub(super) struct Screen<'o> {
    output: &'o mut Output,
    plan: Plan,
}

/// The result for programs.
#[derive(Serialize)]
struct Summary<'s> {
    requests: u64,
    old_key: u64,
    new_key: u64,
    denied_after_window: u64,
    unexpected: &'s [String],
}

impl<'o> Screen<'o> {
    /// How wide a full bar is.
    const BAR: u64 = 32;

    pub(super) fn new(output: &'o mut Output, plan: Plan) -> Self {
        Self { output, plan }
    }

    pub(super) fn opening(&mut self, server: &Server, old: &DemoKey) -> Result<(), Failure> {
        let (address, route) = (server.address(), Server::ROUTE);
        let (callers, rate, key_id) = (Plan::CALLERS, Plan::RATE, old.key_id);
        let title = self.ink(Ink::Bold, "A key rotation without an outage");
        self.say(&format!("{title}: {callers} callers, {rate} requests a second each, http://{address}{route}"))?;
        self.say(&format!("They all send key {key_id}. One of them will never take the new one.\n"))?;
        let head = format!("{:>6} {:>8} {:>8} {:>7}", "second", "old key", "new key", "denied");
        let head = self.ink(Ink::Bold, &head);
        self.say(&head)
    }

    pub(super) fn row(&mut self, second: u32, row: &Row, note: &str) -> Result<(), Failure> {
        let Row { old, new, denied, unexpected } = *row;
        let numbers = format!("{second:>6} {old:>8} {new:>8} {denied:>7}");
        let bar = self.bar(row);
        let note = self.ink(Ink::Cyan, note);
        let odd = if unexpected == 0 { String::new() } else { format!("  {unexpected} UNEXPECTED") };
        let odd = self.ink(Ink::Red, &odd);
        self.say(format!("{numbers}  {bar}  {note}{odd}").trim_end())
    }

    /// One character for each share of what all callers should send in a second.
    fn bar(&self, row: &Row) -> String {
        let full = u64::from(Plan::CALLERS * Plan::RATE);
        let mut until = 0;
        let mut drawn = 0;
        let mut piece = |count: u64, mark: &str, ink: Ink| {
            until += count;
            let to = (until * Self::BAR).div_ceil(full).min(Self::BAR);
            let piece = mark.repeat(usize::try_from(to.saturating_sub(drawn)).unwrap_or(0));
            drawn = to.max(drawn);
            if piece.is_empty() { piece } else { self.ink(ink, &piece) }
        };
        let pieces = [
            piece(row.old, "▒", Ink::Yellow),
            piece(row.new, "█", Ink::Green),
            piece(row.denied + row.unexpected, "×", Ink::Red),
        ];
        let blank = " ".repeat(usize::try_from(Self::BAR - drawn).unwrap_or(0));
        pieces.concat() + &blank
    }

    pub(super) fn closing(&mut self, notice: &str, straggler: &str, metrics: &str) -> Result<(), Failure> {
        self.title("In the window the old key's answers say so, with a 200:")?;
        for line in
            notice.lines().filter(|line| line.starts_with("authentication-info") || line.starts_with("x-api-key"))
        {
            self.say(&format!("  {line}"))?;
        }
        self.title("Since it closed, the one who never listened reads why:")?;
        for line in straggler.lines().filter(|line| !line.trim().is_empty()) {
            self.say(&format!("  {line}"))?;
        }
        self.title("And /metrics told the operator all along who still used the old key:")?;
        let shown = |line: &&str| {
            let names = ["gracekey_auth_success", "gracekey_auth_failures", "gracekey_previous_key_requests"];
            names.iter().any(|name| line.starts_with(name)) && !line.ends_with(" 0")
        };
        let mut shown: Vec<_> = metrics.lines().filter(shown).collect();
        shown.sort_unstable();
        for line in shown {
            self.say(&format!("  {line}"))?;
        }
        Ok(())
    }

    /// How the straggler came back.
    pub(super) fn by_itself(&mut self, key: &DemoKey, retires_at: Timestamp, answer: &str) -> Result<(), Failure> {
        let (route, key_id) = (Stage::ROTATE, key.key_id);
        self.title(&format!("Then it takes the new key, and rotates that one by itself: POST {route}"))?;
        self.say(&format!("  200: key {key_id} is its own, and the one before works until {retires_at}"))?;
        let served = [answer.lines().next(), answer.lines().last()].into_iter().flatten();
        self.say(&format!("  {}", served.collect::<Vec<_>>().join(": ")))
    }

    pub(super) fn verdict(&mut self, tally: &Tally) -> Result<(), Failure> {
        let Row { old, new, denied, unexpected } = tally.total();
        let requests = old + new + denied + unexpected;
        if tally.unexpected().is_empty() {
            let text = self.ink(
                Ink::Green,
                &format!("{requests} requests, every answer as it should be: not one 401 while the window was open."),
            );
            self.say(&format!("\n{text}"))?;
        } else {
            let count = tally.unexpected().len();
            let text =
                self.ink(Ink::Red, &format!("{requests} requests, {count} answers or counts that should not be:"));
            self.say(&format!("\n{text}"))?;
            for why in tally.unexpected().iter().take(10) {
                self.say(&format!("  {why}"))?;
            }
        }
        if !self.plan.stays_up {
            let program = program();
            self.say(&format!(
                "To try it by hand, this stays up and shows what to type: {program} demo --listen 127.0.0.1:8080"
            ))?;
        }
        Ok(())
    }

    /// The result for programs, where it is asked for.
    pub(super) fn result(&mut self, tally: &Tally) -> Result<(), Failure> {
        if !self.output.json {
            return Ok(());
        }
        let Row { old, new, denied, unexpected } = tally.total();
        let summary = Summary {
            requests: old + new + denied + unexpected,
            old_key: old,
            new_key: new,
            denied_after_window: denied,
            unexpected: tally.unexpected(),
        };
        self.output.result("", &summary)
    }

    /// What can be tried while the server stays up.
    pub(super) fn by_hand(&mut self, address: SocketAddr, stage: &Stage) -> Result<(), Failure> {
        let (route, folder, program) = (Server::ROUTE, stage.folder().display(), program());
        self.title("It stays up until Ctrl-C. By hand, in another terminal:")?;
        self.say(&format!("  cd {folder}"))?;
        self.say(&format!("  curl -i http://{address}{route} -H \"Authorization: Bearer $(cat key)\""))?;
        self.say(&format!("  curl -i http://{address}{route} -H 'Authorization: Bearer oops'"))?;
        self.say(&format!("  curl -s http://{address}/metrics | grep ^gracekey"))?;
        let url = stage.url();
        self.say(&format!("  curl -X POST {url}{} -H \"Authorization: Bearer $(cat key)\"", Stage::ROTATE))?;
        self.say(&format!("  export GRACEKEY_STORE={url}"))?;
        let program = format!("{program} --admin-key-file admin-key");
        self.say(&format!("  {program} list --all"))?;
        self.say(&format!("  {program} close-window --client acme_corp --dry-run"))?;
        self.say(&format!("  {program} audit"))?;
        self.say(&format!("  {program} --pepper pepper explain --key-file key"))
    }

    fn title(&mut self, text: &str) -> Result<(), Failure> {
        let text = self.ink(Ink::Bold, text);
        self.say(&format!("\n{text}"))
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.output.tell(text)
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        self.output.ink(ink, text)
    }
}

/// How this very command is called: by its name, where the shell would find it.
fn program() -> String {
    let own = std::env::current_exe().unwrap_or_default();
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let is_found = std::env::split_paths(&folders).any(|folder| own.parent() == Some(folder.as_path()));
    if is_found || own.as_os_str().is_empty() { "gracekey".into() } else { own.display().to_string() }
}
