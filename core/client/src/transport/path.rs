//! Path segments (wire.md 2.3).

use crate::error::Error;

/// `text` as one segment, percent-encoded exactly once. `name` is the argument's name; `"project"` makes it a
/// `ConfigurationError`, anything else a `ValidationError`.
pub(crate) fn segment(name: &'static str, text: &str) -> Result<String, Error> {
    unimplemented!("{name} {text}")
}
