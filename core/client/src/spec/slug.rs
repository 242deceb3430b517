//! Slug canonicalisation (wire.md 2.4).

use crate::error::Error;

/// The canonical form of `text`, the same in every operation. `ValidationError` about `field`.
pub(crate) fn canonical(field: &'static str, text: &str) -> Result<String, Error> {
    unimplemented!("{field} {text}")
}
