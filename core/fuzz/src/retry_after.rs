//! `retry-after`: a length of time or nothing, and no wait longer than the text can mean.

use std::time::{Duration, SystemTime};

use inferencekey_core::fuzzing::retry_after;

/// Headers, one a line.
pub(crate) fn run(input: &[u8]) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let values = || input.split(|byte| *byte == b'\n');
    let longest = values().filter_map(|value| check(value, now)).max();
    assert_eq!(retry_after(values(), now), longest);
}

/// The wait of one header alone.
fn check(value: &[u8], now: SystemTime) -> Option<Duration> {
    let wait = retry_after([value], now);
    let text = String::from_utf8_lossy(value);
    if text.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(seconds) = text.parse::<u32>()
    {
        assert_eq!(wait, Some(Duration::from_secs(seconds.into())));
    }
    if text.starts_with(['-', '+']) {
        assert_eq!(wait, None);
    }
    wait
}
