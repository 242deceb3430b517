//! A client of one plane, and the endpoints made from it.

use std::sync::Arc;

use crate::config::Config;
use crate::error::Error;
use crate::operation::{CancelToken, Operation};
use crate::transport::Transport;

/// A client of the control plane or of the data plane, or an endpoint of the latter. Clones and endpoints share
/// connections, the retry budget and the closed state.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// What clones and endpoints share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) transport: Transport,
    pub(crate) closed: CancelToken,
}

impl Client {
    /// Makes a client from JSON options (`docs/c-api.md`, "client options"). Sends nothing, starts nothing.
    pub fn new(options: &[u8]) -> Result<Self, Error> {
        unimplemented!("lead")
    }

    /// A handle bound to one workload and one data key (`{"workload_slug", "api_key"?}`). Sends nothing.
    pub fn endpoint(&self, options: &[u8]) -> Result<Self, Error> {
        unimplemented!("lead")
    }

    /// Plane, base URL, host, project, canonical slug and the token's display form, as JSON: for reprs.
    pub fn describe(&self) -> Vec<u8> {
        unimplemented!("lead")
    }

    /// Checks `request` and starts `operation`; nothing is sent before the operation is driven.
    pub fn submit(
        &self,
        operation: &str,
        request: &[u8],
        cancel: Option<CancelToken>,
    ) -> Result<Operation, Error> {
        unimplemented!("lead")
    }

    /// Ends every running operation as `Cancelled` within 100 ms and refuses new ones. Idle connections are closed.
    pub fn close(&self) {
        self.shared.closed.cancel();
    }
}
