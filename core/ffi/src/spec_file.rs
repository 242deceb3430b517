//! Files of specs: workloads written in YAML, TOML or JSON.
//!
//! - ikey_spec_file_read: the specs of a file, checked, as the operations ensure, plan and apply take them

use std::mem::MaybeUninit;

use inferencekey_core as core;

use crate::event::Event;
use crate::guard::guard;
use crate::handle;
use crate::memory::{bytes, output, text};
use crate::reserve;
use crate::status::{IKEY_OK, ikey_status};
use crate::types::{ikey_error, ikey_event};

/// Reads the bytes of a file of specs. options is a JSON object (docs/c-api.md, "Spec files"), which also has the environment
/// that references in the file mean. Sends nothing. The file need not be UTF-8: an error says where it is not.
/// IKEY_OK: *event, of the kind IKEY_EVENT_DATA, has the specs as its head and is yours until ikey_event_free.
/// IKEY_ERROR_OPERATION: something in the file is wrong; the error has line and column.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ikey_spec_file_read(
    file: *const u8,
    file_length: usize,
    options: *const u8,
    options_length: usize,
    event: Option<&mut MaybeUninit<*mut ikey_event>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_spec_file_read", err, || {
        // SAFETY: header, "Bytes in": the caller lends file_length readable bytes until this call returns.
        let file = unsafe { bytes(file, file_length, "file") }?;
        // SAFETY: the same for options_length bytes.
        let options = unsafe { text(options, options_length, "options") }?;
        let out = output(event, "event")?;
        reserve::refuse_if_short()?;
        out.write(handle::give(Event::of_head(core::read_specs(file, options.as_bytes())?)));
        Ok(IKEY_OK)
    })
}
