//! The C ABI of the InferenceKey SDK: declare a workload, wait until it is ready, talk to its model.
//!
//! Conventions. They hold for every function; a comment below names only what differs.
//!
//! Results    A function returns an ikey_status. IKEY_OK is 0. Above 0: an expected outcome without a result
//!            (IKEY_TIMEOUT, IKEY_END, IKEY_STOPPED). Below 0: an error. Outputs are written with IKEY_OK only.
//! Errors     The last parameter err may be NULL. Otherwise a negative status stores an error there, which is yours
//!            until ikey_error_free. Nothing is kept per thread. The functions named _free and those of ikey_error
//!            return their status alone.
//! Handles    An ikey_client * and its like is an opaque value, not an address: never dereference it. What _new,
//!            _endpoint, _submit, _next and the like give is taken once by the _free of its type. A handle that is freed,
//!            of another type, made elsewhere, or older than the fork() that made this process is refused with a
//!            status of its own.
//! Free       Never blocks, never calls back, and does nothing with NULL. It may run while the object is in use on
//!            another thread or from inside a callback: the object then goes with its last use.
//! Bytes in   A pointer and a length, borrowed until the call returns. Text is UTF-8 and needs no NUL at its end.
//!            A pointer must not be NULL, even with the length 0, unless the comment says so.
//! Bytes out  A view into a handle, without NUL at its end, valid until that handle is freed.
//! Outputs    Each output pointer is aligned and overlaps nothing else that is given to the call.
//! Threads    Any function may be called from any thread, and a handle from several threads at once.
//! Callbacks  Return normally: no longjmp and no exception may cross the library.
//! Time       timeout_ms is in milliseconds; 0 polls, -1 waits for ever.
//! JSON       Operations, client options and endpoint options are JSON objects, listed in docs/c-api.md. An unknown
//!            field in a request is an error that names it. An answer may get new fields at any time: ignore those you
//!            do not know.
//! Process    Loading the library starts nothing. It installs no signal handler and no logger, makes a thread only in
//!            ikey_queue_new, and reads environment variables only in ikey_client_new.
//! Linking    64-bit targets. The file is found under the name libinferencekey.so.1 (Linux), libinferencekey.1.dylib
//!            (macOS) or inferencekey.dll (Windows); the number is IKEY_ABI_VERSION.

// How the crate keeps these promises: each export is one `guard`; `handle` turns the opaque values into objects by
// looking them up in `table`; `memory` borrows the caller's bytes; `reserve` lends memory when the system has none. The C
// types follow, a file for each.

#![allow(
    clippy::missing_safety_doc,
    reason = "doc comments are for readers of the header, whose conventions say what a caller has to keep"
)]
#![allow(
    clippy::too_many_arguments,
    reason = "C has no optional ones, and a struct of them could not grow"
)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a handle keeps its slot, generation and check bits in a 64-bit pointer");

mod guard;
mod handle;
mod memory;
mod process;
mod reserve;
mod table;
mod thread;

pub mod call;
pub mod cancel;
pub mod client;
pub mod error;
pub mod event;
pub mod library;
pub mod op;
pub mod queue;
pub mod spec_file;
pub mod status;
pub mod types;
