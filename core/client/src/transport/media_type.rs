//! What a good answer says it is.

use http::HeaderMap;

/// The media type of an answer as it came, without parameters; `None` if it says none.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    (!essence.is_empty()).then_some(essence)
}

/// Is the answer an event stream? One that does not say what it is counts as what was asked for.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers)
        .is_none_or(|media_type| media_type.eq_ignore_ascii_case("text/event-stream"))
}
