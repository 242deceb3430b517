//! Binding of the data plane: one workload, one data key (wire.md 1.1, 1.4).

use super::Config;
use crate::error::Error;
use crate::secret::Secret;

/// What an endpoint handle adds to its client.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Canonical.
    pub(crate) workload_slug: String,
    pub(crate) key: Secret,
}

impl Endpoint {
    /// Reads `{"workload_slug", "api_key"?}`. Sends nothing.
    pub(crate) fn from_json(options: &[u8], config: &Config) -> Result<Self, Error> {
        unimplemented!("{options:?} {config:?}")
    }
}
