// The caller's memory: the one place where pointers from C become Rust values.

use std::mem::MaybeUninit;
use std::slice;

use crate::guard::{Failure, Out};
use crate::status::{IKEY_ERROR_ARGUMENT, IKEY_ERROR_LENGTH, IKEY_ERROR_NULL, IKEY_ERROR_UTF8};

/// Borrows the caller's text.
///
/// # Safety
/// If `start` is not NULL, `length` bytes are readable there for `'a` and nobody writes to them (header, "Bytes in").
pub(crate) unsafe fn text<'a>(
    start: *const u8,
    length: usize,
    name: &'static str,
) -> Result<&'a str, Failure> {
    // SAFETY: as of this function.
    let bytes = unsafe { bytes(start, length, name) }?;
    str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Failure::argument(
            IKEY_ERROR_UTF8,
            name,
            format!("{name} is not UTF-8 at byte {at}: pass UTF-8 text"),
        )
    })
}

/// Borrows bytes of the caller's that need not be text.
///
/// # Safety
/// As of [`text`].
pub(crate) unsafe fn bytes<'a>(
    start: *const u8,
    length: usize,
    name: &'static str,
) -> Result<&'a [u8], Failure> {
    check(start.addr(), length, 1, name)?;
    // SAFETY: header, "Bytes in": readable and borrowed until the call returns; NULL and lengths that no object has
    // were refused above.
    Ok(unsafe { slice::from_raw_parts(start, length) })
}

/// Borrows an array that the caller wants to have filled.
///
/// # Safety
/// If `start` is not NULL, `capacity` elements are writable there for `'a` and nothing else uses them (header, "Outputs").
pub(crate) unsafe fn array<'a, T>(
    start: *mut MaybeUninit<T>,
    capacity: usize,
    name: &'static str,
) -> Result<&'a mut [MaybeUninit<T>], Failure> {
    check(start.addr(), capacity, size_of::<T>(), name)?;
    // SAFETY: header, "Outputs": aligned, writable and overlapping nothing else; NULL and lengths that no object has
    // were refused above.
    Ok(unsafe { slice::from_raw_parts_mut(start, capacity) })
}

/// An output parameter that must not be NULL.
pub(crate) fn output<'a, T>(
    out: Out<'a, T>,
    name: &'static str,
) -> Result<&'a mut MaybeUninit<T>, Failure> {
    out.ok_or_else(|| Failure::null(name))
}

/// A timeout of the header's convention, "Time"; `None` is for ever.
pub(crate) fn timeout(ms: i32) -> Result<Option<std::time::Duration>, Failure> {
    match ms {
        -1 => Ok(None),
        0.. => Ok(Some(std::time::Duration::from_millis(ms.unsigned_abs().into()))),
        _ => Err(Failure::argument(
            IKEY_ERROR_ARGUMENT,
            "timeout_ms",
            format!(
                "timeout_ms is {ms}: pass a number of milliseconds, 0 to poll or -1 to wait for ever"
            ),
        )),
    }
}

fn check(start: usize, length: usize, size: usize, name: &'static str) -> Result<(), Failure> {
    if start == 0 {
        return Err(Failure::argument(IKEY_ERROR_NULL, name, format!("{name} must not be NULL")));
    }
    let end = length.checked_mul(size).and_then(|bytes| start.checked_add(bytes));
    match end {
        Some(end) if end - start <= isize::MAX as usize => Ok(()),
        _ => Err(Failure::argument(
            IKEY_ERROR_LENGTH,
            name,
            format!(
                "the length of {name} is {length}, more than any object in memory has: pass the real length"
            ),
        )),
    }
}
