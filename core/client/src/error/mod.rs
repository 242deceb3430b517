//! One error type for everything that can go wrong, as data (wire.md 5).

pub(crate) mod answer;
mod body;
mod class;
pub(crate) mod code;
pub(crate) mod exhaustion;
pub(crate) mod pushback;
mod redact;
mod shown;
mod text;

pub use class::Class;
pub(crate) use redact::mask;

use std::any::Any;
use std::fmt;
use std::ops::{Deref, DerefMut};

use serde_json::Value;

use crate::error::pushback::Pushback;

/// What went wrong, with every attribute of wire.md 5.3. Boxed, so that `Result` stays small.
pub struct Error(Box<Details>);

/// The attributes of an [`Error`]; `None` where one does not apply.
#[derive(Debug, Clone)]
pub struct Details {
    /// Which class of wire.md 5.1 the host raises.
    pub class: Class,
    /// Code string of wire.md 5.2.
    pub code: &'static str,
    /// What happened, in words, without operation, status and host: those are added by [`Error::message`].
    pub words: String,
    /// The server's own code string.
    pub api_code: Option<String>,
    /// HTTP status, if there was a response.
    pub status: Option<u16>,
    /// Requests sent for this call, if any.
    pub attempts: Option<u32>,
    /// `x-request-id`, else `request-id`.
    pub request_id: Option<String>,
    /// May the same call sensibly be made again.
    pub retryable: bool,
    /// Pushback, in seconds.
    pub retry_after: Option<f64>,
    /// Answer text, redacted, at most 64 KiB.
    pub body: Option<String>,
    /// `host[:port]`.
    pub host: Option<String>,
    /// Operation name, as in `docs/c-api.md`.
    pub operation: Option<&'static str>,
    /// The argument or spec field at fault.
    pub field: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// What only some classes carry.
    pub extra: Extra,
    /// How far the request had come: the retry rule's input, not shown to callers.
    pub(crate) stage: Stage,
    /// Did an earlier send of the same request perhaps take effect? Decides what a 404 means (wire.md 2.10).
    pub(crate) repeated: bool,
    /// The answer's `retry-after`, as the retry rule sees it.
    pub(crate) pushback: Pushback,
}

/// Attributes that belong to some classes only.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// `DriftError`, `PlanStale`: the plan, as JSON.
    pub plan: Option<Value>,
    /// Stream errors: the text that had arrived.
    pub partial_text: Option<String>,
    /// `WorkloadFailed`: phase, step and the last events, as JSON.
    pub readiness: Option<Value>,
    /// `LimitExceeded`: name of the limit.
    pub limit: Option<&'static str>,
    /// `Timeout`: which clock ran out.
    pub clock: Option<&'static str>,
    /// Errors about a file of specs: line and column of the first problem, both from 1.
    pub place: Option<(usize, usize)>,
    /// The same: each problem with its place.
    pub problems: Vec<String>,
}

/// How far a request had come when it failed (rows and columns of wire.md 5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Local check, or an outcome that no repeat can change.
    Local,
    /// Refused, DNS, TCP or TLS not finished: nothing was processed.
    NotSent,
    /// A reused connection died without a byte, at once: the request hardly arrived, but nobody can be sure.
    Stale,
    /// Sent, and lost before any response byte.
    Lost,
    /// Cut after a response byte.
    Cut,
    /// A whole response head arrived: the status decides.
    Answered,
}

impl Error {
    /// A new error with empty attributes.
    pub(crate) fn new(class: Class, code: &'static str, words: impl Into<String>) -> Self {
        Self(Box::new(Details {
            class,
            code,
            words: words.into(),
            api_code: None,
            status: None,
            attempts: None,
            request_id: None,
            retryable: class.is_passing(),
            retry_after: None,
            body: None,
            host: None,
            operation: None,
            field: None,
            hint: None,
            extra: Extra::default(),
            stage: Stage::Local,
            repeated: false,
            pushback: Pushback::Absent,
        }))
    }

    /// `InternalError`: a panic that was caught, with its words.
    pub fn panicked(panic: &(dyn Any + Send)) -> Self {
        let words = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        let words = format!("a defect in the library was caught: {words}");
        Self::new(Class::InternalError, code::INTERNAL_ERROR, words)
    }

    /// `InternalError`: the system has no memory left for `what`.
    pub fn out_of_memory(what: &str) -> Self {
        let words = format!("not enough memory for {what}");
        Self::new(Class::InternalError, code::INTERNAL_ERROR, words)
    }

    /// `ConfigurationError`: raised before any request.
    pub(crate) fn configuration(code: &'static str, words: impl Into<String>) -> Self {
        Self::new(Class::ConfigurationError, code, words)
    }

    /// `ValidationError invalid_argument` about `field`.
    pub(crate) fn invalid(field: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(Class::ValidationError, code::INVALID_ARGUMENT, words).at(field)
    }

    /// `LimitExceeded`, with the limit's name of faults.md 1.2; `words` say what is beyond it.
    pub(crate) fn limit(limit: &'static str, words: &str) -> Self {
        let words = format!("{words} (limit `{limit}`)");
        let mut error = Self::new(Class::LimitExceeded, code::LIMIT_EXCEEDED, words);
        error.extra.limit = Some(limit);
        error
    }

    /// Names the argument or spec field at fault.
    pub(crate) fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Says how far the request had come.
    pub(crate) fn stage(mut self, stage: Stage) -> Self {
        self.0.stage = stage;
        let on_the_way = !matches!(stage, Stage::Local | Stage::Answered);
        self.0.retryable |= on_the_way && !self.0.class.is_lasting();
        self
    }
}

impl Deref for Error {
    type Target = Details;
    fn deref(&self) -> &Details {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Error {}
