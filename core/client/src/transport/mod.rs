//! From a request to its answer: sends, retries, clocks, redirects, limits (wire.md 2.2, 3.2, 5.5).
//!
//! [`Transport`] holds the rules and reaches the network only through the port [`Wire`]: `http` is the real one,
//! `script` the double that unit tests use on virtual time.

mod body;
mod call;
mod clocks;
pub(crate) mod http;
mod media_type;
pub(crate) mod notice;
pub(crate) mod path;
mod redirect;
pub(crate) mod retry;
#[cfg(test)]
pub(crate) mod script;
pub(crate) mod sse;
mod wire;

pub(crate) use body::{Open, Sieve, peek, take_out, whole as read_whole};
pub(crate) use call::{Answer, Opened, Sends, Transport, no_content};
pub(crate) use clocks::{Call, Clocks, timeout};
pub(crate) use http::{HttpWire, Trust};
pub(crate) use media_type::{is_event_stream, media_type};
pub(crate) use sse::BOM;
pub(crate) use wire::{Accept, Body, BodyRead, Repeat, Request, Response, Wire};
