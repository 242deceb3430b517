//! What every operation of a client stands on.

use crate::config::Config;
use crate::operation::CancelToken;
use crate::transport::Transport;

/// Shared by a client, its clones and its endpoints.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) transport: Transport,
    /// Cancelled when the client is closed.
    pub(crate) closed: CancelToken,
}
