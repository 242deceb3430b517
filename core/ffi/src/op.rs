//! Operations: one request, pulled part by part.
//!
//! - ikey_op_submit
//!   - ikey_op_next, until IKEY_END or an error: the operation moves on while it is in there, and a slow host is
//!     back-pressure
//!   - ikey_op_cancel: from any thread
//! - ikey_op_free: at any time; closes the operation's connection

use std::mem::MaybeUninit;
use std::sync::{Mutex, TryLockError};

use inferencekey_core::{CancelToken, Next, Operation};

use crate::call::Request;
use crate::cancel::Cancel;
use crate::event::Event;
use crate::guard::{Failure, guard, guard_status};
use crate::handle;
use crate::memory::{output, timeout};
use crate::status::{IKEY_END, IKEY_OK, IKEY_TIMEOUT, ikey_status};
use crate::types::{ikey_cancel, ikey_client, ikey_error, ikey_event, ikey_op};

/// An operation and what stops it.
///
/// Invariant: `operation` is there until its end, an error or a panic, so each operation ends exactly once.
pub(crate) struct Op {
    operation: Mutex<Option<Operation>>,
    stop: CancelToken,
}

impl Op {
    fn next(&self, wait: Option<std::time::Duration>) -> Result<Next, Failure> {
        let mut place = match self.operation.try_lock() {
            Ok(place) => place,
            // A panic happened in here before; the operation went with it.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::busy(
                    "op",
                    "op is in ikey_op_next already: wait there, or cancel it",
                ));
            }
        };
        let Some(mut operation) = place.take() else {
            return Ok(Next::End);
        };
        let next = operation.next(wait)?;
        if !matches!(next, Next::End) {
            *place = Some(operation);
        }
        Ok(next)
    }
}

/// Checks a request and starts its operation; nothing is sent before the first ikey_op_next. cancel may be NULL: it stops
/// this operation together with others, ikey_op_cancel stops it alone. op stays good when client and cancel are freed.
/// IKEY_OK: *op is yours until ikey_op_free. IKEY_ERROR_OPERATION: the request was refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ikey_op_submit(
    client: *mut ikey_client,
    name: *const u8,
    name_length: usize,
    request: *const u8,
    request_length: usize,
    cancel: *mut ikey_cancel,
    op: Option<&mut MaybeUninit<*mut ikey_op>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_op_submit", err, || {
        // SAFETY: header, "Bytes in": the caller lends both texts until this call returns.
        let request = unsafe { Request::borrow(name, name_length, request, request_length) }?;
        let out = output(op, "op")?;
        let operation = request.submit(client, Cancel::token(cancel)?)?;
        let stop = operation.cancel_token();
        out.write(handle::give(Op { operation: Mutex::new(Some(operation)), stop }));
        Ok(IKEY_OK)
    })
}

/// Waits for the next event of an operation, at most timeout_ms. After an error the operation is over.
/// Threads: one at a time for an operation, another one gets IKEY_ERROR_BUSY; ikey_op_cancel and ikey_op_free may run beside it.
/// IKEY_OK: *event is yours until ikey_event_free. IKEY_TIMEOUT: nothing yet. IKEY_END: the operation is over.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_op_next(
    op: *mut ikey_op,
    timeout_ms: i32,
    event: Option<&mut MaybeUninit<*mut ikey_event>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_op_next", err, || {
        let op = handle::take::<Op>(op, "op")?;
        let out = output(event, "event")?;
        Ok(match op.next(timeout(timeout_ms)?)? {
            Next::Event(event) => {
                out.write(handle::give(Event::untagged(event)));
                IKEY_OK
            }
            Next::Nothing => IKEY_TIMEOUT,
            Next::End => IKEY_END,
        })
    })
}

/// Ends an operation as Cancelled: ikey_op_next returns that error within 100 ms. Does nothing after the end.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_op_cancel(
    op: *mut ikey_op,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_op_cancel", err, || {
        handle::take::<Op>(op, "op")?.stop.cancel();
        Ok(IKEY_OK)
    })
}

/// Frees an operation. If it is not over it stops, and its connection is closed: at once, or, while another thread is in
/// ikey_op_next, within 100 ms, and that call returns the error Cancelled.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_op_free(op: *mut ikey_op) -> ikey_status {
    guard_status(|| {
        if let Some(op) = handle::free::<Op>(op, "op")? {
            op.stop.cancel();
        }
        Ok(IKEY_OK)
    })
}
