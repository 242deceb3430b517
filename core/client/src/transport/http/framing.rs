//! What an HTTP/1.1 answer may not be, beyond what hyper refuses itself: limits (faults.md 1.2) and framing that two
//! readers could understand differently. A connection with such an answer is never used again.

use std::io;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};

use super::answer::Excess;
use crate::error::{Class, Error, Stage, code};

/// Refuses a head that hyper lets pass.
pub(super) fn check<B>(response: &http::Response<B>) -> Result<(), Error> {
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

fn transfer_coding(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(TRANSFER_ENCODING);
    let lines = lines.iter().map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
    lines.reduce(|all, line| format!("{all}, {line}"))
}

pub(super) fn too_much(excess: Excess) -> Error {
    let (limit, words) = excess.told();
    Error::limit(limit, &words)
}

/// A chunk that hyper cannot read. Its limit for the extensions of all chunks together is told in its words alone.
pub(super) fn of_chunk(error: &io::Error) -> Error {
    let words = format!("the answer's framing is broken: {error}");
    match error.to_string().as_str() {
        "chunk extensions over limit" => Error::limit("chunk_size_line", &words),
        _ => broken(&words),
    }
}

pub(super) fn broken(words: &str) -> Error {
    Error::new(Class::ProtocolError, code::PROTOCOL_ERROR, words).stage(Stage::Cut)
}
