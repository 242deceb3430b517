//! The spec that a live workload stands for: a create body (wire.md 2.6) read backwards. `ensure` leaves it unchanged.
//!
//! Left out is what says nothing (nulls, `""`, `{}`), the mark of an ephemeral workload, and what only a newer SDK could
//! write: a task type or an execution policy that this one does not know.

use serde_json::{Map, Value};

use super::list::{Fields, Workload};
use super::mark::unmarked;
use crate::error::{Error, code};
use crate::secret::Secret;
use crate::spec::WorkloadSpec;
use crate::spec::enums::{EXECUTION_POLICIES, TASK_TYPES};

type Object = Map<String, Value>;

/// The spec, in the order of its fields. `project`: to be named in it, if the client would not take it by itself.
///
/// `ConfigurationError secret_in_spec`: a token somewhere in it. `ValidationError` about the field: what a spec has to have is
/// missing or blank.
pub(super) fn spec(
    live: &Workload,
    project: Option<&str>,
    own_token: &Secret,
) -> Result<Object, Error> {
    let spec = Value::Object(fields(live, project));
    let checked =
        WorkloadSpec::from_json(&spec, own_token).map_err(|error| refused(live, error))?;
    if checked.slug != live.slug {
        let words = format!("a spec's slug would become `{}`", checked.slug);
        return Err(refused(live, Error::invalid("slug", words)));
    }
    match spec {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Object::new()),
    }
}

fn fields(live: &Workload, project: Option<&str>) -> Object {
    let told = &live.fields;
    let mut config = object(told, "config");
    let known_policy = known(told, "execution_policy", &EXECUTION_POLICIES);
    // The config of a policy that the spec does not name would be taken for that of another.
    let has_other_policy = known_policy.is_none() && text(told, "execution_policy").is_some();
    let policy_config = object(told, "execution_policy_config").filter(|_| !has_other_policy);
    let values = [
        ("name", text(told, "name")),
        ("slug", Some(Value::from(live.slug.as_str()))),
        ("model", text(told, "model_name")),
        ("backend", text(told, "backend")),
        ("project", project.map(Value::from)),
        ("description", filled(unmarked(live.description()))),
        ("command", take_text(&mut config, "command")),
        ("vllm_version", take_text(&mut config, "vllm_version")),
        ("task_type", known(told, "task_type", &TASK_TYPES)),
        ("config", config.filter(|config| !config.is_empty()).map(Value::Object)),
        ("execution_policy", known_policy),
        ("execution_policy_config", policy_config.map(Value::Object)),
        ("worker_id", text(told, "worker_id")),
        ("gpu_resource_id", text(told, "gpu_resource_id")),
    ];
    let set = values.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?)));
    set.collect()
}

fn filled(text: &str) -> Option<Value> {
    Some(text).filter(|text| !text.is_empty()).map(Value::from)
}

fn text(live: &Fields, key: &str) -> Option<Value> {
    live.get(key)?.as_str().and_then(filled)
}

fn known(live: &Fields, key: &str, allowed: &[&str]) -> Option<Value> {
    text(live, key).filter(|value| value.as_str().is_some_and(|text| allowed.contains(&text)))
}

/// An object that holds anything but nulls.
fn object(live: &Fields, key: &str) -> Option<Object> {
    match without_nulls(live.get(key)?) {
        Value::Object(entries) if !entries.is_empty() => Some(entries),
        _ => None,
    }
}

/// A declared null matches an absent key, so it says nothing. The items of an array have to stay as many as they are.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(entries) => entries
            .iter()
            .filter(|(_, inner)| !inner.is_null())
            .map(|(key, inner)| (key.clone(), without_nulls(inner)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// A string of the config that is a field of its own in a spec.
fn take_text(config: &mut Option<Object>, key: &str) -> Option<Value> {
    let config = config.as_mut()?;
    config.get(key)?.as_str()?;
    // The order of what stays is the platform's.
    config.shift_remove(key)
}

fn refused(live: &Workload, mut error: Error) -> Error {
    error.words = format!("workload `{}` cannot be exported: {}", live.slug, error.words);
    let hint = match error.code {
        code::SECRET_IN_SPEC => "take the token out of the live workload, and revoke it",
        _ => "set it in the dashboard, or write the spec by hand",
    };
    error.hint(hint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::drift;
    use super::*;

    fn live(more: Value) -> Workload {
        let mut fields = json!({
            "id": "wl_1", "slug": "s1", "name": "N", "backend": "vllm", "model_name": "m",
        });
        if let (Some(fields), Value::Object(more)) = (fields.as_object_mut(), more) {
            fields.extend(more);
        }
        Workload::read(&fields.to_string()).expect("a workload")
    }

    fn own_token() -> Secret {
        Secret::new("ik_sdk_own")
    }

    #[test]
    fn what_is_exported_is_in_sync_with_what_is_live() {
        for more in [
            json!({}),
            json!({"description": "d", "worker_id": "w", "gpu_resource_id": "g"}),
            json!({"description": "", "config": {}, "worker_id": null, "execution_policy": ""}),
            json!({"description": "d [ephemeral 0123456789abcdef0123456789abcdef]"}),
            json!({"config": {"command": "serve", "vllm_version": "0.9", "a": {"b": null}}}),
            json!({"config": {"command": null, "vllm_version": 9, "a": [null, {"b": null}]}}),
            json!({"config": {"n": 12345678901234567890123456789_f64, "x": 1.0, "y": false}}),
            json!({"execution_policy": "fixed", "execution_policy_config": {"replicas": 1}}),
            json!({"execution_policy": "by_moon", "execution_policy_config": {"phase": 1}}),
            json!({"execution_policy": null, "execution_policy_config": {"replicas": null}}),
            json!({"task_type": "embedding"}),
            json!({"task_type": "telepathy", "backend": "my-own", "unheard_of": {"a": 1}}),
        ] {
            let live = live(more);
            let exported = spec(&live, None, &own_token()).expect("a spec");
            let exported = WorkloadSpec::from_json(&Value::Object(exported), &own_token());
            let drift = drift::compare(&exported.expect("a good spec"), &live.fields);
            assert!(drift.changes.is_empty() && drift.conflicts.is_empty(), "{drift:?}");
        }
    }

    #[test]
    fn a_project_of_its_own_is_named() {
        let exported = spec(&live(json!({})), Some("other"), &own_token()).expect("a spec");
        assert_eq!(exported.get("project"), Some(&json!("other")));
    }

    #[test]
    fn the_fields_stand_in_the_order_of_a_spec() {
        let everything = live(json!({
            "worker_id": "w", "task_type": "embedding", "description": "d",
            "config": {"z": 1, "vllm_version": "1", "command": "c", "a": 2},
        }));
        let exported = spec(&everything, None, &own_token()).expect("a spec");
        let names: Vec<&str> = exported.keys().map(String::as_str).collect();
        let expected = [
            "name",
            "slug",
            "model",
            "backend",
            "description",
            "command",
            "vllm_version",
            "task_type",
            "config",
            "worker_id",
        ];
        assert_eq!(names, expected);
        assert_eq!(exported["config"].to_string(), r#"{"z":1,"a":2}"#);
    }
}
