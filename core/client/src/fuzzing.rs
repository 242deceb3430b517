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
use crate::transport::http::answer::Answer;
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

/// What an HTTP answer that arrives in `pieces` goes beyond, if anything; and how many of its bytes come before that.
pub fn answer_limits<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Option<&'static str>, usize) {
    let mut answer = Answer::default();
    let handed_on = pieces.into_iter().map(|piece| answer.feed(piece)).sum();
    (answer.excess().map(|excess| excess.told().0), handed_on)
}

/// The wait that `retry-after` headers ask for; `None` if none of them can be a header and says something usable.
pub fn retry_after<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
    now: SystemTime,
) -> Option<Duration> {
    let values = values.into_iter().filter_map(|value| HeaderValue::from_bytes(value).ok());
    match pushback(&values.map(|value| (RETRY_AFTER, value)).collect(), now) {
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
    let fields = |live: &serde_json::Map<String, Value>| {
        serde_json::from_value(Value::Object(live.clone())).ok()
    };
    let drift = drift::compare(&spec, &fields(&live)?);
    let paths = |changes: &[crate::control::Change]| {
        changes.iter().map(|change| change.path.clone()).collect::<Vec<_>>()
    };
    let before = paths(&drift.changes);
    live.extend(drift.patch);
    Some((before, paths(&drift::compare(&spec, &fields(&live)?).changes)))
}
