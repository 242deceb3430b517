//! `retry-after`: a length of time or nothing, and no wait longer than the text can mean.

use std::time::{Duration, SystemTime};

use inferencekey_core::fuzzing::retry_after;

pub(crate) fn run(input: &[u8]) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let wait = retry_after(input, now);
    assert_eq!(wait, retry_after(input, now));
    let text = String::from_utf8_lossy(input);
    if text.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(seconds) = text.parse::<u32>()
    {
        assert_eq!(wait, Some(Duration::from_secs(seconds.into())));
    }
    if text.starts_with(['-', '+']) {
        assert_eq!(wait, None);
    }
}
