mod rendering;

use std::sync::LazyLock;

use arbitrary::Unstructured;
use gracekey_core::{Grant, Held, Mode, Policy, Reason, RequestEdit, Scope, Verdict};

use crate::reference::{Expected, Presented, Scene, expected, is_plain_path, presented, rule};
use crate::ring::{RING, noon};
use crate::sent::Sent;

/// Policies in every mode and shape, each as its operator would write it.
static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let texts = [
        r#"{}"#,
        r#"{"mode":"optional","forward":{"client_id":"x-who","key_id":"x-key"}}"#,
        r#"{"mode":"shadow","scopes":["read"]}"#,
        r#"{"scopes":["read"],"error_format":"problem","max_staleness":"60s"}"#,
        r#"{"failure_mode":"allow","max_staleness":"1m","notice":"0s"}"#,
        r#"{"sanitize":false,"forward":null,"realm":""}"#,
        r#"{"extract_from":[{"header":"x-api-key"},{"query":"k"},{"cookie":"c"}],"scopes":["write"]}"#,
        r#"{"routes":[{"path":"/healthz","mode":"open"},{"prefix":"/a","scopes":["admin"]},
                      {"prefix":"/a/b","methods":["POST"],"scopes":["write"]},{"prefix":"/a/b","scopes":[]},
                      {"path":"/a/b/c","mode":"optional"},{"prefix":"/s/","mode":"shadow","scopes":["admin"]},
                      {"prefix":"/","methods":["HEAD"],"mode":"open"}]}"#,
    ];
    texts.iter().map(|text| Policy::parse(text.as_bytes()).expect("a good policy")).collect()
});

/// Four bytes choose the policy, the clock and the moment, the rest is a request. The verdict is the one of a plain
/// reading of the rules, a grant carries a credential that is good at that moment, what goes on holds no credential and
/// no spoofed name, and a denial is well formed and tells a guesser nothing.
pub fn decide(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let (Ok([policy, flags]), Ok(seconds)) = (input.arbitrary::<[u8; 2]>(), input.arbitrary::<i16>()) else { return };
    let policy = &POLICIES[usize::from(policy) % POLICIES.len()];
    let moment = noon().saturating_add(i64::from(seconds % 256));
    let scene = Scene {
        policy,
        confirmed_at: (flags & 1 == 0).then(|| moment.saturating_add(-i64::from(flags >> 2))),
        now: (flags & 2 == 0).then_some(moment),
        sent: Sent::read(input.take_rest()),
    };
    let held = scene.confirmed_at.map(|confirmed_at| Held { keyring: &RING.keyring, confirmed_at });
    let verdict = gracekey_core::decide(policy, held, &scene.sent.request(), scene.now);

    let shown = format!("{verdict:?}");
    assert!(!RING.keys.iter().any(|key| shown.contains(key)), "a key in the Debug of a verdict");
    let expected = expected(&scene, &RING);
    if is_plain_path(&scene.sent) {
        assert_eq!(outcome(&verdict), expected, "{scene:?}", scene = scene.sent);
    }
    match verdict {
        Verdict::Grant(grant) => granted(&scene, &grant),
        Verdict::Denial(denial) => rendering::check(&scene, &denial),
    }
}

fn outcome(verdict: &Verdict<'_>) -> Expected {
    match verdict {
        Verdict::Grant(grant) => match grant.entry() {
            Some(entry) => Expected::Granted(usize::try_from(entry.generation()).expect("small") - 1),
            None => Expected::Anonymous(grant.would_deny()),
        },
        Verdict::Denial(denial) => Expected::Denied(denial.reason()),
    }
}

fn granted(scene: &Scene<'_>, grant: &Grant<'_>) {
    let config = scene.policy.config();
    let (mode, scopes) = rule(config, &scene.sent);
    if let Some(entry) = grant.entry() {
        let (now, Presented::Key(key)) = (scene.now.expect("no time, no grant"), presented(config, &scene.sent)) else {
            panic!("a grant without one credential");
        };
        let generation = RING.document.keys.iter().find(|own| own.key_id == entry.key_id()).expect("in the ring");
        let pepper = RING.keyring.peppers().by_id(generation.digest.pepper()).expect("a pepper of the ring");
        assert_eq!(pepper.digest(&key).to_bytes(), generation.digest.to_bytes(), "granted on another's digest");
        assert!(generation.revoked_at.is_none(), "granted, and revoked");
        for end in [generation.expires_at, generation.retires_at].into_iter().flatten() {
            assert!(now < end, "granted at {now}, over since {end}");
        }
        assert!(generation.not_before.is_none_or(|at| at <= now), "granted before its time");
        // A path that can be read in two ways needs at least the scopes of the one that is written.
        assert!(scopes.iter().all(|scope: &Scope| entry.scopes().contains(scope)), "granted without {scopes:?}");
        assert_eq!(grant.is_superseded(), generation.superseded_at.is_some_and(|at| at <= now));
        rendering::check_notice(grant, generation, config.notice, now);
    } else if mode == Mode::Strict && grant.would_deny() != Some(Reason::Unavailable) {
        panic!("anonymous in strict mode: {grant:?}");
    }
    passed(scene, grant, mode);
}

/// What goes on to the upstream.
fn passed(scene: &Scene<'_>, grant: &Grant<'_>, mode: Mode) {
    let config = scene.policy.config();
    for edit in grant.edits() {
        if let RequestEdit::SetHeader(field, _) | RequestEdit::RemoveHeader(field) = edit {
            assert_eq!(scene.policy.fields()[field.index].as_str(), field.name);
        }
    }
    let passed = scene.sent.carried_out(grant);
    let verified = grant.entry().is_some() || grant.would_deny() == Some(Reason::Unavailable);
    if config.sanitize && mode != Mode::Shadow && mode != Mode::Open && verified && is_plain_path(&scene.sent) {
        assert_eq!(presented(config, &passed), Presented::Nothing, "a credential goes on in {passed:?}");
    }
    if let Some(forward) = &config.forward {
        let client = grant.entry().map(|entry| entry.client_id().to_owned());
        let key_id = grant.entry().map(|entry| entry.key_id().to_string());
        for (name, own) in [(&forward.client_id, client), (&forward.key_id, key_id)] {
            let values: Vec<&[u8]> = passed.values(name.as_str()).collect();
            let ours: Vec<&[u8]> = own.iter().map(|own| own.as_bytes()).collect();
            assert_eq!(values, ours, "{name} as the upstream reads it");
        }
    }
}
