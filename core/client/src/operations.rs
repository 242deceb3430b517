//! From an operation's name and JSON request to a running operation (`docs/c-api.md`, "operations").
//!
//! Local checks happen here, before anything is sent; what is left is one future per operation. Whatever it raises gets its
//! operation, host and attempts from one place ([`Course`]).

mod control;
mod data;
#[cfg(feature = "test-panic")]
mod panic;

use std::future::Future;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::config::arguments::{self, refuse_unknown};
use crate::config::{CLOCK_KEYS, Endpoint, Plane, clocks_override};
use crate::error::Error;
use crate::operation::{CancelToken, Event, EventKind, Operation, Outbox, Sign};
use crate::raw::Raw;
use crate::shared::Shared;
use crate::transport::{Call, Clocks};

type Object = Map<String, Value>;

/// Checks `request` and prepares `operation`. Nothing is sent before the operation is driven.
pub(crate) fn submit(
    shared: &Arc<Shared>,
    endpoint: Option<&Arc<Endpoint>>,
    operation: &str,
    request: &[u8],
    cancel: Option<CancelToken>,
) -> Result<Operation, Error> {
    #[cfg(feature = "test-panic")]
    if operation == panic::NAME {
        return Ok(panic::submit(request));
    }
    let name = known(shared.config.plane, operation)?;
    shared.refuse_closed(name)?;
    let stops = cancel.into_iter().chain([shared.closed.clone()]).collect();
    let prepared = arguments::parse(request).and_then(|request| match shared.config.plane {
        Plane::Control => Ok(start(shared, name, stops, control::prepare(shared, name, request)?)),
        Plane::Data => {
            Ok(start(shared, name, stops, data::prepare(shared, endpoint, name, request)?))
        }
    });
    prepared.map_err(|mut error| {
        error.operation.get_or_insert(name);
        error
    })
}

/// The operation's name, if this plane has it.
fn known(plane: Plane, operation: &str) -> Result<&'static str, Error> {
    let (own, other): (&[&'static str], &[&str]) = match plane {
        Plane::Control => (&control::NAMES, &data::NAMES),
        Plane::Data => (&data::NAMES, &control::NAMES),
    };
    own.iter().copied().find(|name| *name == operation).ok_or_else(|| {
        let words = format!("there is no operation `{operation}` here; known: {}", own.join(", "));
        let error = Error::invalid("operation", words);
        match other.contains(&operation) {
            true => error.hint("it belongs to a client of the other plane"),
            false => error,
        }
    })
}

/// What an operation does once it is driven.
trait Work: Send + 'static {
    fn run(&self, call: &Call, outbox: &Outbox) -> impl Future<Output = Result<(), Error>> + Send;
}

/// An operation that passed its local checks.
struct Prepared<W> {
    work: W,
    clocks: Clocks,
    /// Does `first_token` run?
    streaming: bool,
}

/// A running operation, as far as its errors tell of it.
struct Course {
    call: Call,
    shared: Arc<Shared>,
}

impl Sign for Course {
    fn sign(&self, error: &mut Error) {
        self.call.tell_answer(error);
        error.operation.get_or_insert(self.call.operation);
        error.host.get_or_insert_with(|| self.shared.transport.host().to_owned());
        error.attempts = self.call.attempts();
    }
}

/// Starts the clocks.
fn start<W: Work>(
    shared: &Arc<Shared>,
    name: &'static str,
    stops: Vec<CancelToken>,
    prepared: Prepared<W>,
) -> Operation {
    let Prepared { work, clocks, streaming } = prepared;
    let outbox = Outbox::default();
    let mut call = Call::start(name, clocks, streaming);
    call.notices = shared.config.notices.then(|| outbox.clone());
    let course = Arc::new(Course { call, shared: Arc::clone(shared) });
    let (signs, events) = (Arc::clone(&course), outbox.clone());
    Operation::new(outbox, signs, stops, async move { work.run(&course.call, &events).await })
}

/// Refuses keys that are neither `keys` nor clocks, and takes the clocks out.
fn take_clocks(
    shared: &Shared,
    request: &mut Object,
    keys: &[&str],
    streaming: bool,
) -> Result<Clocks, Error> {
    let known: Vec<&str> = keys.iter().copied().chain(CLOCK_KEYS).collect();
    refuse_unknown(request, &known)?;
    clocks_override(request, &shared.config.timeouts, streaming)
}

/// An event with a head alone.
fn head(head: impl Into<Vec<u8>>) -> Event {
    Event { kind: EventKind::Data, head: head.into(), raw: Raw::default(), vectors: None }
}

#[cfg(test)]
mod tests;
