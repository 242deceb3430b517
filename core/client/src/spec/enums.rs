//! The closed and open enums of wire.md 4.

use crate::error::Error;

/// What `ensure` does about drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDrift {
    Reconcile,
    Fail,
    DryRun,
    Warn,
    Ignore,
}

impl OnDrift {
    /// `ValidationError` about `on_drift`, with the allowed values and the nearest one.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        unimplemented!("{text}")
    }
}
