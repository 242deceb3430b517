//! Cancel tokens: stop blocking calls and operations from another thread.
//!
//! - ikey_cancel_new
//!   - given to any number of calls and operations, at the same time or in turn
//!   - ikey_cancel_request: once, from any thread
//! - ikey_cancel_free

use std::mem::MaybeUninit;

use inferencekey_core::CancelToken;

use crate::guard::{Failure, guard, guard_free};
use crate::handle;
use crate::memory::output;
use crate::reserve;
use crate::status::{IKEY_OK, ikey_status};
use crate::types::{ikey_cancel, ikey_error};

/// A token of the caller's.
#[derive(Default)]
pub(crate) struct Cancel(CancelToken);

impl Cancel {
    /// The core's token; `None` for a NULL handle.
    pub(crate) fn token(handle: *const ikey_cancel) -> Result<Option<CancelToken>, Failure> {
        if handle.is_null() {
            return Ok(None);
        }
        Ok(Some(handle::take::<Self>(handle, "cancel")?.0.clone()))
    }
}

/// Makes a cancel token.
/// IKEY_OK: *cancel is yours until ikey_cancel_free.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_cancel_new(
    cancel: Option<&mut MaybeUninit<*mut ikey_cancel>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_cancel_new", err, || {
        let out = output(cancel, "cancel")?;
        reserve::refuse_if_short()?;
        out.write(handle::give(Cancel::default()));
        Ok(IKEY_OK)
    })
}

/// Ends every call and operation that was given cancel, within 100 ms, as Cancelled; those given it later end at once.
/// A second request does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_cancel_request(
    cancel: *mut ikey_cancel,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_cancel_request", err, || {
        handle::take::<Cancel>(cancel, "cancel")?.0.cancel();
        Ok(IKEY_OK)
    })
}

/// Frees a cancel token. Calls and operations that were given it go on.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_cancel_free(cancel: *mut ikey_cancel) -> ikey_status {
    guard_free::<Cancel>(cancel, "cancel")
}
