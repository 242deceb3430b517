//! Reading response bodies whole, within limits (faults.md 1.2), and looking at how they begin.

use std::ops::Range;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use super::clocks::timeout;
use super::sse::BOM;
use super::wire::{Body, BodyRead};
use crate::driver::{Deadline, give_way, within};
use crate::error::{Error, Stage, code};
use crate::memory::{append, room_for_values};

/// Limit `success_body`.
const SUCCESS_BYTES: usize = 256 * 1024 * 1024;
/// Limit `error_body`: what is beyond it is not read.
const ERROR_BYTES: usize = 64 * 1024;
/// An error status says enough by itself; its text is not worth a longer wait.
const ERROR_TEXT_WAIT: Duration = Duration::from_secs(5);

const WHAT: &str = "the answer";

/// Refuses a body by the length that it is said to have.
pub(crate) fn refuse_large(headers: &HeaderMap) -> Result<(), Error> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    match length.is_some_and(|length: usize| length > SUCCESS_BYTES) {
        true => Err(too_large()),
        false => Ok(()),
    }
}

/// Takes out of a body, as it arrives, what its reader will not need.
pub(crate) trait Sieve: Send {
    /// A body begins.
    fn begin(&mut self);

    /// `text` is what is left of the body so far, with new bytes at its end.
    fn pass(&mut self, text: &mut Vec<u8>);
}

/// Closes up around the ranges, which come in order; how many bytes that took out.
pub(crate) fn take_out(text: &mut Vec<u8>, ranges: &[Range<usize>]) -> usize {
    let Some(first) = ranges.first() else { return 0 };
    let mut end = first.start;
    for (index, range) in ranges.iter().enumerate() {
        let next = ranges.get(index + 1).map_or(text.len(), |next| next.start);
        text.copy_within(range.end..next, end);
        end += next - range.end;
    }
    let taken = text.len() - end;
    text.truncate(end);
    taken
}

/// Takes nothing out.
pub(crate) struct Open;

impl Sieve for Open {
    fn begin(&mut self) {}
    fn pass(&mut self, _: &mut Vec<u8>) {}
}

/// The whole body, but for what `sieve` takes out. `idle`: longest silence between its pieces.
pub(crate) async fn whole(
    body: &mut Body,
    sieve: &mut dyn Sieve,
    idle: Option<Duration>,
) -> Result<Bytes, Error> {
    let mut first = Bytes::new();
    let mut joined = Vec::new();
    let mut arrived = 0;
    sieve.begin();
    while let Some(piece) = next_in_time(body, idle).await? {
        arrived += piece.len();
        if first.is_empty() && joined.is_empty() {
            first = piece;
            continue;
        }
        if joined.is_empty() {
            append(&mut joined, &first, WHAT)?;
            first = Bytes::new();
        }
        append(&mut joined, &piece, WHAT)?;
        sieve.pass(&mut joined);
        if arrived > SUCCESS_BYTES {
            return Err(too_large());
        }
    }
    room_for_values(&joined, WHAT)?;
    Ok(without_bom(if joined.is_empty() { first } else { joined.into() }))
}

/// JSON has none in front (RFC 8259, 8.1), but some servers write one, and a stream may have it as well.
fn without_bom(body: Bytes) -> Bytes {
    if body.starts_with(BOM) { body.slice(BOM.len()..) } else { body }
}

/// `body` without blanks at its beginning, and its first byte. Waits for that byte.
pub(crate) async fn peek(mut body: Body) -> (Body, Option<u8>) {
    loop {
        let piece = body.next().await;
        let seen = match &piece {
            Some(Ok(piece)) => piece.iter().copied().find(|byte| !byte.is_ascii_whitespace()),
            _ => None,
        };
        if seen.is_none() && matches!(piece, Some(Ok(_))) {
            give_way().await;
            continue;
        }
        return (Box::new(Peeked { first: Some(piece), rest: body }), seen);
    }
}

/// A body whose first piece has been looked at.
struct Peeked {
    first: Option<Option<Result<Bytes, Error>>>,
    rest: Body,
}

impl BodyRead for Peeked {
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(first),
            None => self.rest.poll_bytes(context),
        }
    }

    fn let_go(self: Box<Self>) {
        self.rest.let_go();
    }
}

async fn next_in_time(body: &mut Body, idle: Option<Duration>) -> Result<Option<Bytes>, Error> {
    match within(Deadline::after(idle), pin!(body.next())).await {
        Ok(piece) => piece.transpose(),
        Err(_) => Err(too_quiet(idle)),
    }
}

/// Silence in an answer that has begun.
pub(crate) fn too_quiet(idle: Option<Duration>) -> Error {
    timeout("idle", code::TIMEOUT_IDLE, "no further byte of the answer", idle).stage(Stage::Cut)
}

/// The beginning of an error answer's body; what is missing because of a cut or a limit is left out.
pub(crate) async fn error_text(body: &mut Body) -> Vec<u8> {
    let mut text = Vec::new();
    let deadline = Deadline::after(Some(ERROR_TEXT_WAIT));
    while text.len() < ERROR_BYTES {
        match within(deadline, pin!(body.next())).await {
            Ok(Some(Ok(piece))) => text.extend_from_slice(&piece),
            _ => break,
        }
    }
    text.truncate(ERROR_BYTES);
    text
}

fn too_large() -> Error {
    Error::limit("success_body", "the answer is larger than 256 MiB")
}
