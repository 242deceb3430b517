//! The local checks of a spec's fields (wire.md 1.4).

use serde_json::{Map, Value};

use super::enums;
use crate::config::arguments;
use crate::error::{Error, code};
use crate::secret::{PREFIXES, Secret, starts};

/// A string that is there and not blank; verbatim, not trimmed.
pub(super) fn required(spec: &Map<String, Value>, field: &str) -> Result<String, Error> {
    arguments::string(spec, field)?.filter(|text| !text.trim().is_empty()).ok_or_else(|| {
        Error::invalid(field, format!("`{field}` is missing or blank"))
            .hint("a spec needs `name`, `slug`, `model` and `backend`")
    })
}

/// A value of a closed enum, if set.
pub(super) fn one_of(
    spec: &Map<String, Value>,
    field: &str,
    allowed: &[&str],
) -> Result<Option<String>, Error> {
    let value = arguments::string(spec, field)?;
    if let Some(text) = &value {
        enums::check(field, text, allowed)?;
    }
    Ok(value)
}

/// `config` with `command` and `vllm_version` inside it; none of them may say two things at once.
pub(super) fn merged_config(
    spec: &Map<String, Value>,
) -> Result<Option<Map<String, Value>>, Error> {
    let mut config = arguments::object(spec, "config")?;
    for field in ["command", "vllm_version"] {
        let Some(text) = arguments::string(spec, field)? else { continue };
        let entries = config.get_or_insert_default();
        let value = Value::String(text);
        // Null too is another value: it would ask the engine to go without.
        if entries.get(field).is_some_and(|inside| *inside != value) {
            let words = format!("`{field}` and `config.{field}` are set to different values");
            return Err(Error::invalid(field, words).hint(format!("remove `config.{field}`")));
        }
        entries.insert(field.to_owned(), value);
    }
    Ok(config)
}

/// Refuses a spec with a token anywhere in a string or key: the platform stores and shows specs.
pub(super) fn no_secret(spec: &Value, own_token: &Secret) -> Result<(), Error> {
    match path_of_secret(spec, own_token) {
        None => Ok(()),
        Some(path) => {
            let path = path.strip_prefix('.').unwrap_or("spec");
            let words = format!("`{path}` holds a token, and a spec is stored and shown as it is");
            Err(Error::configuration(code::SECRET_IN_SPEC, words)
                .at(path)
                .hint("take the token out of the spec; if it was sent anywhere, revoke it"))
        }
    }
}

/// Where below `value` a token stands: `.config.stops[1]`, put together on the way back, since nearly every spec is free of
/// them. One in a key is reported at the object around it, since the path would repeat it.
fn path_of_secret(value: &Value, own_token: &Secret) -> Option<String> {
    match value {
        Value::String(text) => holds(text, own_token).then(String::new),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            path_of_secret(item, own_token).map(|below| format!("[{index}]{below}"))
        }),
        Value::Object(entries) => entries.iter().find_map(|(key, inner)| {
            if holds(key, own_token) {
                return Some(String::new());
            }
            path_of_secret(inner, own_token).map(|below| format!(".{key}{below}"))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// A token, or the client's own.
fn holds(text: &str, own_token: &Secret) -> bool {
    holds_token(text) || !own_token.places(text.as_bytes()).is_empty()
}

/// A token's prefix with an alphanumeric right after it and none right before it.
pub(crate) fn holds_token(text: &str) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    PREFIXES.iter().any(|prefix| {
        starts(bytes, prefix.as_bytes()).into_iter().any(|start| {
            alphanumeric(Some(start + prefix.len())) && !alphanumeric(start.checked_sub(1))
        })
    })
}
