//! The shared cases of specs, and what only Rust can see: the merged config.

use serde::Deserialize;
use serde_json::{Value, json};

use super::WorkloadSpec;
use crate::secret::Secret;

#[derive(Deserialize)]
struct Case {
    name: String,
    spec: Value,
    #[serde(default = "default_token")]
    sdk_token: String,
    error: Option<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    class: String,
    code: String,
    field: String,
    #[serde(default)]
    contains: Vec<String>,
    #[serde(default)]
    never: Vec<String>,
    hint: Option<String>,
}

fn default_token() -> String {
    "ik_sdk_own".to_owned()
}

#[test]
fn shared_cases() {
    let cases = include_str!("../../../../tests/vectors/specs.json");
    let cases: Vec<Case> = serde_json::from_str(cases).expect("cases");
    for case in cases {
        let name = case.name;
        match (WorkloadSpec::from_json(&case.spec, &Secret::new(&case.sdk_token)), case.error) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => {
                assert_eq!(error.class.name(), expected.class, "{name}");
                assert_eq!(error.code, expected.code, "{name}");
                assert_eq!(error.field, Some(expected.field), "{name}");
                let shown = error.message();
                for word in expected.contains {
                    assert!(shown.contains(&word), "{name}: `{word}` in {shown}");
                }
                if let Some(hint) = expected.hint {
                    assert!(error.hint.as_deref().is_some_and(|own| own.contains(&hint)), "{name}");
                }
                let everything = format!("{error:?}");
                assert!(!expected.never.iter().any(|word| everything.contains(word)), "{name}");
            }
            (outcome, _) => panic!("{name}: {outcome:?}"),
        }
    }
}

fn spec_with(extra: Value) -> WorkloadSpec {
    let mut spec = json!({"name": "N", "slug": "My Bot", "model": "m", "backend": "vllm"});
    let entries = spec.as_object_mut().expect("an object");
    entries.extend(extra.as_object().expect("an object").clone());
    WorkloadSpec::from_json(&spec, &Secret::new("ik_sdk_own")).expect("a good spec")
}

#[test]
fn command_and_version_are_keys_inside_config() {
    for (extra, config) in [
        (json!({}), json!(null)),
        (json!({"config": null, "command": null}), json!(null)),
        (json!({"config": {}}), json!({})),
        (json!({"command": "run"}), json!({"command": "run"})),
        (json!({"vllm_version": "1"}), json!({"vllm_version": "1"})),
        (
            json!({"config": {"a": 1}, "command": "run", "vllm_version": "1"}),
            json!({"a": 1, "command": "run", "vllm_version": "1"}),
        ),
        (json!({"config": {"command": "run"}, "command": "run"}), json!({"command": "run"})),
        (json!({"config": {"command": 7}}), json!({"command": 7})),
    ] {
        let spec = spec_with(extra);
        assert_eq!(spec.config.map_or(Value::Null, Value::Object), config);
    }
}

#[test]
fn fields_are_verbatim_but_for_slug_and_project() {
    let spec = spec_with(json!({"name": " N ", "project": " acme\n", "description": ""}));
    assert_eq!((spec.name.as_str(), spec.slug.as_str()), (" N ", "my-bot"));
    assert_eq!(spec.project.as_deref(), Some("acme"));
    assert_eq!(spec.description.as_deref(), Some(""));
    assert_eq!(spec_with(json!({"project": " "})).project, None);
    assert_eq!(spec_with(json!({"task_type": null})).task_type, None);
}
