//! What a good answer says about itself, and the error of one that is not what the wire says.

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

/// The media type of an answer, in lower case and without parameters; `None` if it says none.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    (!essence.is_empty()).then(|| essence.to_ascii_lowercase())
}

/// Is the answer an event stream? One that does not say what it is counts as what was asked for.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).is_none_or(|media_type| media_type == "text/event-stream")
}
