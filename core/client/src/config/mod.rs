//! x
pub(crate) struct Config;
