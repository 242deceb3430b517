//! Statuses, in blocks by origin. Numbers are never used twice.

/// What a function returns: one of the IKEY_ constants below.
#[allow(non_camel_case_types, reason = "the name that C programs see in the header")]
pub type ikey_status = i32;

/// Done; the outputs are written.
pub const IKEY_OK: ikey_status = 0;
/// Nothing yet: time is up or a signal arrived. Ask again.
pub const IKEY_TIMEOUT: ikey_status = 1;
/// The operation is over; nothing more will come.
pub const IKEY_END: ikey_status = 2;
/// The callback asked to stop.
pub const IKEY_STOPPED: ikey_status = 3;

/// A pointer is NULL that must not be.
pub const IKEY_ERROR_NULL: ikey_status = -100;
/// Bytes that have to be text are not UTF-8.
pub const IKEY_ERROR_UTF8: ikey_status = -101;
/// A length is larger than any object in memory.
pub const IKEY_ERROR_LENGTH: ikey_status = -102;
/// Another argument cannot be used, as a timeout_ms of -2.
pub const IKEY_ERROR_ARGUMENT: ikey_status = -103;

/// The handle was not made by this library.
pub const IKEY_ERROR_HANDLE_FOREIGN: ikey_status = -200;
/// The handle has been freed.
pub const IKEY_ERROR_HANDLE_FREED: ikey_status = -201;
/// The handle is of another type.
pub const IKEY_ERROR_HANDLE_TYPE: ikey_status = -202;
/// The handle, or all of the library, may not be used now.
pub const IKEY_ERROR_BUSY: ikey_status = -203;
/// The handle is older than the fork() of this process.
pub const IKEY_ERROR_FORKED: ikey_status = -204;

/// The operation failed or was refused: see the error.
pub const IKEY_ERROR_OPERATION: ikey_status = -300;

/// A defect in the library was caught; go on with others.
pub const IKEY_ERROR_PANIC: ikey_status = -400;
