//! Where the values of a client come from: explicit argument > environment > default (wire.md 1.1, 1.4).

pub(crate) mod arguments;
mod base_url;
mod endpoint;
mod timeouts;

use std::path::PathBuf;

pub(crate) use base_url::BaseUrl;
pub(crate) use endpoint::Endpoint;
pub(crate) use timeouts::{Timeouts, clocks_override};

use crate::error::Error;
use crate::secret::Secret;

/// Which half of the platform a client speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plane {
    /// `/api`, control token.
    Control,
    /// `/endpoint`, data key.
    Data,
}

/// Everything a client was made from, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) plane: Plane,
    pub(crate) base_url: BaseUrl,
    /// Always there on the data plane.
    pub(crate) project: Option<String>,
    /// Control token (always there), or the default data key.
    pub(crate) token: Option<Secret>,
    pub(crate) timeouts: Timeouts,
    /// Repeats after the first send.
    pub(crate) retries: u32,
    pub(crate) ca_bundle: Option<PathBuf>,
    pub(crate) user_agent: String,
}

impl Config {
    /// Reads client options (`docs/c-api.md`). `env` is asked only with `from_env`, value by value.
    pub(crate) fn from_json(
        options: &[u8],
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        unimplemented!("{options:?} {}", env("").is_some())
    }
}
