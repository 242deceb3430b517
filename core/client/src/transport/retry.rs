//! When a request is sent again, and how long that waits (wire.md 5.5, faults.md 1.1). Clock and random come from outside.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::Repeat;
use crate::error::Error;

/// The `retry-after` of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pushback {
    /// No such header.
    #[default]
    Absent,
    /// The header is there, but says nothing usable: the ordinary pause applies.
    Unreadable,
    /// Not before this time is over.
    After(Duration),
}

/// Reads `retry-after`; `now` is wall-clock time, for HTTP dates.
pub(crate) fn pushback(headers: &HeaderMap, now: SystemTime) -> Pushback {
    unimplemented!("{headers:?} {now:?}")
}

/// Pause number `k` (from 1); `random` in 0..1.
pub(crate) fn pause(k: u32, random: f64) -> Duration {
    unimplemented!("{k} {random}")
}

/// How far one call has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Progress {
    /// Sends that count against `retries`, the failed one included.
    pub(crate) sends: u32,
    /// Waits for a warming endpoint so far.
    pub(crate) warmings: u32,
    /// Until the call's deadline; `None` is for ever.
    pub(crate) left: Option<Duration>,
    /// Until `cold_start` is used up; `None` is for ever.
    pub(crate) cold_start_left: Option<Duration>,
}

/// What to do about a failed send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Raise the error.
    Surface,
    /// Send again after `pause`, if the budget pays `cost`.
    Again { pause: Duration, cost: u32 },
    /// The endpoint is warming: send again after `pause`; counts neither as a retry nor against the budget.
    Warm { pause: Duration },
}

/// The rule; `random` in 0..1.
pub(crate) fn decision(
    error: &Error,
    repeat: Repeat,
    retries: u32,
    progress: Progress,
    random: f64,
) -> Decision {
    unimplemented!("{error:?} {repeat:?} {retries} {progress:?} {random}")
}

/// The token bucket that all calls of a client share: a dead server must not multiply traffic.
#[derive(Debug)]
pub(crate) struct Budget {}

impl Budget {
    /// A full one.
    pub(crate) fn new() -> Self {
        Self {}
    }

    /// Takes `cost` out; `false` (and nothing taken) if there is not enough.
    pub(crate) fn pay(&self, cost: u32) -> bool {
        unimplemented!("{cost}")
    }

    /// A call succeeded: one token comes back.
    pub(crate) fn succeeded(&self) {
        unimplemented!()
    }
}
