//! What `retry-after` asks for (wire.md 5.5, faults.md 1.1).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// The `retry-after` of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pushback {
    /// No such header.
    #[default]
    Absent,
    /// The header is there, but says nothing usable: a repeat is asked for, after the ordinary pause.
    Unreadable,
    /// Not before this time is over.
    After(Duration),
}

/// Reads `retry-after`; `now` is wall-clock time, for HTTP dates. Of several headers, the longest wait counts.
pub(crate) fn pushback(headers: &HeaderMap, now: SystemTime) -> Pushback {
    let values = headers.get_all(RETRY_AFTER);
    let longest = values.iter().filter_map(|value| wait_of(value.to_str().ok()?.trim(), now)).max();
    match longest {
        Some(wait) => Pushback::After(wait),
        None if values.iter().next().is_some() => Pushback::Unreadable,
        None => Pushback::Absent,
    }
}

/// Seconds, also decimal, or an HTTP date; a date that has passed is no wait.
fn wait_of(text: &str, now: SystemTime) -> Option<Duration> {
    // Digits and one point only: Rust's own parser would also take a sign, `1e5`, `inf` and `nan`.
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Duration::try_from_secs_f64(text.parse().ok()?).ok();
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}
