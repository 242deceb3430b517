//! Blocking calls: one request from its start to its end, on the calling thread.
//!
//! - ikey_call: one answer
//! - ikey_stream: a callback for each part of it
//!
//! Operations (ensure, wait_until_ready, generate_text and more), their requests and their heads are listed in
//! docs/c-api.md. They are the same here, in ikey_op_submit and in ikey_queue_submit. Those of the data plane are given
//! an endpoint as client.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::time::Duration;

use inferencekey_core::{self as core, CancelToken, EventKind, Next, Operation};

use crate::cancel::Cancel;
use crate::client::Client;
use crate::event::{self, Event, IKEY_EVENT_RAW, IKEY_EVENT_TICK, IKEY_EVENT_VECTORS};
use crate::guard::{Failure, guard};
use crate::handle;
use crate::memory::{output, text};
use crate::reserve;
use crate::status::{IKEY_END, IKEY_OK, IKEY_STOPPED, ikey_status};
use crate::types::{ikey_cancel, ikey_client, ikey_error, ikey_event};

/// A host looks at its signals at least this often while a stream is silent.
const TICK: Duration = Duration::from_millis(100);

/// What ikey_stream calls, on the calling thread: with kind one of the IKEY_EVENT_ constants, and length bytes that are
/// valid until it returns. One part of a result is one call with IKEY_EVENT_OPEN, _DATA or _NOTICE (the head), then one
/// with IKEY_EVENT_RAW and one with IKEY_EVENT_VECTORS if it has such bytes. A return value other than 0 stops the stream.
/// It may call any function of this library, also free or close what the stream was given.
#[allow(non_camel_case_types, reason = "the name that C programs see in the header")]
pub type ikey_on_event = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        kind: i32,
        bytes: *const u8,
        length: usize,
    ) -> i32,
>;

/// Runs an operation to its end and gives its last event: for operations of one answer that answer, for wait_until_ready
/// the event that says ready. Earlier events and notices are dropped, so generate_text_stream belongs into ikey_stream or
/// ikey_op_submit. Signals do not end it: use ikey_op_next where a signal handler has to run in between. cancel may be NULL.
/// IKEY_OK: *event is yours until ikey_event_free. IKEY_END: done without any event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ikey_call(
    client: *mut ikey_client,
    name: *const u8,
    name_length: usize,
    request: *const u8,
    request_length: usize,
    cancel: *mut ikey_cancel,
    event: Option<&mut MaybeUninit<*mut ikey_event>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_call", err, || {
        // SAFETY: header, "Bytes in": the caller lends both texts until this call returns.
        let request = unsafe { Request::borrow(name, name_length, request, request_length) }?;
        let out = output(event, "event")?;
        let mut operation = request.submit(client, Cancel::token(cancel)?)?;
        let mut last = None;
        loop {
            match operation.next(None)? {
                Next::Event(event) if event.kind != EventKind::Notice => last = Some(event),
                Next::Event(_) | Next::Nothing => {}
                Next::End => break,
            }
        }
        let Some(last) = last else {
            return Ok(IKEY_END);
        };
        out.write(handle::give(Event::untagged(last)));
        Ok(IKEY_OK)
    })
}

/// Runs an operation to its end and calls on_event for each part of its result, in order, and at least every 100 ms: with
/// IKEY_EVENT_TICK if nothing came. user_data and cancel may be NULL; user_data is handed to on_event as it is.
/// IKEY_OK: done; on_event got everything. IKEY_STOPPED: on_event returned something else than 0, and is not called again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ikey_stream(
    client: *mut ikey_client,
    name: *const u8,
    name_length: usize,
    request: *const u8,
    request_length: usize,
    cancel: *mut ikey_cancel,
    on_event: ikey_on_event,
    user_data: *mut c_void,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_stream", err, || {
        // SAFETY: header, "Bytes in": the caller lends both texts until this call returns.
        let request = unsafe { Request::borrow(name, name_length, request, request_length) }?;
        let on_event = on_event.ok_or_else(|| Failure::null("on_event"))?;
        let operation = request.submit(client, Cancel::token(cancel)?)?;
        let stopped = run(operation, |kind, bytes, length| {
            // SAFETY: header, ikey_on_event: a function of this type that returns normally; the bytes are borrowed from
            // the event that `run` holds meanwhile.
            match unsafe { on_event(user_data, kind, bytes, length) } {
                0 => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        })?;
        Ok(match stopped {
            ControlFlow::Continue(()) => IKEY_OK,
            ControlFlow::Break(()) => IKEY_STOPPED,
        })
    })
}

/// Hands each part of the operation's events to `tell`, until the end or until `tell` breaks.
fn run(
    mut operation: Operation,
    mut tell: impl FnMut(i32, *const u8, usize) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Failure> {
    loop {
        let told = match operation.next(Some(TICK))? {
            Next::Event(event) => tell_event(&event, &mut tell)?,
            Next::Nothing => tell(IKEY_EVENT_TICK, [].as_ptr(), 0),
            Next::End => return Ok(ControlFlow::Continue(())),
        };
        if told.is_break() {
            return Ok(told);
        }
    }
}

fn tell_event(
    event: &core::Event,
    tell: &mut impl FnMut(i32, *const u8, usize) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Failure> {
    let raw = event.raw.bytes()?;
    let mut told = tell(event::kind(event), event.head.as_ptr(), event.head.len());
    if told.is_continue() && !raw.is_empty() {
        told = tell(IKEY_EVENT_RAW, raw.as_ptr(), raw.len());
    }
    if let (ControlFlow::Continue(()), Some(vectors)) = (told, &event.vectors) {
        let values = &vectors.values[..];
        told = tell(IKEY_EVENT_VECTORS, values.as_ptr().cast(), size_of_val(values));
    }
    Ok(told)
}

/// An operation's name and its request.
pub(crate) struct Request<'a> {
    name: &'a str,
    request: &'a str,
}

impl<'a> Request<'a> {
    /// Borrows both texts from the caller.
    ///
    /// # Safety
    /// As for `memory::text`.
    pub(crate) unsafe fn borrow(
        name: *const u8,
        name_length: usize,
        request: *const u8,
        request_length: usize,
    ) -> Result<Self, Failure> {
        // SAFETY: header, "Bytes in", passed on to the caller of this function.
        let (name, request) = unsafe {
            (text(name, name_length, "name")?, text(request, request_length, "request")?)
        };
        Ok(Self { name, request })
    }

    /// Checks the request and starts its operation.
    pub(crate) fn submit(
        &self,
        client: *const ikey_client,
        cancel: Option<CancelToken>,
    ) -> Result<Operation, Failure> {
        let client = handle::take::<Client>(client, "client")?;
        reserve::refuse_if_short()?;
        Ok(client.0.submit(self.name, self.request.as_bytes(), cancel)?)
    }
}
