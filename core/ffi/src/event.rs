//! Events: the parts of an operation's result.
//!
//! - ikey_call, ikey_op_next, ikey_queue_take, ikey_client_describe and ikey_spec_file_read give them
//!   - ikey_event_kind: what it brings; ikey_event_tag: which queued operation it belongs to
//!   - ikey_event_head: a small JSON object; ikey_event_raw: the answer's bytes as they arrived
//!   - ikey_event_vectors: rows of numbers
//!   - ikey_event_error: why a queued operation failed
//! - ikey_event_free

use std::mem::MaybeUninit;
use std::sync::Arc;

use inferencekey_core as core;

use crate::error::ErrorText;
use crate::guard::{Failure, Out, guard, guard_free};
use crate::handle;
use crate::memory::output;
use crate::status::{IKEY_ERROR_ARGUMENT, IKEY_OK, ikey_status};
use crate::types::{ikey_error, ikey_event};

/// A stream has begun; the head is {}.
pub const IKEY_EVENT_OPEN: i32 = 1;
/// Results.
pub const IKEY_EVENT_DATA: i32 = 2;
/// ikey_stream: the raw bytes of the results just given.
pub const IKEY_EVENT_RAW: i32 = 3;
/// ikey_stream: their vectors, as double values in memory.
pub const IKEY_EVENT_VECTORS: i32 = 4;
/// ikey_stream: nothing yet; a chance to look at signals.
pub const IKEY_EVENT_TICK: i32 = 5;
/// ikey_queue_take: the operation ended well.
pub const IKEY_EVENT_END: i32 = 6;
/// ikey_queue_take: it failed; see ikey_event_error.
pub const IKEY_EVENT_ERROR: i32 = 7;
/// With the option "notices": what happens on the way, repeats above all.
pub const IKEY_EVENT_NOTICE: i32 = 8;

/// A part of a result, or the end of a queued operation.
pub(crate) struct Event {
    tag: u64,
    content: Content,
}

enum Content {
    Part(core::Event),
    End,
    Error(Arc<ErrorText>),
}

impl Event {
    /// An event of an operation that has no tag.
    pub(crate) fn untagged(part: core::Event) -> Self {
        Self { tag: 0, content: Content::Part(part) }
    }

    /// Results that no operation gave, with `head` alone.
    pub(crate) fn of_head(head: Vec<u8>) -> Self {
        Self::untagged(core::Event {
            kind: core::EventKind::Data,
            head,
            raw: Default::default(),
            vectors: None,
        })
    }

    /// What a queue gave.
    pub(crate) fn taken(taken: core::Taken) -> Self {
        let content = match taken.outcome {
            Ok(Some(part)) => Content::Part(part),
            Ok(None) => Content::End,
            Err(error) => Content::Error(Arc::new(ErrorText::of(&error))),
        };
        Self { tag: taken.tag, content }
    }

    fn kind(&self) -> i32 {
        match &self.content {
            Content::Part(part) => kind(part),
            Content::End => IKEY_EVENT_END,
            Content::Error(_) => IKEY_EVENT_ERROR,
        }
    }

    fn part(&self) -> Option<&core::Event> {
        match &self.content {
            Content::Part(part) => Some(part),
            Content::End | Content::Error(_) => None,
        }
    }

    fn error(&self) -> Option<Arc<ErrorText>> {
        match &self.content {
            Content::Error(error) => Some(Arc::clone(error)),
            Content::Part(_) | Content::End => None,
        }
    }
}

/// The kind that C sees.
pub(crate) fn kind(part: &core::Event) -> i32 {
    match part.kind {
        core::EventKind::Open => IKEY_EVENT_OPEN,
        core::EventKind::Data => IKEY_EVENT_DATA,
        core::EventKind::Notice => IKEY_EVENT_NOTICE,
    }
}

/// Gives what an event brings.
/// IKEY_OK: *kind is one of the IKEY_EVENT_ constants.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_event_kind(
    event: *const ikey_event,
    kind: Option<&mut MaybeUninit<i32>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_event_kind", err, || {
        let event = handle::take::<Event>(event, "event")?;
        output(kind, "kind")?.write(event.kind());
        Ok(IKEY_OK)
    })
}

/// Gives the tag under which the event's operation was submitted to its queue; 0 for events from elsewhere.
/// IKEY_OK: *tag.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_event_tag(
    event: *const ikey_event,
    tag: Option<&mut MaybeUninit<u64>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_event_tag", err, || {
        let event = handle::take::<Event>(event, "event")?;
        output(tag, "tag")?.write(event.tag);
        Ok(IKEY_OK)
    })
}

/// Gives the head of an event: a small JSON object (docs/c-api.md, "Operations"). Empty for IKEY_EVENT_END and
/// IKEY_EVENT_ERROR.
/// IKEY_OK: *bytes and *length are a view into event.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_event_head(
    event: *const ikey_event,
    bytes: Option<&mut MaybeUninit<*const u8>>,
    length: Option<&mut MaybeUninit<usize>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_event_head", err, || view(event, bytes, length, |part| Ok(&part.head)))
}

/// Gives the raw bytes of an event: the answer's JSON as it arrived, untouched. Empty where there is none. Those of
/// embeddings are put together by the first call, which takes a while and fails if there is no memory for them.
/// IKEY_OK: *bytes and *length are a view into event.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_event_raw(
    event: *const ikey_event,
    bytes: Option<&mut MaybeUninit<*const u8>>,
    length: Option<&mut MaybeUninit<usize>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_event_raw", err, || view(event, bytes, length, |part| Ok(part.raw.bytes()?)))
}

/// Gives the vectors of an event: rows times columns numbers, row after row, in one buffer. 0 rows where there are none.
/// IKEY_OK: *values, *rows and *columns are a view into event.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_event_vectors(
    event: *const ikey_event,
    values: Option<&mut MaybeUninit<*const f64>>,
    rows: Option<&mut MaybeUninit<usize>>,
    columns: Option<&mut MaybeUninit<usize>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_event_vectors", err, || {
        let event = handle::take::<Event>(event, "event")?;
        let (values, rows, columns) =
            (output(values, "values")?, output(rows, "rows")?, output(columns, "columns")?);
        let vectors = event.part().and_then(|part| part.vectors.as_ref());
        let (numbers, width) =
            vectors.map_or((&[][..], 0), |vectors| (&vectors.values, vectors.columns));
        values.write(numbers.as_ptr());
        rows.write(numbers.len().checked_div(width).unwrap_or(0));
        columns.write(width);
        Ok(IKEY_OK)
    })
}

/// Gives the error of an IKEY_EVENT_ERROR; other kinds are refused with IKEY_ERROR_ARGUMENT.
/// IKEY_OK: *error is yours until ikey_error_free, also after the event is freed.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_event_error(
    event: *const ikey_event,
    error: Option<&mut MaybeUninit<*mut ikey_error>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_event_error", err, || {
        let event = handle::take::<Event>(event, "event")?;
        let out = output(error, "error")?;
        let error = event.error().ok_or_else(|| {
            let words = "event has no error: pass one of the kind IKEY_EVENT_ERROR";
            Failure::argument(IKEY_ERROR_ARGUMENT, "event", words.to_owned())
        })?;
        out.write(handle::share(error));
        Ok(IKEY_OK)
    })
}

/// Frees an event and ends the views into it.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_event_free(event: *mut ikey_event) -> ikey_status {
    guard_free::<Event>(event, "event")
}

fn view(
    event: *const ikey_event,
    bytes: Out<'_, *const u8>,
    length: Out<'_, usize>,
    choose: impl FnOnce(&core::Event) -> Result<&[u8], Failure>,
) -> Result<ikey_status, Failure> {
    let event = handle::take::<Event>(event, "event")?;
    let (bytes, length) = (output(bytes, "bytes")?, output(length, "length")?);
    let view = event.part().map_or(Ok(&[][..]), choose)?;
    bytes.write(view.as_ptr());
    length.write(view.len());
    Ok(IKEY_OK)
}
