//! A good status whose answer is not what the wire says.

use http::HeaderMap;

use crate::error::{Class, Error, Stage, code};

/// `ProtocolError` about the body of a 2xx; `words` say what is wrong with it.
pub(crate) fn unreadable(status: u16, headers: &HeaderMap, words: impl Into<String>) -> Error {
    let mut error = Error::new(Class::ProtocolError, code::PROTOCOL_ERROR, words);
    error.status = Some(status);
    error.request_id = ["x-request-id", "request-id"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok().map(str::to_owned));
    error.stage(Stage::Answered)
}
