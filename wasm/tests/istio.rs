//! The manifests of examples/istio against the schemas of Istio, and their configurations against the filter itself.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/ring.rs"]
mod ring;
#[path = "support/scripted.rs"]
mod scripted;

use std::path::Path;

use gracekey_filter::Plugin;
use ring::{PEPPER, moment};
use scripted::Scripted;
use serde_json::{Value, json};

const PAIRS: [(&str, &str); 2] =
    [("wasmplugin.yaml", "wasmplugin_v1alpha1.json"), ("envoyfilter.yaml", "envoyfilter_v1alpha3.json")];

fn manifest(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/istio").join(name);
    let text = std::fs::read_to_string(path).expect("a manifest");
    serde_yaml_ng::from_str(&text).expect("YAML")
}

fn schema(name: &str) -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/istio").join(name);
    let text = std::fs::read_to_string(&path);
    let text = text.expect("the JSON Schemas of Istio's WasmPlugin and EnvoyFilter, in ../shared/istio");
    jsonschema::validator_for(&serde_json::from_str(&text).expect("JSON")).expect("a schema")
}

fn wrongs(schema: &jsonschema::Validator, manifest: &Value) -> Vec<String> {
    schema.iter_errors(manifest).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_manifests_are_what_istio_takes() {
    for (name, by) in PAIRS {
        assert_eq!(wrongs(&schema(by), &manifest(name)), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_wrong_field_or_value_is_seen() {
    let plugin = schema(PAIRS[0].1);
    for (pointer, value) in [
        ("/spec/phase", json!("AUTHENTICATION")),
        ("/spec/failStrategy", json!("CLOSED")),
        ("/spec/url", json!(5)),
        ("/spec/vmConfig/env/0/valueFrom", json!("SECRET")),
        ("/spec/selector", json!({"labels": {"app": "logs"}})),
        ("/spec/match/0", json!({"mode": "INBOUND"})),
        ("/spec/pluginConfig", json!("text")),
    ] {
        let mut wrong = manifest(PAIRS[0].0);
        *wrong.pointer_mut(pointer).expect("a field") = value;
        assert!(!wrongs(&plugin, &wrong).is_empty(), "{pointer} is not looked at");
    }
    let filter = schema(PAIRS[1].1);
    for (pointer, value) in [
        ("/spec/configPatches/0/applyTo", json!("HTTP")),
        ("/spec/configPatches/0/match/context", json!("INBOUND")),
        ("/spec/configPatches/0/patch/operation", json!("INSERT")),
        ("/spec/workloadSelector", json!({"matchLabels": {"app": "logs"}})),
    ] {
        let mut wrong = manifest(PAIRS[1].0);
        *wrong.pointer_mut(pointer).expect("a field") = value;
        assert!(!wrongs(&filter, &wrong).is_empty(), "{pointer} is not looked at");
    }
}

#[test]
fn the_filter_takes_their_configurations() {
    let mut host = Scripted::at(moment("2026-11-22T12:00:00Z"));
    host.environment.insert("GRACEKEY_PEPPER".into(), PEPPER.into());
    let plugin = manifest(PAIRS[0].0)["spec"]["pluginConfig"].to_string();
    let filter = manifest(PAIRS[1].0);
    let value = "/spec/configPatches/0/patch/value/typed_config/config/configuration/value";
    let filter = filter.pointer(value).and_then(Value::as_str).expect("a configuration");
    for text in [plugin.as_str(), filter] {
        if let Err(error) = Plugin::configure(text.as_bytes(), &host) {
            panic!("{error}\n{text}");
        }
    }
}
