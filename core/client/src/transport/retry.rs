//! When a request is sent again, and how long that waits (wire.md 5.5, faults.md 1.1).
//!
//! Rules over values: the clock and the random source come from outside, and nothing here waits.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Repeat;
use crate::error::pushback::Pushback;
use crate::error::{Class, Error, Stage};

/// How often and how long a client tries again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Policy {
    /// Repeats allowed after the first send.
    pub(crate) retries: u32,
    /// The first pause is at most so long and at least a fifth of it; the next ones double.
    pub(crate) first_pause: Duration,
    pub(crate) longest_pause: Duration,
    /// A pushback longer than this is the caller's business: the error surfaces at once.
    pub(crate) longest_pushback: Duration,
    /// Tokens in the bucket that all calls of the client pay their retries from.
    pub(crate) budget: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retries: 2,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(8),
            longest_pushback: Duration::from_secs(120),
            budget: 100,
        }
    }
}

impl Policy {
    /// Pause number `k` (from 1): uniform 0.1 to 0.5 s by default, doubling, at most 8 s. `random` is in 0..1.
    pub(crate) fn pause(&self, k: u32, random: f64) -> Duration {
        // 2^200 × any first pause that a clock shows is past any ceiling, and still a number.
        let doubled = 2_f64.powi(k.saturating_sub(1).min(200).cast_signed());
        let seconds = self.first_pause.as_secs_f64() * (0.2 + 0.8 * random) * doubled;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(self.longest_pause)
    }
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

/// The rule. `random` is in 0..1.
pub(crate) fn decision(
    error: &Error,
    repeat: Repeat,
    policy: &Policy,
    progress: Progress,
    random: f64,
) -> Decision {
    let pause_before = |k| pause_before(error, policy, k, random);
    if error.class == Class::EndpointWarming {
        let pause = pause_before(progress.warmings + 1);
        let pause = pause.and_then(|pause| within_cold_start(error, pause, progress));
        return match pause {
            Some(pause) if in_time(pause, progress.left) => Decision::Warm { pause },
            _ => Decision::Surface,
        };
    }
    let allowed = match again(repeat, Outcome::of(error)) {
        Again::Yes => true,
        Again::IfAsked => error.pushback != Pushback::Absent,
        Again::No => false,
    };
    if !allowed || progress.sends > policy.retries {
        return Decision::Surface;
    }
    match pause_before(progress.sends) {
        Some(pause) if in_time(pause, progress.left) => {
            Decision::Again { pause, cost: cost(error) }
        }
        _ => Decision::Surface,
    }
}

fn in_time(pause: Duration, left: Option<Duration>) -> bool {
    left.is_none_or(|left| pause < left)
}

/// `pause`, if it ends before `cold_start` does. A pause that is ours to choose is cut short, so that an endpoint is asked
/// once more at the end of the time it was given.
fn within_cold_start(error: &Error, pause: Duration, progress: Progress) -> Option<Duration> {
    match progress.cold_start_left {
        Some(Duration::ZERO) => None,
        Some(left) if !matches!(error.pushback, Pushback::After(_)) => Some(pause.min(left)),
        left => Some(pause).filter(|pause| in_time(*pause, left)),
    }
}

/// The pause before send `k` + 1, never less than a pushback; `None` if the server wants more than we wait.
fn pause_before(error: &Error, policy: &Policy, k: u32, random: f64) -> Option<Duration> {
    let ordinary = policy.pause(k, random);
    match error.pushback {
        Pushback::After(wait) if wait > policy.longest_pushback => None,
        Pushback::After(wait) => Some(wait.max(ordinary)),
        Pushback::Unreadable | Pushback::Absent => Some(ordinary),
    }
}

/// A retry after a timeout costs double: the server may still be working on the first one.
fn cost(error: &Error) -> u32 {
    if error.class == Class::Timeout { 10 } else { 5 }
}

/// The columns of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    NotSent,
    Lost,
    /// 429, 503: the server may say when to come back.
    Busy,
    /// 408, 502, 504.
    Unserved,
    Cut,
    /// No repeat can change it.
    Final,
}

impl Outcome {
    fn of(error: &Error) -> Self {
        // All tries of a call share one `connect` and one `total` clock, so there is no time left for another.
        let out_of_time = matches!(error.extra.clock, Some("connect" | "total"));
        if out_of_time || error.class.is_lasting() {
            return Self::Final;
        }
        match (error.stage, error.status) {
            (Stage::NotSent, _) => Self::NotSent,
            (Stage::Stale | Stage::Lost, _) => Self::Lost,
            (Stage::Cut, _) => Self::Cut,
            (Stage::Answered, Some(429 | 503)) => Self::Busy,
            (Stage::Answered, Some(408 | 502 | 504)) => Self::Unserved,
            (Stage::Answered | Stage::Local, _) => Self::Final,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    /// Only with a `retry-after`.
    IfAsked,
    No,
}

/// Rows and cells of faults.md 1.1. What comes after a create or a cut readiness stream is their own callers' business.
fn again(repeat: Repeat, outcome: Outcome) -> Again {
    use Again::{IfAsked, No, Yes};
    #[rustfmt::skip]
    let row = match repeat {
        //                     NotSent Lost Busy     Unserved Cut  Final
        Repeat::Idempotent => [Yes,    Yes, Yes,     Yes,     Yes, No],
        Repeat::OnRequest  => [Yes,    No,  IfAsked, No,      No,  No],
        Repeat::Never      => [Yes,    No,  No,      No,      No,  No],
        Repeat::Reopened   => [No,     No,  No,      No,      No,  No],
    };
    row[outcome as usize]
}

/// The token bucket that all calls of a client share: a dead server must not multiply traffic.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicU32,
    full: u32,
}

impl Budget {
    /// A bucket that is `full` of tokens.
    pub(crate) fn new(full: u32) -> Self {
        Self { left: AtomicU32::new(full), full }
    }

    /// Takes `cost` out; `false`, and nothing taken, if there is not enough.
    pub(crate) fn pay(&self, cost: u32) -> bool {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| tokens.checked_sub(cost))
            .is_ok()
    }

    /// A call succeeded: one token comes back.
    pub(crate) fn succeeded(&self) {
        // Full is the only reason for the update to be refused, and then there is nothing to do.
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| {
            (tokens < self.full).then_some(tokens + 1)
        });
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
