// The one shape of every export: run the body, catch a panic, hand the error over.
//
// Invariants
// - Nothing unwinds into C. What unwinds out of C, though the header forbids it, ends the process where it is caught: the
//   callbacks' types say "C-unwind", without which it would be undefined behaviour.
// - *err is written if and only if the status is negative and err is not NULL.

use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use inferencekey_core::{Class, Error};

use crate::error::ErrorText;
use crate::handle;
use crate::queue;
use crate::status::{
    IKEY_ERROR_BUSY, IKEY_ERROR_FORKED, IKEY_ERROR_NULL, IKEY_ERROR_OPERATION, IKEY_ERROR_PANIC,
    IKEY_OK, ikey_status,
};
use crate::types::ikey_error;

/// Why an export fails.
pub(crate) enum Failure {
    /// The core said so: an operation, its request or the options.
    Core(Error),
    /// The ABI itself refuses the call.
    Call { status: ikey_status, field: &'static str, words: String },
    /// A panic was caught.
    Panic(Error),
}

impl Failure {
    /// Refuses the call because of its parameter `field`; `words` say what it is and what it should be.
    pub(crate) fn argument(status: ikey_status, field: &'static str, words: String) -> Self {
        Self::Call { status, field, words }
    }

    /// Refuses the call because its parameter `field` is NULL.
    pub(crate) fn null(field: &'static str) -> Self {
        Self::argument(IKEY_ERROR_NULL, field, format!("{field} must not be NULL"))
    }

    /// Refuses the call because something is in use elsewhere.
    pub(crate) fn busy(field: &'static str, words: &str) -> Self {
        Self::argument(IKEY_ERROR_BUSY, field, words.to_owned())
    }

    pub(crate) fn status(&self) -> ikey_status {
        match self {
            Self::Core(_) => IKEY_ERROR_OPERATION,
            Self::Call { status, .. } => *status,
            Self::Panic(_) => IKEY_ERROR_PANIC,
        }
    }

    /// The class and code of wire.md 5.2 that a host raises.
    pub(crate) fn class(&self) -> (Class, &'static str) {
        match self {
            Self::Core(error) | Self::Panic(error) => (error.class, error.code),
            Self::Call { status, .. } if *status == IKEY_ERROR_FORKED => {
                (Class::ForkedError, "forked")
            }
            Self::Call { .. } => (Class::ValidationError, "invalid_argument"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

/// What an output parameter is: NULL or a place to write to (header, "Outputs").
pub(crate) type Out<'a, T> = Option<&'a mut MaybeUninit<T>>;

/// Runs `body`, the whole of the export `function`, and stores its error.
pub(crate) fn guard(
    function: &'static str,
    err: Out<'_, *mut ikey_error>,
    body: impl FnOnce() -> Result<ikey_status, Failure>,
) -> ikey_status {
    match caught(body) {
        Ok(status) => status,
        Err(failure) => {
            let status = failure.status();
            if let Some(err) = err {
                err.write(error(function, &failure));
            }
            status
        }
    }
}

/// A handle for `failure`, or NULL if there is no room for it.
fn error(function: &'static str, failure: &Failure) -> *mut ikey_error {
    let give = || handle::give(ErrorText::new(function, failure));
    catch_unwind(AssertUnwindSafe(give)).unwrap_or(ptr::null_mut())
}

/// The same for the exports that have no `err`: getters of errors, and `_free`.
pub(crate) fn guard_status(body: impl FnOnce() -> Result<ikey_status, Failure>) -> ikey_status {
    caught(body).unwrap_or_else(|failure| failure.status())
}

/// The body of each `_free`.
pub(crate) fn guard_free<T: handle::Kind>(
    object: *mut T::Handle,
    name: &'static str,
) -> ikey_status {
    guard_status(|| {
        drop(handle::free::<T>(object, name)?);
        Ok(IKEY_OK)
    })
}

fn caught(body: impl FnOnce() -> Result<ikey_status, Failure>) -> Result<ikey_status, Failure> {
    queue::refuse_inside_wake()?;
    // Unwind safety: the objects behind handles drop what a panic may have left half done (see `op`).
    catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|panic| Err(Failure::Panic(Error::panicked(&*panic))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status_and_an_error() {
        let mut err = MaybeUninit::new(ptr::null_mut());
        let status = guard("ikey_call", Some(&mut err), || panic!("as the test asks"));
        assert_eq!(status, IKEY_ERROR_PANIC);
        // SAFETY: initialised above.
        let err = unsafe { err.assume_init() };
        assert_eq!(guard_free::<ErrorText>(err, "error"), IKEY_OK);
        assert_eq!(guard_status(|| panic!("again")), IKEY_ERROR_PANIC);
    }
}
