//! The clocks a client or a call was given (wire.md 3.2).

use serde_json::{Map, Value};

use crate::error::Error;
use crate::transport::Clocks;

/// What a client was given; a call's own values go on top.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {}

impl Timeouts {
    /// The clocks of a call that brings none of its own.
    pub(crate) fn clocks(&self, streaming: bool) -> Clocks {
        unimplemented!("{streaming}")
    }
}

/// Takes `timeout_ms` and `timeouts` out of a request and puts them on top of the client's.
pub(crate) fn clocks_override(
    request: &mut Map<String, Value>,
    timeouts: &Timeouts,
    streaming: bool,
) -> Result<Clocks, Error> {
    unimplemented!("{request:?} {timeouts:?} {streaming}")
}
