//! What every operation of a client stands on.

use crate::config::Config;
use crate::error::{Error, code};
use crate::operation::CancelToken;
use crate::transport::Transport;

/// Shared by a client, its clones and its endpoints.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) transport: Transport,
    /// Cancelled when the client is closed.
    pub(crate) closed: CancelToken,
}

impl Shared {
    /// A closed client does nothing more.
    pub(crate) fn refuse_closed(&self, operation: &'static str) -> Result<(), Error> {
        if !self.closed.is_cancelled() {
            return Ok(());
        }
        let mut error =
            Error::configuration(code::CLIENT_CLOSED, "the client is closed".to_owned())
                .hint("make a new client, or close this one later");
        error.operation = Some(operation);
        Err(error)
    }
}
