//! Handles: opaque values (see "Handles" above), one type for each kind of object.
#![allow(non_camel_case_types, reason = "the names that C programs see in the header")]

/// A client of the control plane or of the data plane, or an endpoint of the latter.
pub struct ikey_client {
    _opaque: [u8; 0],
}

/// Stops blocking calls and operations from another thread.
pub struct ikey_cancel {
    _opaque: [u8; 0],
}

/// A part of an operation's result.
pub struct ikey_event {
    _opaque: [u8; 0],
}

/// Why a call failed.
pub struct ikey_error {
    _opaque: [u8; 0],
}

/// One running operation.
pub struct ikey_op {
    _opaque: [u8; 0],
}

/// Many running operations and one place to wait for them.
pub struct ikey_queue {
    _opaque: [u8; 0],
}
