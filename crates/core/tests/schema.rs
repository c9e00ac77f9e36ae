//! The published schemas, held against the parser: they accept what it accepts, and refuse what it refuses, but for what
//! no schema can say.
#![expect(clippy::expect_used, reason = "a test tells its failure by panicking")]

#[path = "schema/altered.rs"]
mod altered;

use std::fs;
use std::path::{Path, PathBuf};

use gracekey_core::{Document, Policy, PolicyConfig, SealedDocument};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Refused documents that the schema takes for good: what they need is a look at two places at once, a calendar, a
/// secret, or the keyring at hand.
const BEYOND_THE_KEYRING_SCHEMA: [&str; 20] = [
    "client-twice",
    "client-unknown",
    "digest-of-an-unknown-pepper",
    "digest-twice",
    "epoch-as-a-float",
    "epoch-older",
    "epoch-same-with-another-content",
    "generation-later-twice",
    "generation-twice",
    "key-id-twice",
    "member-of-a-key-twice",
    "member-twice",
    "seal-a-key-added",
    "seal-a-scope-added",
    "seal-altered",
    "seal-of-an-unknown-pepper",
    "seal-of-another-content",
    "seal-of-another-pepper-of-that-id",
    "time-beyond-9999",
    "time-no-such-day",
];

/// Refused policies that the schema takes for good.
const BEYOND_THE_POLICY_SCHEMA: [&str; 9] = [
    "forward-both-to-one",
    "forward-over-a-place",
    "forward-over-the-cookies",
    "member-twice",
    "notice-too-large",
    "place-twice-with-its-scheme-in-two-cases",
    "route-twice",
    "route-twice-with-methods",
    "route-twice-with-methods-in-another-order",
];

/// How the parser says what no schema can: whoever refuses for another reason has found a hole in the schema.
const BEYOND_ANY_SCHEMA: [&str; 7] = [
    "is used already",
    "no such day",
    "a time outside years",
    "stands there twice",
    "an earlier route has the same path",
    "found number", // 1.0 is an integer to a schema
    "duplicate field",
];

fn schema(text: &str) -> (Value, Validator) {
    let schema: Value = serde_json::from_str(text).expect("a schema is JSON");
    jsonschema::meta::validate(&schema).expect("a schema of its draft");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema that compiles");
    (schema, validator)
}

fn folder(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension != "error"));
    files.sort();
    files
}

/// Each refusal of the folder that is JSON at all is refused by the schema, but for the named ones, which are not.
fn check_refusals(name: &str, schema: &Validator, beyond: &[&str]) {
    let mut seen = Vec::new();
    for file in folder(name) {
        let Ok(json) = serde_json::from_slice::<Value>(&fs::read(&file).expect("a readable case")) else { continue };
        let rule = file.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let accepted = schema.is_valid(&json);
        assert_eq!(accepted, beyond.contains(&rule.as_str()), "{rule}: accepted by the schema is {accepted}");
        seen.push(rule);
    }
    assert!(seen.len() >= 50, "{} cases", seen.len());
    assert!(beyond.iter().all(|rule| seen.iter().any(|seen| seen == rule)), "a named rule has no case");
}

#[test]
fn the_keyring_schema_refuses_what_the_parser_refuses() {
    check_refusals("refusals/document", &schema(Document::SCHEMA).1, &BEYOND_THE_KEYRING_SCHEMA);
}

#[test]
fn the_policy_schema_refuses_what_the_parser_refuses() {
    check_refusals("refusals/policy", &schema(PolicyConfig::SCHEMA).1, &BEYOND_THE_POLICY_SCHEMA);
}

#[test]
fn the_keyring_at_hand_is_valid() {
    let held = fs::read(folder("refusals").into_iter().find(|f| f.ends_with("held.json")).expect("it is there"));
    let held: Value = serde_json::from_slice(&held.expect("readable")).expect("JSON");
    schema(Document::SCHEMA).1.validate(&held).expect("valid");
}

#[test]
fn every_policy_of_the_vectors_is_valid() {
    let schema = schema(PolicyConfig::SCHEMA).1;
    let mut policies = 0;
    for file in folder("vectors").into_iter().filter(|file| file.extension().is_some_and(|end| end == "json")) {
        let case: Value = serde_json::from_slice(&fs::read(&file).expect("readable")).expect("a case is JSON");
        if let Some(policy) = case.get("policy") {
            schema.validate(policy).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            policies += 1;
        }
    }
    assert!(policies >= 50, "{policies} policies");
}

#[test]
fn the_defaults_of_the_schema_are_those_of_the_parser() {
    let (schema, validator) = schema(PolicyConfig::SCHEMA);
    let defaults = serde_json::to_value(PolicyConfig::default()).expect("it serializes");
    validator.validate(&defaults).expect("valid");
    let fields = schema["properties"].as_object().expect("fields");
    let told: serde_json::Map<_, _> =
        fields.iter().map(|(name, field)| (name.clone(), field.get("default").cloned().unwrap_or_default())).collect();
    assert_eq!(Value::Object(told), defaults);
}

#[test]
fn every_object_is_closed_and_every_field_described() {
    fn check(at: &str, schema: &Value) {
        let Some(object) = schema.as_object() else { return };
        if object.get("type") == Some(&json!("object")) {
            assert_eq!(object.get("additionalProperties"), Some(&json!(false)), "{at} is open");
        }
        for group in ["properties", "$defs"] {
            for (name, field) in object.get(group).and_then(Value::as_object).into_iter().flatten() {
                assert!(field.get("description").is_some_and(Value::is_string), "{at}.{name} is not described");
                check(&format!("{at}.{name}"), field);
            }
        }
        for part in ["oneOf", "anyOf"].iter().filter_map(|part| object.get(*part)?.as_array()).flatten() {
            check(at, part);
        }
        if let Some(items) = object.get("items") {
            check(&format!("{at}[]"), items);
        }
    }
    check("keyring", &schema(Document::SCHEMA).0);
    check("policy", &schema(PolicyConfig::SCHEMA).0);
}

/// Both verdicts over one text, and what the parser said.
fn check_agreement(schema: &Validator, json: &Value, parsed: Result<(), String>) -> Result<(), TestCaseError> {
    match (schema.validate(json), parsed) {
        (Ok(()), Ok(())) | (Err(_), Err(_)) => Ok(()),
        (Err(refusal), Ok(())) => Err(TestCaseError::fail(format!("only the schema refuses {json}: {refusal}"))),
        (Ok(()), Err(refusal)) => {
            // A schema counts no digits: a span may be too long for it.
            let too_long = refusal.contains("not a span of time") && json.to_string().contains("99999999d");
            let beyond = too_long || BEYOND_ANY_SCHEMA.iter().any(|what| refusal.contains(what));
            prop_assert!(beyond, "only the parser refuses {json}: {refusal}");
            Ok(())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn an_altered_document_is_judged_alike(json in altered::json(&altered::document())) {
        let schema = altered::once(|| schema(Document::SCHEMA).1);
        let text = json.to_string();
        let parsed = SealedDocument::parse(text.as_bytes()).map(drop).map_err(|refusal| refusal.to_string());
        // A document without its seal parses, and is refused when it is opened.
        let unsealed = json.get("seal").is_none_or(Value::is_null) && parsed.is_ok();
        if !unsealed {
            check_agreement(schema, &json, parsed)?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, ..ProptestConfig::default() })]

    #[test]
    fn an_altered_policy_is_judged_alike(json in altered::json(&altered::policy())) {
        let schema = altered::second(|| schema(PolicyConfig::SCHEMA).1);
        let parsed = Policy::parse(json.to_string().as_bytes()).map(drop).map_err(|refusal| refusal.to_string());
        check_agreement(schema, &json, parsed)?;
    }
}
