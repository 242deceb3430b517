//! The clocks of wire.md 3.2 and the state of one call.

use std::time::Duration;

use crate::driver::Deadline;

/// How long each part of a call may take; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clocks {
    /// DNS, TCP and TLS, all addresses and tries of a call together.
    pub(crate) connect: Option<Duration>,
    /// Streams: from the request sent to the first content.
    pub(crate) first_token: Option<Duration>,
    /// Streams: between contents. Unary: no byte of a response that has begun.
    pub(crate) idle: Option<Duration>,
    /// The whole operation, retries and pauses included.
    pub(crate) total: Option<Duration>,
    /// Waiting out a warming endpoint, inside `total`. Zero: do not wait.
    pub(crate) cold_start: Option<Duration>,
}

/// One operation on its way: what it is called, how long it may take, what it has done so far.
#[derive(Debug)]
pub(crate) struct Call {
    /// Name shown in errors.
    pub(crate) operation: &'static str,
    pub(crate) clocks: Clocks,
    /// Is the answer a stream of content? Then `first_token` ends the wait for the response's head.
    pub(crate) streaming: bool,
    /// The end of `clocks.total`, from the start of the operation.
    pub(crate) deadline: Deadline,
    /// Requests sent so far, over all requests of the operation.
    pub(crate) attempts: u32,
}

impl Call {
    /// Starts the clock of `operation`.
    pub(crate) fn start(operation: &'static str, clocks: Clocks, streaming: bool) -> Self {
        let deadline = Deadline::after(clocks.total);
        Self {
            operation,
            clocks,
            streaming,
            deadline,
            attempts: 0,
        }
    }
}
