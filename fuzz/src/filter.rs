mod proxy;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use gracekey_core::{Grant, Held, Keyring, Mode, Policy, Reason, Timestamp, Verdict, decide};
use gracekey_filter::{Flow, Plugin, Stream};

use crate::message;
use crate::reference::{Presented, is_plain_path, presented, rule};
use crate::ring::{RING, noon, peppers};
use crate::sent::Sent;
use proxy::{Answered, Proxy, map};

/// Policies in every mode, as their operators would write them.
const POLICIES: [&str; 6] = [
    r#"{}"#,
    r#"{"mode":"optional","scopes":["read"]}"#,
    r#"{"mode":"shadow","scopes":["admin"]}"#,
    r#"{"max_staleness":"60s","error_format":"problem"}"#,
    r#"{"extract_from":[{"header":"x-api-key"},{"query":"k"},{"cookie":"c"}],"failure_mode":"allow","max_staleness":"1m"}"#,
    r#"{"sanitize":false,"forward":null,"routes":[{"path":"/healthz","mode":"open"},{"prefix":"/a","scopes":["admin"]}]}"#,
];

/// The sealed documents that a source may serve, by their epoch: in each second one no key is as it was.
static DOCUMENTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let document = |epoch: u64| {
        let mut document = RING.document.clone();
        document.epoch = epoch;
        if epoch % 2 == 1 {
            document.keys.truncate(3);
        }
        document.seal(&peppers()).to_json()
    };
    (1..=8).map(document).collect()
});

/// As a configuration: it is refused in one line or taken, and no byte panics. And as a script of what happens to a
/// filter: requests, time, ticks, answers of its source, streams that end. Whatever the script, the verdict is the engine's
/// over the keyring that is held, and is carried out as the engine says: who is denied does not go on, who waits is only
/// one whom nobody knows, what goes on holds no credential, and epochs never go back.
pub fn filter(data: &[u8]) {
    if let Err(refusal) = Plugin::configure(data, &Proxy::default()) {
        message::check(&refusal);
    }
    let mut input = Unstructured::new(data);
    let Ok([policy, source]) = input.arbitrary::<[u8; 2]>() else { return };
    let mut filter = Running::start(POLICIES[usize::from(policy) % POLICIES.len()], source);
    while let Some(step) = (!input.is_empty()).then(|| input.arbitrary::<u8>().unwrap_or(0)) {
        filter.step(step, &mut input);
        filter.check_all();
    }
}

struct Running {
    proxy: Proxy,
    plugin: Plugin,
    policy: Policy,
    waits: bool,
    /// The streams that wait, with what they were sent.
    streams: BTreeMap<u32, (Stream, Sent)>,
    next: u32,
    epoch: u64,
    offered: Vec<u64>,
}

impl Running {
    fn start(policy: &str, source: u8) -> Self {
        let keyring = match source % 4 {
            0 => format!(r#"{{"inline":{}}}"#, DOCUMENTS[1]),
            1 => r#"{"fetch":{"cluster":"feed","interval":"5s"}}"#.into(),
            2 => r#"{"fetch":{"cluster":"feed","wait":"30s","verifier":"v","key":{"env":"FEED"}}}"#.into(),
            _ => r#"{"fetch":{"cluster":"feed","interval":"5s","share":"ring"}}"#.to_owned(),
        };
        let proxy = Proxy::default();
        proxy.nanos.set(Some(u64::try_from(noon().unix_seconds()).expect("after 1970") * 1_000_000_000));
        let pepper = |id: &str, byte: u8| {
            let pepper = gracekey_core::Pepper::text(id.parse().expect("an id"), &[byte; 32]);
            pepper.to_string()
        };
        let peppers = format!("{},{}", pepper("p2", 2), pepper("p1", 1));
        let text = format!(r#"{{"policy":{policy},"pepper":{{"value":"{peppers}"}},"keyring":{keyring}}}"#);
        let plugin = Plugin::configure(text.as_bytes(), &proxy).expect("a good configuration");
        let policy = Policy::parse(policy.as_bytes()).expect("a good policy");
        let (waits, offered) = (matches!(source % 4, 1 | 2), vec![2]);
        Self { proxy, plugin, policy, waits, streams: BTreeMap::new(), next: 1, epoch: 0, offered }
    }

    fn step(&mut self, step: u8, input: &mut Unstructured<'_>) {
        let Self { proxy, plugin, .. } = self;
        match step % 8 {
            0 | 1 => {
                let text = line(input);
                self.request(Sent::read(&text));
            }
            2 => {
                let tenths = u64::from(input.arbitrary::<u8>().unwrap_or(0));
                proxy.nanos.set(proxy.nanos.get().map(|now| now + tenths * 100_000_000));
                plugin.tick(proxy);
            }
            3 | 4 => {
                let at = usize::from(input.arbitrary::<u8>().unwrap_or(0) % 8);
                let epoch = u64::try_from(at).expect("small") + 1;
                self.offered.push(epoch);
                let document = DOCUMENTS[at].clone().into_bytes();
                let range = format!("bytes 0-{}/{}", document.len() - 1, document.len());
                let status: &[u8] = if self.waits { b"200" } else { b"206" };
                self.answer(status, format!("\"{epoch}\"").as_bytes(), range.as_bytes(), document);
            }
            5 => {
                let at = usize::from(input.arbitrary::<u8>().unwrap_or(0));
                let statuses: [&[u8]; 6] = [b"200", b"206", b"304", b"500", b"", b"\xff"];
                let ranges: [&[u8]; 4] = [b"bytes 0-0/1", b"bytes 0-9/1000", b"bytes */5", b""];
                let body = line(input);
                self.answer(statuses[at % 6], &body, ranges[at / 6 % 4], body.clone());
            }
            6 => {
                // A caller gives up.
                if let Some((stream, _)) = self.streams.pop_first() {
                    self.proxy.waiting.borrow_mut().remove(&stream);
                }
            }
            _ => {
                *proxy.raw.borrow_mut() = Some(line(input));
                let flow = Stream::new(0).on_request(plugin, proxy);
                let answered = proxy.answered.take();
                assert_eq!(flow == Flow::Stop, answered.is_some());
                *proxy.raw.borrow_mut() = None;
            }
        }
    }

    /// Answers the last call, whether or not somebody still waits for that.
    fn answer(&self, status: &[u8], etag: &[u8], range: &[u8], body: Vec<u8>) {
        let headers = map(&[(b":status", status), (b"etag", etag), (b"content-range", range)]);
        let len = body.len();
        *self.proxy.body.borrow_mut() = body;
        self.plugin.answered(self.proxy.calls.get(), &headers, len, &self.proxy);
    }

    /// Asks as a request that just came does.
    fn request(&mut self, sent: Sent) {
        let Self { proxy, plugin, .. } = self;
        // The gauges tell what is held, and since when.
        plugin.tick(proxy);
        proxy.leave();
        let id = self.next;
        self.next += 1;
        let mut stream = Stream::new(id);
        *proxy.request.borrow_mut() = sent.clone();
        proxy.response.borrow_mut().clear();
        let flow = stream.on_request(plugin, proxy);
        stream.on_response(proxy);
        let (passed, answered) = (proxy.request.take(), proxy.answered.take());
        let age = i64::try_from(proxy.metric("gracekey_keyring_age_seconds")).expect("a span");
        let now = self.now();
        let keyring = self.held();
        let held = keyring.as_ref().map(|keyring| Held { keyring, confirmed_at: now.saturating_add(-age) });
        let verdict = decide(&self.policy, held, &sent.request(), Some(now));
        match flow {
            Flow::Continue => {
                assert!(answered.is_none(), "it goes on and is answered");
                let notice = self.goes_on(&verdict, &sent, &passed);
                assert_eq!(*self.proxy.response.borrow(), notice, "the notice");
            }
            Flow::Stop => is_denied(&verdict, answered.as_ref()),
            Flow::Wait => {
                assert!(answered.is_none() && self.waits && stream.waits());
                assert!(
                    matches!(&verdict, Verdict::Denial(denial) if denial.reason() == Reason::Unknown),
                    "{verdict:?}"
                );
                self.proxy.waiting.borrow_mut().insert(id, sent.clone());
                self.streams.insert(id, (stream, sent));
            }
        }
    }

    /// What became of those that waited, and whether the epoch went back.
    fn check_all(&mut self) {
        self.proxy.leave();
        let gone = self.proxy.gone_on.take();
        let keyring = self.held();
        if let Some(keyring) = &keyring {
            assert!(keyring.epoch() >= self.epoch, "the epoch went back");
            assert!(self.offered.contains(&keyring.epoch()), "nobody offered that epoch");
            self.epoch = keyring.epoch();
        }
        for (id, passed, answered) in gone {
            let (stream, sent) = self.streams.remove(&id).expect("it waited");
            assert!(!stream.waits());
            let now = self.now();
            // Whoever waits does so no longer than the keyring may be old.
            let held = keyring.as_ref().map(|keyring| Held { keyring, confirmed_at: now });
            let verdict = decide(&self.policy, held, &sent.request(), Some(now));
            match answered {
                None => drop(self.goes_on(&verdict, &sent, &passed)),
                Some(answered) if answered.status == 503 => {}
                Some(answered) => is_denied(&verdict, Some(&answered)),
            }
        }
        for (stream, _) in self.streams.values() {
            assert!(stream.waits());
        }
        for line in self.proxy.log.take() {
            assert!(!line.contains("the-key-of-the-feed") && !RING.keys.iter().any(|key| line.contains(key)), "{line}");
        }
    }

    /// The keyring that the filter says it holds.
    fn held(&self) -> Option<Keyring> {
        let epoch = usize::try_from(self.proxy.metric("gracekey_keyring_epoch")).expect("small");
        let document = DOCUMENTS.get(epoch.checked_sub(1)?).expect("one that was offered");
        Some(Keyring::open(document.as_bytes(), peppers()).expect("a good document"))
    }

    fn now(&self) -> Timestamp {
        let seconds = self.proxy.nanos.get().expect("a time") / 1_000_000_000;
        Timestamp::from_unix_seconds(i64::try_from(seconds).expect("a time")).expect("a time")
    }

    /// Checks a request that goes on. Returns the headers of its response.
    fn goes_on(&self, verdict: &Verdict<'_>, sent: &Sent, passed: &Sent) -> BTreeMap<String, String> {
        let Verdict::Grant(grant) = verdict else { panic!("{verdict:?} goes on") };
        assert_eq!(by_name(passed), by_name(&sent.carried_out(grant)), "what goes on");
        self.holds_no_credential(grant, sent, passed);
        grant.notice().iter().flat_map(|notice| notice.headers()).map(|(name, value)| (name.into(), value)).collect()
    }

    fn holds_no_credential(&self, grant: &Grant<'_>, sent: &Sent, passed: &Sent) {
        let config = self.policy.config();
        let (mode, _) = rule(config, sent);
        if config.sanitize
            && grant.entry().is_some()
            && !matches!(mode, Mode::Shadow | Mode::Open)
            && is_plain_path(sent)
        {
            assert_eq!(presented(config, passed), Presented::Nothing, "a credential goes on in {passed:?}");
        }
    }
}

fn is_denied(verdict: &Verdict<'_>, answered: Option<&Answered>) {
    let Verdict::Denial(denial) = verdict else { panic!("{verdict:?} is answered with {answered:?}") };
    let response = denial.response();
    let headers = response.headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
    let expected = Answered { status: response.status, headers, body: response.body };
    assert_eq!(Some(&expected), answered);
}

/// A request in an order that does not count: fields by name, several cookies as the one list that they stand for.
fn by_name(sent: &Sent) -> (Vec<u8>, BTreeMap<Vec<u8>, Vec<Vec<u8>>>) {
    let mut fields: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for (name, value) in &sent.headers {
        let name = name.to_ascii_lowercase();
        let values = fields.entry(name.clone()).or_default();
        match values.first_mut().filter(|_| name == b"cookie") {
            Some(list) => list.extend([&b"; "[..], value].concat()),
            None => values.push(value.clone()),
        }
    }
    (sent.target.clone(), fields)
}

/// A length, and so many bytes.
fn line(input: &mut Unstructured<'_>) -> Vec<u8> {
    let len = usize::from(input.arbitrary::<u8>().unwrap_or(0)).min(input.len());
    input.bytes(len).map(Into::into).unwrap_or_default()
}
