//! The rules of the InferenceKey SDK, once, for every language.
//!
//! A request flows through the modules in this order:
//! [`config`] (where values come from) → [`spec`] (what the caller wishes) → [`control`] or [`data`] (one file per
//! operation) → [`transport`] (sends, retries, clocks) → [`error`]. The two planes never import each other, only
//! `transport` knows sockets, and [`driver`] is the one place that waits.
#![forbid(unsafe_code)]

mod client;
mod config;
mod control;
mod data;
mod driver;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod journal;
mod json;
mod memory;
mod operation;
mod operations;
mod queue;
mod raw;
mod secret;
mod shared;
mod spec;
mod spec_file;
mod threads;
mod transport;

pub use client::Client;
pub use error::{Class, Details, Error};
pub use journal::Note;
pub use json::push_string as push_json_string;
pub use operation::{CancelToken, Event, EventKind, Next, Operation, Vectors};
pub use queue::{Queue, Taken};
pub use raw::Raw;
pub use secret::Secret;
pub use spec_file::read_specs;
pub use threads::{Spawn, spawn_threads_by};

/// Version of the core, as sent in the `user-agent` header.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
