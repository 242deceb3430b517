//! From an error answer to an [`Error`] (wire.md 5.3 to 5.5).

use std::time::SystemTime;

use http::HeaderMap;
use serde_json::Value;

use super::Error;
use crate::config::Plane;
use crate::secret::Secret;

/// Where an error object stood that came without an error status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Inside a 200: code `http_error`.
    Answer,
    /// In a frame of a stream: code `stream_error`.
    Frame,
}

/// The error that an answer with an error status stands for. `now` is wall-clock time, for `retry-after` dates.
pub(crate) fn from_response(
    plane: Plane,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[&Secret],
    now: SystemTime,
) -> Error {
    unimplemented!("{plane:?} {status} {headers:?} {body:?} {secrets:?} {now:?}")
}

/// The `ApiError` of an error object inside a good answer or a frame; `None` if `value` is none.
pub(crate) fn in_body(value: &Value, place: Place, secrets: &[&Secret]) -> Option<Error> {
    unimplemented!("{value:?} {place:?} {secrets:?}")
}

/// The `ApiError stream_error` of an `event: error` frame, whatever its data look like.
pub(crate) fn from_frame(data: &str, secrets: &[&Secret]) -> Error {
    unimplemented!("{data} {secrets:?}")
}
