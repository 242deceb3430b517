//! Files of specs.

use inferencekey_core::read_specs;
use napi_derive::napi;

use crate::{Result, text, thrown};

/// The specs of a file's bytes, as JSON (`docs/c-api.md`, "Spec files").
#[napi]
pub fn read_spec_file(file: &[u8], options: String) -> Result<String> {
    read_specs(file, options.as_bytes()).map(text).map_err(|error| thrown(&error))
}
