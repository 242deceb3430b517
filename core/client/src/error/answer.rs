//! From an error answer to an [`Error`]: class, code, words and attributes (wire.md 5.3 to 5.5).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::body::{self, Said};
use super::redact::mask;
use super::text::{cut, one_line};
use super::{Class, Error, Stage, code};
use crate::config::Plane;
use crate::error::pushback::{Pushback, pushback};
use crate::json;
use crate::secret::{Kind, Secret};

/// Bytes of an error body that are read; the rest is never asked for (faults.md 1.2).
pub(crate) const BODY_LIMIT: usize = 64 * 1024;

/// The headers that may bring the request id; the first that is there counts.
const REQUEST_ID: [HeaderName; 2] =
    [HeaderName::from_static("x-request-id"), HeaderName::from_static("request-id")];

/// Bytes of the server's code and request id that are kept.
const NAME_LIMIT: usize = 256;

/// Codes by which the data plane says that the endpoint will answer soon (wire.md 5.5).
const WARMING: [&str; 4] = ["model_loading", "warming", "cold_start", "scaled_to_zero"];

/// The code by which an engine says that its model does something else.
const WRONG_TASK: &str = "wrong_task";

/// The codes of a 403 that keep their name, and what they mean where the server says no more.
const FORBIDDEN: [(&str, &str); 3] = [
    (code::WRONG_CREDENTIAL_TYPE, "this kind of token is not accepted here"),
    (code::PROJECT_SCOPE_MISMATCH, "the token belongs to another project"),
    (code::SCOPE_INSUFFICIENT, "the token lacks the scope for this"),
];

/// Where an error object stood that came without an error status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Inside a 200: code `http_error`.
    Answer,
    /// In a frame of a stream: code `stream_error`.
    Frame,
}

/// The error that an answer with an error status stands for. `now` is wall-clock time, for `retry-after` dates.
///
/// Host, operation and attempts are the transport's to fill in.
pub(crate) fn from_response(
    plane: Plane,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[&Secret],
    now: SystemTime,
) -> Error {
    let text = mask(&String::from_utf8_lossy(&body[..body.len().min(BODY_LIMIT)]), secrets);
    let said = body::read(&text).map(|text| mask(text, secrets));
    let pushback = pushback(headers, now);
    let (class, code) = class_of(plane, status, said.code.as_deref(), pushback);
    let api_code = said.code.as_deref();
    let hint = hint(plane, status, code, api_code, pushback, secrets);
    let words = words(&said, status);
    let mut error = Error::new(class, code, words).stage(Stage::Answered);
    error.status = Some(status);
    // A workload that has failed stays so until somebody acts.
    error.retryable =
        matches!(status, 408 | 429 | 502 | 503 | 504) && api_code != Some(code::WORKLOAD_FAILED);
    error.retry_after = match pushback {
        Pushback::After(wait) => Some(wait.as_secs_f64()),
        Pushback::Unreadable | Pushback::Absent => None,
    };
    error.pushback = pushback;
    error.request_id = request_id(headers, secrets);
    error.hint = hint;
    error.api_code = said.code.as_deref().map(name);
    error.field = said.param.as_deref().map(name);
    error.body = (!text.is_empty()).then(|| cut(&text, BODY_LIMIT));
    error
}

/// The `ApiError` of an error object inside a good answer or a frame; `None` if `value` is none.
pub(crate) fn in_body(value: &Value, place: Place, secrets: &[&Secret]) -> Option<Error> {
    let Value::Object(entries) = value else { return None };
    body::is_error_object(entries).then(|| without_status(&value.to_string(), place, secrets))
}

/// The `ApiError` of an answer with a good status that is an error object all the same.
pub(crate) fn error_object(headers: &HeaderMap, body: &[u8], secrets: &[&Secret]) -> Option<Error> {
    let value = serde_json::from_slice(body).ok()?;
    let mut error = in_body(&value, Place::Answer, secrets)?.stage(Stage::Answered);
    error.request_id = request_id(headers, secrets);
    Some(error)
}

/// The `ApiError stream_error` of an `event: error` frame, whatever its data look like.
pub(crate) fn from_frame(data: &str, secrets: &[&Secret]) -> Error {
    without_status(data, Place::Frame, secrets)
}

/// A frame or an answer of a good response: its status is 200 and says nothing.
fn without_status(text: &str, place: Place, secrets: &[&Secret]) -> Error {
    let text = mask(text, secrets);
    let said = body::read(&text).map(|text| mask(text, secrets));
    let code = match place {
        Place::Answer => code::HTTP_ERROR,
        Place::Frame => code::STREAM_ERROR,
    };
    let words = said.message.or_else(|| said.code.clone());
    let words = words.unwrap_or_else(|| "the server reported an error without words".to_owned());
    let mut error = Error::new(Class::ApiError, code, words);
    error.status = Some(200);
    error.api_code = said.code.as_deref().map(name);
    error.body = (!text.is_empty()).then(|| cut(&text, BODY_LIMIT));
    error
}

/// `ProtocolError`: the body of a good answer is not what the wire says. `words` tell what is wrong with it, and may
/// quote it.
pub(crate) fn unreadable(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[&Secret],
    words: &str,
) -> Error {
    let text = mask(&String::from_utf8_lossy(&body[..body.len().min(BODY_LIMIT)]), secrets);
    let words = mask(words, secrets);
    let mut error = match std::str::from_utf8(body).is_ok_and(json::too_deep) {
        true => Error::limit("json_depth", &words),
        false => Error::new(Class::ProtocolError, code::PROTOCOL_ERROR, words),
    };
    error.status = Some(status);
    error.request_id = request_id(headers, secrets);
    error.body = (!text.is_empty()).then(|| cut(&text, BODY_LIMIT));
    error.stage(Stage::Answered)
}

/// The first columns of wire.md 5.5.
fn class_of(
    plane: Plane,
    status: u16,
    api_code: Option<&str>,
    pushback: Pushback,
) -> (Class, &'static str) {
    match status {
        400 => (Class::ValidationError, code::BAD_REQUEST),
        401 => (Class::AuthError, code::UNAUTHORIZED),
        403 => (Class::PermissionDenied, forbidden(api_code)),
        404 => (Class::NotFound, code::NOT_FOUND),
        409 | 412 => (Class::Conflict, code::CONFLICT),
        429 => (Class::RateLimited, code::RATE_LIMITED),
        503 if plane == Plane::Data && is_warming(api_code, pushback) => {
            (Class::EndpointWarming, code::ENDPOINT_WARMING)
        }
        500..=599 => (Class::ServerError, code::SERVER_ERROR),
        _ => (Class::ApiError, code::HTTP_ERROR),
    }
}

fn is_warming(api_code: Option<&str>, pushback: Pushback) -> bool {
    pushback != Pushback::Absent || api_code.is_some_and(|code| WARMING.contains(&code))
}

fn forbidden(api_code: Option<&str>) -> &'static str {
    let listed = FORBIDDEN.iter().find(|(code, _)| Some(*code) == api_code);
    listed.map_or(code::FORBIDDEN, |(code, _)| code)
}

/// The server's words, else what its code means, else the status.
fn words(said: &Said, status: u16) -> String {
    let meaning = |code: &String| {
        let known = FORBIDDEN.iter().find(|(known, _)| known == code);
        known.map_or_else(|| code.clone(), |(_, meaning)| (*meaning).to_owned())
    };
    said.message
        .clone()
        .or_else(|| said.code.as_ref().map(meaning))
        .unwrap_or_else(|| format!("HTTP {status}"))
}

/// The header that brings the request id.
pub(crate) fn request_id_header(headers: &HeaderMap) -> Option<&HeaderValue> {
    REQUEST_ID.iter().find_map(|name| headers.get(name))
}

/// The id of the request, as the answer's headers tell it.
pub(crate) fn request_id(headers: &HeaderMap, secrets: &[&Secret]) -> Option<String> {
    shown_id(request_id_header(headers)?, secrets)
}

/// What an error shows of the header.
pub(crate) fn shown_id(header: &HeaderValue, secrets: &[&Secret]) -> Option<String> {
    let id = String::from_utf8_lossy(header.as_bytes());
    Some(name(&mask(&id, secrets))).filter(|id| !id.is_empty())
}

/// A short text from the server that is an attribute of its own.
fn name(text: &str) -> String {
    cut(&one_line(text), NAME_LIMIT)
}

/// What to do next, where the status tells.
fn hint(
    plane: Plane,
    status: u16,
    code: &str,
    api_code: Option<&str>,
    pushback: Pushback,
    secrets: &[&Secret],
) -> Option<String> {
    let token = token_name(plane);
    let hint = match (status, code) {
        (400, _) if plane == Plane::Data && api_code == Some(WRONG_TASK) => {
            "`embed` needs a workload with the task type `embedding`, `generate_text` one that chats"
                .to_owned()
        }
        (401, _) => unauthorized(plane, secrets),
        (_, code::WRONG_CREDENTIAL_TYPE) => match plane {
            Plane::Control => "give a control token (`ik_sdk_…`)".to_owned(),
            Plane::Data => "give a data key (`ik_live_…`)".to_owned(),
        },
        (_, code::PROJECT_SCOPE_MISMATCH) => {
            format!("give the `project` that `{token}` was made for, or a token of this project")
        }
        (_, code::SCOPE_INSUFFICIENT) => match plane {
            Plane::Control => {
                "create a token with `workload:write` (to change) or `workload:read` (to look)"
                    .to_owned()
            }
            Plane::Data => "give a data key that is granted this workload".to_owned(),
        },
        (403, _) => format!("check what `{token}` may do, and that it is not revoked"),
        (404, _) if plane == Plane::Data => "check `project` and `workload_slug`".to_owned(),
        (_, code::ENDPOINT_WARMING) => {
            "wait for the workload with `wait_until_ready`, or raise `cold_start`".to_owned()
        }
        (503, _) if plane == Plane::Data && api_code == Some(code::WORKLOAD_FAILED) => {
            "`wait_until_ready` tells why it failed; mend the spec and `ensure` it again".to_owned()
        }
        (429 | 503, _) => match pushback {
            Pushback::After(wait) => format!("try again in {} s", seconds_up(wait)),
            Pushback::Unreadable | Pushback::Absent => return None,
        },
        _ => return None,
    };
    Some(hint)
}

/// What to do about a 401: a token of another form than the platform issues was most likely not copied from it.
fn unauthorized(plane: Plane, secrets: &[&Secret]) -> String {
    let token = token_name(plane);
    let (own, prefix) = match plane {
        Plane::Control => (Kind::Control, "ik_sdk_…"),
        Plane::Data => (Kind::Data, "ik_live_…"),
    };
    let form = match secrets.iter().all(|secret| secret.kind() == own) {
        true => String::new(),
        false => format!("; expected `{prefix}`"),
    };
    format!("check `{token}`: it may be mistyped or revoked{form}")
}

/// The argument that brings this plane's token.
fn token_name(plane: Plane) -> &'static str {
    match plane {
        Plane::Control => "sdk_token",
        Plane::Data => "api_key",
    }
}

/// Whole seconds, rounded up.
fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
