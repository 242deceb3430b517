//! What an HTTP/1.1 answer may not be, beyond what hyper refuses itself: limits (faults.md 1.2) and framing that two
//! readers could understand differently. A connection with such an answer is never used again.

use std::io;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::ext::ReasonPhrase;

use super::traffic::{MOST_INTERIM, Traffic};
use crate::error::{Class, Error, Stage, code};

/// Limit `response_head`. hyper looks at it after each read, so it lets pass a head that is larger by less than a read.
pub(super) const RESPONSE_HEAD_BYTES: usize = 256 * 1024;
/// Limit `header_lines`.
pub(super) const HEADER_LINES: usize = 200;

/// Refuses a head that hyper lets pass.
pub(super) fn check<B>(response: &http::Response<B>, traffic: &Traffic) -> Result<(), Error> {
    if traffic.too_many_interim() {
        return Err(too_many_interim());
    }
    if head_bytes(response) > RESPONSE_HEAD_BYTES {
        return Err(too_large_head());
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(broken("the server switched to a protocol that was not asked for"));
    }
    let headers = response.headers();
    match transfer_coding(headers) {
        None => Ok(()),
        Some(coding) if !coding.eq_ignore_ascii_case("chunked") => {
            Err(broken(&format!("the answer has the transfer coding `{coding}`, not `chunked`")))
        }
        Some(_) if headers.contains_key(CONTENT_LENGTH) => {
            Err(broken("the answer has both a length and chunks"))
        }
        Some(_) => Ok(()),
    }
}

/// The head's length as most servers write it: one blank behind a colon, none in front of a line's end.
fn head_bytes<B>(response: &http::Response<B>) -> usize {
    let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let reason = response.extensions().get::<ReasonPhrase>().map(|reason| reason.as_bytes().len());
    let canonical = || response.status().canonical_reason().map_or(0, str::len);
    let status_line = "HTTP/1.1 200 \r\n".len() + reason.unwrap_or_else(canonical);
    status_line + response.headers().iter().map(line).sum::<usize>() + 2
}

fn transfer_coding(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(TRANSFER_ENCODING);
    let lines = lines.iter().map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
    lines.reduce(|all, line| format!("{all}, {line}"))
}

/// hyper has one error for too many bytes and for too many lines.
pub(super) fn too_large(traffic: &Traffic) -> Error {
    if traffic.since_asked() < RESPONSE_HEAD_BYTES as u64 {
        return Error::limit("header_lines", &format!("more than {HEADER_LINES} header lines"));
    }
    too_large_head()
}

fn too_large_head() -> Error {
    Error::limit("response_head", "the response head is larger than 256 KiB")
}

pub(super) fn too_many_interim() -> Error {
    let words = format!("more than {MOST_INTERIM} interim (1xx) responses");
    Error::limit("interim_responses", &words)
}

/// A chunk that hyper cannot read; what it says about a size line that is too long is in its words alone.
pub(super) fn of_chunk(error: &io::Error) -> Error {
    let words = format!("the answer's framing is broken: {error}");
    match error.to_string().as_str() {
        "invalid chunk size: overflow" | "chunk extensions over limit" => {
            Error::limit("chunk_size_line", &words)
        }
        _ => broken(&words),
    }
}

pub(super) fn broken(words: &str) -> Error {
    Error::new(Class::ProtocolError, code::PROTOCOL_ERROR, words).stage(Stage::Cut)
}
