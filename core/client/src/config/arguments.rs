//! JSON arguments from a binding: objects with known keys, where null is the same as absent.

use serde_json::{Map, Value};

use crate::error::Error;

/// Reads one JSON object. `ValidationError` names the place: not JSON, not an object, nested deeper than 128.
pub(crate) fn parse(text: &[u8]) -> Result<Map<String, Value>, Error> {
    unimplemented!("{text:?}")
}

/// Refuses every key that is not in `known`, naming the first and the nearest known one.
pub(crate) fn refuse_unknown(arguments: &Map<String, Value>, known: &[&str]) -> Result<(), Error> {
    unimplemented!("{arguments:?} {known:?}")
}

/// The string under `key`; `None` if absent or null.
pub(crate) fn string(arguments: &Map<String, Value>, key: &str) -> Result<Option<String>, Error> {
    unimplemented!("{arguments:?} {key:?}")
}
