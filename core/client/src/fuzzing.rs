//! What fuzz targets reach of the rules: functions over bytes with plain answers. Here only with the feature `fuzzing`, which
//! no library that is shipped has.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use http::header::RETRY_AFTER;
use serde_json::Value;

use crate::control::drift;
use crate::error::Error;
use crate::error::pushback::{Pushback, pushback};
use crate::secret::Secret;
use crate::spec::WorkloadSpec;
use crate::transport::sse::Parser;

/// The frames of an event stream that arrives in `pieces`, up to `[DONE]`: the data of each, and whether it is an error event.
///
/// # Errors
/// As a stream has them: a frame beyond the limit.
pub fn frames<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<(Vec<u8>, bool)>, Error> {
    let mut parser = Parser::default();
    let mut frames = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        while let Some(frame) = parser.next()? {
            frames.push((frame.data.to_vec(), frame.is_error));
            if frame.is_done() {
                return Ok(frames);
            }
        }
    }
    if let Some(frame) = parser.finish()? {
        frames.push((frame.data.to_vec(), frame.is_error));
    }
    Ok(frames)
}

/// The wait that a `retry-after` header asks for; `None` if it cannot be a header, or says nothing usable.
pub fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    let value = HeaderValue::from_bytes(value).ok()?;
    match pushback(&[(RETRY_AFTER, value)].into_iter().collect(), now) {
        Pushback::After(wait) => Some(wait),
        Pushback::Unreadable | Pushback::Absent => None,
    }
}

/// The paths that differ between a spec and a live workload, both JSON objects: before the difference is written, and after.
/// `None` for what is no spec or no workload.
pub fn drift_before_and_after(spec: &[u8], live: &[u8]) -> Option<(Vec<String>, Vec<String>)> {
    let spec = serde_json::from_slice(spec).ok()?;
    let spec = WorkloadSpec::from_json(&spec, &Secret::new("ik_sdk_fuzz")).ok()?;
    let Ok(Value::Object(mut live)) = serde_json::from_slice(live) else { return None };
    let drift = drift::compare(&spec, &live);
    let paths = |changes: &[crate::control::Change]| {
        changes.iter().map(|change| change.path.clone()).collect::<Vec<_>>()
    };
    let before = paths(&drift.changes);
    live.extend(drift.patch);
    Some((before, paths(&drift::compare(&spec, &live).changes)))
}
