//! *Declared ⊆ live* and the deep merge of the two (wire.md 2.8), over any JSON.

use serde::Serialize;
use serde_json::{Map, Value};

use super::number;

/// A field where declared and live differ, by its name in the spec.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Change {
    /// `model`, `command`, `config.max_model_len`.
    pub(crate) path: String,
    /// Live; null if absent.
    pub(crate) before: Value,
    /// Declared.
    pub(crate) after: Value,
    /// What differs inside: a launch command, flag by flag.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<Change>,
}

impl Change {
    pub(super) fn new(path: impl Into<String>, before: Option<&Value>, after: &Value) -> Self {
        let before = before.cloned().unwrap_or_default();
        Self { path: path.into(), before, after: after.clone(), parts: Vec::new() }
    }
}

/// Does live hold everything that is declared?
pub(crate) fn covers(declared: &Value, live: Option<&Value>) -> bool {
    match (declared, live) {
        (Value::Null, None | Some(Value::Null)) => true,
        (Value::Number(declared), Some(Value::Number(live))) => number::same(declared, live),
        (Value::Object(declared), Some(Value::Object(live))) => {
            declared.iter().all(|(key, declared)| covers(declared, live.get(key)))
        }
        (Value::Array(declared), Some(Value::Array(live))) => {
            declared.len() == live.len()
                && declared.iter().zip(live).all(|(declared, live)| covers(declared, Some(live)))
        }
        (declared, live) => live == Some(declared),
    }
}

/// Every leaf that live does not cover. A list is one leaf, since it is written as a whole; so is an object of nulls that live
/// has not: each of them matches absence, but the object is a declared key.
pub(crate) fn changes(path: &str, declared: &Value, live: Option<&Value>, into: &mut Vec<Change>) {
    let nothing = Map::new();
    match (declared, live) {
        (Value::Object(declared), Some(Value::Object(live))) => {
            entries(path, declared, live, into);
        }
        (Value::Object(declared), None | Some(Value::Null)) if !declared.is_empty() => {
            let before = into.len();
            entries(path, declared, &nothing, into);
            if into.len() == before {
                into.push(Change::new(path, live, &Value::Object(declared.clone())));
            }
        }
        (declared, live) if !covers(declared, live) => into.push(Change::new(path, live, declared)),
        _ => {}
    }
}

fn entries(
    path: &str,
    declared: &Map<String, Value>,
    live: &Map<String, Value>,
    into: &mut Vec<Change>,
) {
    for (key, declared) in declared {
        changes(&format!("{path}.{key}"), declared, live.get(key), into);
    }
}

/// Live with everything declared put over it: declared wins, lists and scalars are taken whole.
pub(crate) fn merge(
    live: &Map<String, Value>,
    declared: &Map<String, Value>,
) -> Map<String, Value> {
    let mut merged = live.clone();
    for (key, declared) in declared {
        let value = match (merged.get(key), declared) {
            (Some(Value::Object(live)), Value::Object(declared)) => {
                Value::Object(merge(live, declared))
            }
            _ => declared.clone(),
        };
        merged.insert(key.clone(), value);
    }
    merged
}

/// Number of live keys, at any depth, that are not declared.
pub(crate) fn undeclared(declared: &Map<String, Value>, live: &Map<String, Value>) -> usize {
    live.iter()
        .map(|(key, live)| match (declared.get(key), live) {
            (None, _) => 1,
            (Some(Value::Object(declared)), Value::Object(live)) => undeclared(declared, live),
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn declared_is_covered_by_live() {
        for (name, declared, live, expected) in [
            ("undeclared keys are left alone", json!({"a": 1}), json!({"a": 1, "b": 2}), true),
            ("at any depth", json!({"a": {"b": 1}}), json!({"a": {"b": 1.0, "c": 0}}), true),
            ("a missing key", json!({"a": 1}), json!({}), false),
            ("declared null matches absent", json!({"a": null}), json!({}), true),
            ("declared null matches null", json!({"a": null}), json!({"a": null}), true),
            ("declared null against a value", json!({"a": null}), json!({"a": 0}), false),
            ("lists match in pairs", json!([{"a": 1}]), json!([{"a": 1, "b": 2}]), true),
            ("lists have one length", json!([1]), json!([1, 2]), false),
            ("lists have an order", json!([1, 2]), json!([2, 1]), false),
            ("an object of nulls is a key", json!({"a": {"b": null}}), json!({}), false),
            ("and null is no object", json!({"a": {"b": null}}), json!({"a": null}), false),
            ("a boolean is not a number", json!(true), json!(1), false),
            ("a string is not a number", json!("1"), json!(1), false),
            ("an object is not a list", json!({}), json!([]), false),
            ("an empty object is covered", json!({}), json!({"a": 1}), true),
        ] {
            assert_eq!(covers(&declared, Some(&live)), expected, "{name}");
        }
    }

    #[test]
    fn changes_are_leaves() {
        let declared = json!({
            "a": {"b": 1, "c": 2, "l": [1, 2]}, "d": {"e": 1}, "n": {"o": {"p": null}}, "same": 1,
        });
        let live = json!({"a": {"b": 1, "c": 3, "l": [1]}, "same": 1.0});
        let mut found = Vec::new();
        changes("config", &declared, Some(&live), &mut found);
        let found: Vec<_> =
            found.into_iter().map(|change| (change.path, change.before, change.after)).collect();
        assert_eq!(
            found,
            [
                ("config.a.c".to_owned(), json!(3), json!(2)),
                ("config.a.l".to_owned(), json!([1]), json!([1, 2])),
                ("config.d.e".to_owned(), Value::Null, json!(1)),
                ("config.n.o".to_owned(), Value::Null, json!({"p": null})),
            ]
        );
    }

    #[test]
    fn declared_wins_in_the_merge() {
        let live = object(json!({"a": {"x": 1, "y": [1, 2]}, "b": 1, "c": {"z": 1}}));
        let declared = object(json!({"a": {"y": [3], "n": null}, "c": 5, "d": {"q": 1}}));
        let merged =
            object(json!({"a": {"x": 1, "y": [3], "n": null}, "b": 1, "c": 5, "d": {"q": 1}}));
        assert_eq!(merge(&live, &declared), merged);
        assert!(covers(&Value::Object(declared), Some(&Value::Object(merged))));
    }

    #[test]
    fn undeclared_keys_are_counted_at_any_depth() {
        let declared = object(json!({"a": {"x": 1}, "l": [1]}));
        let live = object(json!({"a": {"x": 2, "y": 3}, "l": [{"q": 1}], "b": {"c": 1, "d": 2}}));
        assert_eq!(undeclared(&declared, &live), 2);
    }
}
