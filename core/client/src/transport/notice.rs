//! What an operation goes through on its way, for hosts that asked to be told (`docs/c-api.md`, "Notices").

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Error;
use crate::operation::{Event, EventKind};
use crate::raw::Raw;

/// Why a request goes out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A repeat that is safe, counted against the client's policy.
    Retry,
    /// The endpoint is warming.
    Warming,
    /// The readiness of a workload is asked for again.
    Reopen,
}

/// A request goes out again after `pause`, because of `error`.
pub(crate) fn again(reason: Reason, error: &Error, pause: Duration) -> Event {
    let reason = match reason {
        Reason::Retry => "retry",
        Reason::Warming => "warming",
        Reason::Reopen => "reopen",
    };
    let pause_ms = pause.as_secs_f64() * 1000.0;
    notice(&json!({"notice": reason, "pause_ms": pause_ms, "error": error.to_value()}))
}

/// A frame of the readiness stream says nothing; `data` is what stands in it, tokens masked.
pub(crate) fn skipped(data: &str) -> Event {
    notice(&json!({"notice": "skipped", "data": data}))
}

/// Of the create of an ephemeral workload. `creating`: it is the next thing that happens, and not before the host asks
/// for another event. `not_created`: it came to nothing, for certain.
pub(crate) fn create(what: &str, project_slug: &str, workload_slug: &str) -> Event {
    let head =
        json!({"notice": what, "project_slug": project_slug, "workload_slug": workload_slug});
    notice(&head)
}

fn notice(head: &Value) -> Event {
    let head = head.to_string().into_bytes();
    Event { kind: EventKind::Notice, head, raw: Raw::default(), vectors: None }
}
