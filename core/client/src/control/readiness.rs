//! Readiness events: what a frame or a live workload says, and when to ask again (wire.md 2.11).

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::list::Fields;
use crate::error::answer::{self, Place};
use crate::error::pushback::Pushback;
use crate::error::{Class, Error, Stage, mask};
use crate::secret::Secret;
use crate::transport::sse::Frame;

/// What the platform says about a workload on its way to `ready`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Progress {
    pub(super) phase: String,
    pub(super) message: String,
    pub(super) elapsed_ms: i64,
    pub(super) step: Option<String>,
}

/// What a phase means for the wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Ready,
    Failed,
    /// Still on its way, or unknown.
    Other,
}

const KNOWN_PHASES: [&str; 5] = ["scheduling", "provisioning", "bootstrapping", "ready", "error"];

impl Progress {
    pub(super) fn phase(&self) -> Phase {
        match self.phase.as_str() {
            "ready" => Phase::Ready,
            "error" => Phase::Failed,
            _ => Phase::Other,
        }
    }

    /// The same with tokens masked: an engine's last words may hold one.
    pub(super) fn masked(self, token: &Secret) -> Self {
        let mask = |text: String| mask(&text, &[token]);
        Self { message: mask(self.message), step: self.step.map(mask), ..self }
    }

    /// `None` if no phase is told.
    fn read(fields: &Map<String, Value>) -> Option<Self> {
        let phase = fields.get("phase")?.as_str()?.to_owned();
        Some(Self { phase, ..Self::without_phase(|key| fields.get(key)) })
    }

    /// From a workload in the list, if one of the usual keys names a known phase.
    pub(super) fn of_workload(fields: &Fields) -> Option<Self> {
        let phase = ["phase", "status", "state"]
            .iter()
            .filter_map(|key| fields.get(key)?.as_str())
            .find(|phase| KNOWN_PHASES.contains(phase))?
            .to_owned();
        Some(Self { phase, ..Self::without_phase(|key| fields.get(key)) })
    }

    fn without_phase<'a>(get: impl Fn(&str) -> Option<&'a Value>) -> Self {
        let message = get("message").and_then(Value::as_str).unwrap_or_default();
        let step = match get("step") {
            Some(Value::String(step)) => Some(step.clone()),
            Some(Value::Number(step)) => Some(step.to_string()),
            _ => None,
        };
        let elapsed_ms = get("elapsed_ms").map_or(0, integer);
        Self { phase: String::new(), message: message.to_owned(), elapsed_ms, step }
    }
}

/// Any number as an integer: the part before the point, at most what 64 bits hold.
fn integer(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_f64().map(|number| number as i64)).unwrap_or(0)
}

/// Characters of a skipped frame that are told.
const SHOWN_OF_SKIPPED: usize = 200;

/// What a frame is.
#[derive(Debug)]
pub(super) enum Reading {
    Progress(Progress),
    Failed(Error),
    /// It says nothing that is known: the beginning of its data, tokens masked.
    Skipped(String),
    /// `[DONE]`: it only proves the connection alive.
    Nothing,
}

/// Reads one frame of the stream.
pub(super) fn read(frame: &Frame<'_>, token: &Secret) -> Reading {
    if frame.is_error {
        let text = String::from_utf8_lossy(frame.data);
        return Reading::Failed(answer::from_frame(&text, &[token]));
    }
    if frame.is_done() {
        return Reading::Nothing;
    }
    let value = serde_json::from_slice(frame.data).unwrap_or(Value::Null);
    if let Some(progress) = value.as_object().and_then(Progress::read) {
        return Reading::Progress(progress);
    }
    answer::in_body(&value, Place::Frame, &[token])
        .map_or_else(|| skipped(frame.data, token), Reading::Failed)
}

fn skipped(data: &[u8], token: &Secret) -> Reading {
    let masked = mask(&String::from_utf8_lossy(data), &[token]);
    Reading::Skipped(masked.chars().take(SHOWN_OF_SKIPPED).collect())
}

/// What the failure of the stream's request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Reopen,
    /// The platform may have no such route: the list tells.
    AskTheList,
    Raise,
}

/// The rows "Reopen", "Fatal at once" and "Fallback".
pub(super) fn after(error: &Error) -> Next {
    // A cut answer has a status too, but it was not what went wrong.
    let status = error.status.filter(|_| error.stage == Stage::Answered);
    match (status, error.class) {
        (Some(408 | 429 | 502 | 503 | 504), _) => Next::Reopen,
        (Some(404 | 405 | 501), _) => Next::AskTheList,
        (Some(_), _) => Next::Raise,
        (None, Class::TlsError | Class::ConfigurationError | Class::ValidationError) => Next::Raise,
        // It forbids this host, or its own certificate was refused.
        (None, Class::ProxyError) if !error.retryable => Next::Raise,
        (None, _) => Next::Reopen,
    }
}

/// Pauses before the stream is opened again: 1, 2, 4, 5, 5, … s.
#[derive(Debug, Default)]
pub(super) struct Pauses(usize);

impl Pauses {
    const SECONDS: [u64; 4] = [1, 2, 4, 5];

    /// An event came: the next pause is 1 s again.
    pub(super) fn restart(&mut self) {
        self.0 = 0;
    }

    /// The next pause; a 429 says itself how long.
    pub(super) fn next(&mut self, failure: &Error) -> Duration {
        let seconds = Self::SECONDS[self.0.min(Self::SECONDS.len() - 1)];
        self.0 += 1;
        match (failure.status, failure.pushback) {
            (Some(429), Pushback::After(pause)) => pause,
            _ => Duration::from_secs(seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::{Stage, code};

    fn progress(data: &str) -> Option<Progress> {
        let frame = Frame { data: data.as_bytes(), is_error: false };
        match read(&frame, &Secret::new("token")) {
            Reading::Progress(progress) => Some(progress),
            Reading::Nothing | Reading::Skipped(_) => None,
            Reading::Failed(error) => panic!("{data}: {error}"),
        }
    }

    #[test]
    fn an_event_needs_a_phase_and_nothing_else() {
        for (data, expected) in [
            (
                r#"{"phase":"ready","message":"up","elapsed_ms":1200,"step":"health"}"#,
                json!({"phase":"ready","message":"up","elapsed_ms":1200,"step":"health"}),
            ),
            (
                r#"{"phase":"later","elapsed_ms":12.7,"step":3,"more":{}}"#,
                json!({"phase":"later","message":"","elapsed_ms":12,"step":"3"}),
            ),
            (
                r#"{"phase":"ready","message":null,"elapsed_ms":"1","step":null}"#,
                json!({"phase":"ready","message":"","elapsed_ms":0,"step":null}),
            ),
            (
                r#"{"phase":"ready","elapsed_ms":1e99,"error":null}"#,
                json!({"phase":"ready","message":"","elapsed_ms":i64::MAX,"step":null}),
            ),
        ] {
            let read = progress(data).map(|progress| serde_json::to_value(progress).ok());
            assert_eq!(read, Some(Some(expected)), "{data}");
        }
    }

    #[test]
    fn a_workload_tells_its_phase_under_a_usual_key() {
        for (fields, phase) in [
            (json!({"phase": "ready"}), Some("ready")),
            (json!({"status": "active", "state": "error", "message": "x"}), Some("error")),
            (json!({"status": "active"}), None),
            (json!({"state": 7}), None),
        ] {
            let live = serde_json::from_value(fields.clone()).expect("an object");
            let progress = Progress::of_workload(&live);
            assert_eq!(progress.map(|progress| progress.phase).as_deref(), phase, "{fields}");
        }
    }

    #[test]
    fn a_failure_reopens_falls_back_or_is_raised() {
        let error = |class, status| {
            let mut error = Error::new(class, code::HTTP_ERROR, "x").stage(Stage::Answered);
            error.status = status;
            error
        };
        for status in [408, 429, 502, 503, 504] {
            assert_eq!(after(&error(Class::ApiError, Some(status))), Next::Reopen, "{status}");
        }
        for status in [404, 405, 501] {
            assert_eq!(after(&error(Class::ApiError, Some(status))), Next::AskTheList, "{status}");
        }
        for status in [302, 400, 401, 403, 409, 418, 500, 505] {
            assert_eq!(after(&error(Class::ApiError, Some(status))), Next::Raise, "{status}");
        }
        for class in [Class::ConnectionFailed, Class::StreamStalled] {
            assert_eq!(after(&error(class, None)), Next::Reopen, "{class:?}");
        }
        for class in [Class::TlsError, Class::ProxyError] {
            assert_eq!(after(&error(class, None)), Next::Raise, "{class:?}");
        }
        let down = error(Class::ProxyError, None).stage(Stage::NotSent);
        assert_eq!(after(&down), Next::Reopen);
    }

    #[test]
    fn pauses_grow_to_five_seconds_and_start_again_after_an_event() {
        let mut pauses = Pauses::default();
        let lost = Error::new(Class::ConnectionFailed, code::CONNECTION_LOST, "x");
        let seconds = |pauses: &mut Pauses| pauses.next(&lost).as_secs();
        assert_eq!([(); 6].map(|()| seconds(&mut pauses)), [1, 2, 4, 5, 5, 5]);
        pauses.restart();
        assert_eq!([(); 2].map(|()| seconds(&mut pauses)), [1, 2]);

        let mut busy = Error::new(Class::RateLimited, code::RATE_LIMITED, "x");
        busy.status = Some(429);
        busy.pushback = Pushback::After(Duration::from_secs(17));
        assert_eq!(pauses.next(&busy).as_secs(), 17);
    }
}
