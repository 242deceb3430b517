//! Clients: where requests go and with which token.
//!
//! - ikey_client_new: one for the control plane (declare, wait, delete), one for the data plane
//!   - ikey_client_endpoint: from a client of the data plane, a handle for one workload
//!   - ikey_client_describe: what it was made of, for logs
//!   - the operations of the groups below
//!   - ikey_client_close: stops them all
//! - ikey_client_free

use std::mem::MaybeUninit;

use inferencekey_core as core;

use crate::event::Event;
use crate::guard::{guard, guard_free};
use crate::handle;
use crate::memory::{output, text};
use crate::reserve;
use crate::status::{IKEY_OK, ikey_status};
use crate::thread;
use crate::types::{ikey_client, ikey_error, ikey_event};

/// A client or an endpoint of the core.
pub(crate) struct Client(pub(crate) core::Client);

/// Makes a client from its options, a JSON object (docs/c-api.md, "Client options"). Sends nothing.
/// With "from_env" it reads the INFERENCEKEY_ variables, now and never again.
/// IKEY_OK: *client is yours until ikey_client_free. IKEY_ERROR_OPERATION: an option cannot be used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ikey_client_new(
    options: *const u8,
    options_length: usize,
    client: Option<&mut MaybeUninit<*mut ikey_client>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_client_new", err, || {
        // SAFETY: header, "Bytes in": the caller lends options_length readable bytes until this call returns.
        let options = unsafe { text(options, options_length, "options") }?;
        let out = output(client, "client")?;
        reserve::refuse_if_short()?;
        thread::take_over();
        out.write(handle::give(Client(core::Client::new(options.as_bytes())?)));
        Ok(IKEY_OK)
    })
}

/// Makes an endpoint: a client bound to one workload and one data key, from a JSON object (docs/c-api.md, "Endpoint
/// options"). It shares connections with client, is closed with it, and stays good when client is freed. Sends nothing.
/// IKEY_OK: *endpoint is yours until ikey_client_free. IKEY_ERROR_OPERATION: an option cannot be used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ikey_client_endpoint(
    client: *const ikey_client,
    options: *const u8,
    options_length: usize,
    endpoint: Option<&mut MaybeUninit<*mut ikey_client>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_client_endpoint", err, || {
        let client = handle::take::<Client>(client, "client")?;
        // SAFETY: header, "Bytes in": the caller lends options_length readable bytes until this call returns.
        let options = unsafe { text(options, options_length, "options") }?;
        let out = output(endpoint, "endpoint")?;
        reserve::refuse_if_short()?;
        out.write(handle::give(Client(client.0.endpoint(options.as_bytes())?)));
        Ok(IKEY_OK)
    })
}

/// Describes a client: plane, base URL, host, project, workload and the token's display form (docs/c-api.md,
/// "Description").
/// IKEY_OK: *event, of the kind IKEY_EVENT_DATA, has it as its head and is yours until ikey_event_free.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_client_describe(
    client: *const ikey_client,
    event: Option<&mut MaybeUninit<*mut ikey_event>>,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_client_describe", err, || {
        let client = handle::take::<Client>(client, "client")?;
        let out = output(event, "event")?;
        reserve::refuse_if_short()?;
        out.write(handle::give(Event::of_head(client.0.describe())));
        Ok(IKEY_OK)
    })
}

/// Closes a client, its endpoints and their connections. Operations that run end as Cancelled within 100 ms; new ones
/// are refused. A client that is closed already stays so.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_client_close(
    client: *mut ikey_client,
    err: Option<&mut MaybeUninit<*mut ikey_error>>,
) -> ikey_status {
    guard("ikey_client_close", err, || {
        handle::take::<Client>(client, "client")?.0.close();
        Ok(IKEY_OK)
    })
}

/// Frees a client or an endpoint. What it started goes on: close it first to stop that.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_client_free(client: *mut ikey_client) -> ikey_status {
    guard_free::<Client>(client, "client")
}
