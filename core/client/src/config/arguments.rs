//! JSON arguments from a binding: objects with known keys, where null is the same as absent.
//!
//! Every refusal is a `ValidationError` that names the argument.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::depth::too_deep_at;
use crate::error::Error;
use crate::json::MAX_DEPTH;
use crate::memory::room_for_values;
use crate::spec::enums::nearest;

/// Reads one JSON object whose values are nested at most 128 deep each.
pub(crate) fn parse(text: &[u8]) -> Result<Map<String, Value>, Error> {
    // One level more, because an argument such as `spec` stands inside the object of arguments.
    if let Some(path) = too_deep_at(text, MAX_DEPTH + 1) {
        let words = format!("`{path}` is nested deeper than {MAX_DEPTH} levels");
        return Err(Error::invalid(path, words).hint("flatten the value, or break its cycle"));
    }
    room_for_values(text, "the request")?;
    let mut reader = serde_json::Deserializer::from_slice(text);
    // The depth is checked above; serde_json's own limit is lower than ours and names no path.
    reader.disable_recursion_limit();
    let read = Value::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match read {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(other) => Err(wrong_type("arguments", "a JSON object", &other)),
        Err(error) => {
            Err(Error::invalid("arguments", format!("the arguments are not JSON: {error}")))
        }
    }
}

/// Refuses every key that is not in `known`, naming the first such key and the nearest known one.
pub(crate) fn refuse_unknown(arguments: &Map<String, Value>, known: &[&str]) -> Result<(), Error> {
    let Some(key) = arguments.keys().find(|key| !known.contains(&key.as_str())) else {
        return Ok(());
    };
    let words = format!("`{key}` is not known here; known: `{}`", known.join("`, `"));
    let hint = match nearest(key, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("remove `{key}`"),
    };
    Err(Error::invalid(key, words).hint(hint))
}

/// What stands under `key`; `None` if absent or null.
pub(crate) fn value<'a>(arguments: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    arguments.get(key).filter(|value| !value.is_null())
}

/// The string under `key`; `None` if absent or null.
pub(crate) fn string(arguments: &Map<String, Value>, key: &str) -> Result<Option<String>, Error> {
    match value(arguments, key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong_type(key, "a string", other)),
    }
}

/// The boolean under `key`; `None` if absent or null.
pub(crate) fn boolean(arguments: &Map<String, Value>, key: &str) -> Result<Option<bool>, Error> {
    match value(arguments, key) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(wrong_type(key, "true or false", other)),
    }
}

/// The object under `key`; `None` if absent or null.
pub(crate) fn object(
    arguments: &Map<String, Value>,
    key: &str,
) -> Result<Option<Map<String, Value>>, Error> {
    match value(arguments, key) {
        None => Ok(None),
        Some(Value::Object(entries)) => Ok(Some(entries.clone())),
        Some(other) => Err(wrong_type(key, "an object", other)),
    }
}

/// `field` has the wrong JSON type. The value is not shown: it may be anything.
pub(crate) fn wrong_type(field: &str, expected: &str, found: &Value) -> Error {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Error::invalid(field, format!("`{field}` must be {expected}, not {found}"))
}

/// Cuts spaces, tabs, CR and LF at both ends (wire.md 1.1); `None` if nothing is left.
pub(crate) fn trimmed(text: &str) -> Option<&str> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_one_json_object() {
        for (text, words) in [
            ("[]", "`arguments` must be a JSON object, not a list"),
            ("{}{}", "the arguments are not JSON: trailing characters at line 1 column 3"),
            ("{\"a\":NaN}", "the arguments are not JSON: expected value at line 1 column 6"),
        ] {
            let error = parse(text.as_bytes()).expect_err(text);
            assert_eq!(error.words, words);
            assert_eq!(error.field.as_deref(), Some("arguments"));
        }
    }

    #[test]
    fn an_argument_may_be_128_levels_deep() {
        let nested = |depth: usize| {
            format!("{{\"spec\":{{\"config\":{}{}}}}}", "[".repeat(depth), "]".repeat(depth))
        };
        assert!(parse(nested(MAX_DEPTH - 1).as_bytes()).is_ok());
        let error = parse(nested(MAX_DEPTH).as_bytes()).expect_err("too deep");
        assert!(error.field.as_deref().is_some_and(|field| field.starts_with("config[0][0]")));
        assert!(parse(nested(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_known_one() {
        let arguments = json!({"retires": 1});
        let arguments = arguments.as_object().expect("an object");
        let error = refuse_unknown(arguments, &["retries", "timeout_ms"]).expect_err("unknown");
        assert_eq!(error.field.as_deref(), Some("retires"));
        assert_eq!(error.words, "`retires` is not known here; known: `retries`, `timeout_ms`");
        assert_eq!(error.hint.as_deref(), Some("did you mean `retries`?"));
    }

    #[test]
    fn null_is_absent_and_another_type_is_refused() {
        let arguments = json!({"none": null, "text": "x", "number": 1});
        let arguments = arguments.as_object().expect("an object");
        assert_eq!(string(arguments, "none").expect("null"), None);
        assert_eq!(string(arguments, "absent").expect("absent"), None);
        assert_eq!(string(arguments, "text").expect("text").as_deref(), Some("x"));
        let error = string(arguments, "number").expect_err("a number");
        assert_eq!(error.words, "`number` must be a string, not a number");
    }
}
