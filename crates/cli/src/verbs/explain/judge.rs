use gracekey_core::{
    Denial, Document, End, Entry, Generation, Held, Keyring, Place, Policy, Reason, Request, Scheme, Shape, Timestamp,
    Verdict, decide,
};
use serde::Serialize;

use super::read::Pasted;
use super::slip;
use crate::redact;
use crate::span::rough;

/// Lines that somebody still reads. A request that needs more has too many headers anyway.
const READABLE: usize = 20;

/// All that a request is judged by.
pub(super) struct Judge<'j> {
    pub(super) policy: &'j Policy,
    pub(super) document: &'j Document,
    pub(super) keyring: &'j Keyring,
    pub(super) now: Timestamp,
}

/// The verdict and why, without a byte of any secret.
#[derive(Serialize)]
pub(super) struct Explanation {
    /// `granted`, `anonymous` or `denied`.
    pub(super) verdict: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) status: Option<u16>,
    /// What the text was taken for.
    pub(super) input: &'static str,
    pub(super) key_id: Option<String>,
    pub(super) client_id: Option<String>,
    /// Where keys were read, and as much of them as may be shown.
    pub(super) read: Vec<String>,
    pub(super) findings: Vec<String>,
    pub(super) advice: Vec<String>,
    /// What becomes of the request once the findings are mended.
    pub(super) once_mended: Vec<String>,
    pub(super) caller_reads: Option<String>,
}

impl Explanation {
    pub(super) fn granted(&self) -> bool {
        self.verdict != "denied"
    }
}

impl Judge<'_> {
    /// Decides, and says why.
    pub(super) fn explain(&self, pasted: &Pasted) -> Explanation {
        let mut explanation = self.verdict(pasted);
        explanation.findings.splice(0..0, pasted.remarks.iter().take(READABLE).cloned());
        let mut meant = Vec::new();
        let mut left_out = 0_usize;
        for (name, value) in pasted.fields() {
            if explanation.read.len() + explanation.findings.len() < READABLE {
                self.header(name, value, &mut explanation, &mut meant);
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 {
            explanation.findings.push(format!("and {left_out} more header lines, at which explain did not look"));
        }
        self.query(pasted, &mut explanation);
        let unclear = matches!(explanation.reason, Some("missing" | "malformed" | "unknown" | "ambiguous"));
        if unclear && let Some(key) = meant.first() {
            self.as_meant(pasted, key, &mut explanation);
        }
        if explanation.reason == Some("missing") && explanation.read.is_empty() {
            explanation.findings.push("no key was found in any place that is read".into());
        }
        if explanation.reason == Some("ambiguous") {
            explanation.findings.push("more than one key was read, or one header twice: send exactly one".into());
        }
        explanation
    }

    fn verdict(&self, pasted: &Pasted) -> Explanation {
        let request = Request { method: pasted.method.as_bytes(), target: &pasted.target, headers: pasted.fields() };
        let held = Held { keyring: self.keyring, confirmed_at: self.now };
        let mut explanation = Explanation {
            verdict: "granted",
            reason: None,
            status: None,
            input: pasted.kind,
            key_id: None,
            client_id: None,
            read: Vec::new(),
            findings: Vec::new(),
            advice: Vec::new(),
            once_mended: Vec::new(),
            caller_reads: None,
        };
        match decide(self.policy, Some(held), &request, Some(self.now)) {
            Verdict::Grant(grant) => {
                match grant.entry() {
                    Some(entry) => self.holder(entry, &mut explanation),
                    None => explanation.verdict = "anonymous",
                }
                if let Some(reason) = grant.would_deny() {
                    explanation.reason = Some(reason.as_str());
                    explanation
                        .findings
                        .push(format!("the mode lets it pass; a strict policy would deny it: {reason}"));
                }
            }
            Verdict::Denial(denial) => self.denied(&denial, &mut explanation),
        }
        explanation
    }

    fn denied(&self, denial: &Denial<'_>, explanation: &mut Explanation) {
        explanation.verdict = "denied";
        explanation.reason = Some(denial.reason().as_str());
        explanation.status = Some(denial.reason().status());
        explanation.caller_reads = Some(denial.description().into_owned());
        if let Some(entry) = denial.entry() {
            self.holder(entry, explanation);
        }
        if let (Reason::InsufficientScope, Some(entry)) = (denial.reason(), denial.entry()) {
            let (client, scopes) = (entry.client_id(), entry.scopes());
            let held: Vec<_> = scopes.iter().map(|scope| format!("--scope {scope}")).collect();
            let held = held.join(" ");
            explanation.advice.push(format!(
                "add the scope to those that it has: gracekey client --client {client} {held} --scope …"
            ));
        }
    }

    /// Whose key it is, and how it stands with it.
    fn holder(&self, entry: Entry<'_>, explanation: &mut Explanation) {
        let (key_id, client) = (entry.key_id().to_string(), entry.client_id().to_owned());
        let (credential, generation) = (entry.credential(), entry.generation());
        explanation
            .findings
            .push(format!("this is key {key_id} of client {client}, credential {credential}, generation {generation}"));
        if entry.client_disabled() {
            explanation.findings.push("the client is disabled, and so are all its keys".into());
            explanation.advice.push(format!("enable it: gracekey client --client {client} --enable"));
        }
        let own = self.document.keys.iter().find(|generation| generation.key_id == entry.key_id());
        if let Some(own) = own {
            self.times(own, explanation);
        }
        (explanation.key_id, explanation.client_id) = (Some(key_id), Some(client));
    }

    fn times(&self, own: &Generation, explanation: &mut Explanation) {
        let Generation { client_id, credential, .. } = own;
        if let Some(at) = own.not_before.filter(|at| self.now < *at) {
            explanation.findings.push(format!("it is valid only from {at}, in {}", rough(at.seconds_since(self.now))));
        }
        if let Some(at) = own.superseded_at.filter(|at| *at <= self.now) {
            explanation.findings.push(format!("it was rotated at {at}"));
        }
        let of = self.document.credential(client_id, credential);
        let current = of.current(self.now).filter(|current| current.generation > own.generation);
        let Some((at, end)) = own.end() else { return };
        let ended = own.ended(self.now).is_some();
        if !ended {
            let what = if end == End::Retired { "its window closes" } else { "it expires" };
            explanation.findings.push(format!("{what} at {at}, in {}", rough(at.seconds_since(self.now))));
        } else {
            let (what, ago) = (
                match end {
                    End::Retired => "its window closed",
                    End::Expired => "it expired",
                    End::Revoked => "it was revoked",
                },
                rough(self.now.seconds_since(at)),
            );
            explanation.findings.push(format!("{what} at {at}, {ago} ago"));
        }
        match current {
            Some(current) => explanation.advice.push(format!("use the key that took its place, {}", current.key_id)),
            None if ended => {
                explanation
                    .advice
                    .push(format!("issue a new one: gracekey issue --client {client_id} --credential {credential}"));
            }
            None => {}
        }
    }

    /// What one header holds, if it is a place for keys or looks as if it were.
    fn header(&self, name: &[u8], value: &[u8], explanation: &mut Explanation, meant: &mut Vec<Vec<u8>>) {
        let places = self.policy.config().extract_from.iter().filter_map(|place| match place {
            Place::Header { name: own, scheme } if own.as_str().as_bytes().eq_ignore_ascii_case(name) => {
                Some((place, scheme))
            }
            _ => None,
        });
        let mut is_place = false;
        for (place, scheme) in places {
            is_place = true;
            let looked = slip::look(value, scheme.as_ref());
            let shown = redact::shown(&looked.meant);
            explanation.read.push(format!("{place}: {shown}"));
            explanation.findings.extend(looked.slips.iter().map(ToString::to_string));
            self.unknown(&looked.meant, looked.mendable || looked.placeholder, explanation);
            if looked.mendable {
                meant.push(looked.meant.to_vec());
            }
        }
        if !is_place && value.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').any(is_ours) {
            let name = String::from_utf8_lossy(name);
            let read: Vec<_> = self.policy.config().extract_from.iter().map(ToString::to_string).collect();
            explanation.findings.push(format!(
                "the header `{name}` holds a key and is not read; keys are read from {}",
                read.join(" and ")
            ));
            let looked = slip::look(value, None::<&Scheme>);
            meant.push(looked.meant.to_vec());
        }
    }

    /// A key that is not in the keyring. One that can be mended is looked up as it was meant.
    fn unknown(&self, key: &[u8], mendable: bool, explanation: &mut Explanation) {
        if mendable || !matches!(explanation.reason, Some("unknown" | "malformed")) {
            return;
        }
        let known = |id| self.document.keys.iter().any(|generation| generation.key_id == id);
        explanation.findings.push(match (Shape::of(key), redact::key_id(key)) {
            (Shape::Gracekey(id), _) if known(id) => format!(
                "key id {id} is in this keyring, but not with this secret: the key is from another environment, or the pepper was replaced"
            ),
            (Shape::Gracekey(id), _) => format!(
                "the key is whole, but {id} is unknown to this keyring: it is from another environment, was never issued here, ended more than 90 days ago, or opens the server alone, as a client's keys do whose scopes all begin with gracekey:"
            ),
            (Shape::Foreign, _) if explanation.reason == Some("unknown") => "this keyring has no such key, and it has not the form of a key that gracekey issues".into(),
            (Shape::Cut | Shape::Mistyped, Some(id)) if known(id) => format!("key id {id} is in this keyring, so it was the right key once"),
            _ => return,
        });
    }

    /// A key in the query that nobody reads.
    fn query(&self, pasted: &Pasted, explanation: &mut Explanation) {
        let Some(at) = pasted.target.iter().position(|byte| *byte == b'?') else { return };
        for pair in pasted.target.get(at + 1..).unwrap_or_default().split(|byte| *byte == b'&') {
            let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len()));
            let is_place = self
                .policy
                .config()
                .extract_from
                .iter()
                .any(|place| matches!(place, Place::Query(own) if own.as_str().as_bytes() == name));
            let value = value.get(1..).unwrap_or_default();
            if is_place {
                explanation.read.push(format!("the query parameter: {}", redact::shown(value)));
                self.unknown(value, false, explanation);
            } else if is_ours(value) {
                explanation.findings.push("a key stands in the query, which is not read; keys in addresses end up in logs, so think of that one as leaked".into());
            }
        }
    }

    /// What the verdict were, had the key been sent as it was meant.
    fn as_meant(&self, pasted: &Pasted, key: &[u8], explanation: &mut Explanation) {
        let mut mended = Pasted::key(key, self.policy);
        mended.method.clone_from(&pasted.method);
        if mended.target.as_slice() == b"/" {
            mended.target.clone_from(&pasted.target);
        }
        let other = self.verdict(&mended);
        let verdict = match other.reason {
            _ if other.granted() => "the request is granted".to_owned(),
            None | Some("missing" | "malformed" | "unknown") => return,
            Some(reason) => format!("the request is still denied, {reason}"),
        };
        explanation.once_mended.push(verdict);
        explanation.once_mended.extend(other.findings);
        explanation.once_mended.extend(other.advice);
    }
}

/// Whether the text is a key of ours, whole or not.
fn is_ours(text: &[u8]) -> bool {
    !matches!(Shape::of(text), Shape::Foreign)
}
