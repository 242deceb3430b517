//! The core as Node.js sees it: handles, JSON in, JSON out, and one wake-up per burst of events. No rule stands here.

mod client;
mod note;
mod port;
mod spec_file;

use inferencekey_core::Error;

/// Version of the core.
#[napi_derive::napi]
pub fn version() -> &'static str {
    inferencekey_core::VERSION
}

/// How JavaScript knows an error of the core from one of the addon's own: by `code`. Its message is the error as JSON.
const CORE_ERROR: &str = "IKEY";

/// Node.js refused something that it should not.
const ADDON_ERROR: &str = "IKEY_ADDON";

type Result<T> = std::result::Result<T, napi::Error<&'static str>>;

fn thrown(error: &Error) -> napi::Error<&'static str> {
    napi::Error::new(CORE_ERROR, text(error.to_json()))
}

/// What the core gives as JSON is UTF-8.
fn text(json: Vec<u8>) -> String {
    String::from_utf8(json)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
