//! Errors: why a call failed. Independent of every other handle, and readable on any thread.
//!
//! - a negative status stores one in *err, ikey_event_error gives one
//!   - ikey_error_code: what to branch on
//!   - ikey_error_json: everything about it (docs/c-api.md, "Errors")
//! - ikey_error_free

use std::mem::MaybeUninit;

use inferencekey_core::Error;
use serde_json::json;

use crate::guard::{Failure, guard_free, guard_status};
use crate::handle;
use crate::memory::output;
use crate::status::{IKEY_OK, ikey_status};
use crate::types::ikey_error;

/// An error's texts, made once, so that views stay where they are.
pub(crate) struct ErrorText {
    code: &'static str,
    json: Vec<u8>,
}

impl ErrorText {
    /// Describes why the export `function` failed.
    pub(crate) fn new(function: &'static str, failure: &Failure) -> Self {
        let (class, code) = failure.class();
        match failure {
            Failure::Core(error) | Failure::Panic(error) => Self::of(error),
            Failure::Call { field, words, .. } => {
                let json = refusal(class.name(), code, format!("{function}: {words}"), field);
                Self { code, json }
            }
        }
    }

    /// Describes an error of the core.
    pub(crate) fn of(error: &Error) -> Self {
        Self { code: error.code, json: error.to_json() }
    }
}

/// An error of the ABI itself, with the same keys as those of the core.
fn refusal(class: &str, code: &str, message: String, field: &str) -> Vec<u8> {
    json!({
        "class": class, "code": code, "message": message, "api_code": null, "status": null, "attempts": null,
        "request_id": null, "retryable": false, "retry_after": null, "body": null, "host": null,
        "operation": null, "field": field, "hint": null,
    })
    .to_string()
    .into_bytes()
}

/// Gives the code of an error as text, for example not_found: the same in every language (docs/c-api.md, "Errors").
/// IKEY_OK: *bytes and *length are a view into error.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_error_code(
    error: *const ikey_error,
    bytes: Option<&mut MaybeUninit<*const u8>>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ikey_status {
    view(error, bytes, length, |error| error.code.as_bytes())
}

/// Gives everything about an error as a JSON object: class, code, message, status, hint and more (docs/c-api.md, "Errors").
/// IKEY_OK: *bytes and *length are a view into error.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_error_json(
    error: *const ikey_error,
    bytes: Option<&mut MaybeUninit<*const u8>>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ikey_status {
    view(error, bytes, length, |error| &error.json)
}

/// Frees an error.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_error_free(error: *mut ikey_error) -> ikey_status {
    guard_free::<ErrorText>(error, "error")
}

fn view(
    error: *const ikey_error,
    bytes: Option<&mut MaybeUninit<*const u8>>,
    length: Option<&mut MaybeUninit<usize>>,
    part: impl FnOnce(&ErrorText) -> &[u8],
) -> ikey_status {
    guard_status(|| {
        let error = handle::take::<ErrorText>(error, "error")?;
        let (bytes, length) = (output(bytes, "bytes")?, output(length, "length")?);
        let part = part(&error);
        bytes.write(part.as_ptr());
        length.write(part.len());
        Ok(IKEY_OK)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::status::IKEY_ERROR_NULL;

    fn json(failure: &Failure) -> Value {
        let text = ErrorText::new("ikey_client_new", failure);
        let json: Value = serde_json::from_slice(&text.json).expect("errors are JSON");
        assert_eq!(json["code"], text.code);
        json
    }

    fn keys(json: &Value) -> Vec<&String> {
        json.as_object().expect("an object").keys().collect()
    }

    #[test]
    fn errors_of_the_abi_have_the_keys_of_the_cores() {
        let core = inferencekey_core::Client::new(b"{}").err().expect("no plane is given");
        let core = json(&Failure::Core(core));
        let call = json(&Failure::null("options"));
        assert_eq!(keys(&call), keys(&core));
        assert_eq!(call["message"], "ikey_client_new: options must not be NULL");
        assert_eq!(call["field"], "options");
        assert_eq!(Failure::null("options").status(), IKEY_ERROR_NULL);
    }
}
