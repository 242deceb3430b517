//! The scripted double of the network: what it answers is data, what reached it is a journal. Runs on virtual time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::wire::{Body, Sending};
use super::{BodyRead, Call, Request, Response, Wire};
use crate::driver::testing::{pass, stop_clock};
use crate::driver::{now, sleep, wait_until};
use crate::error::{Class, Error, Stage, code};

/// One send as the double saw it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// `GET /api/projects/p/workloads`.
    pub(crate) line: String,
    /// The body as JSON; null without one.
    pub(crate) body: Value,
    pub(crate) idempotency_key: Option<String>,
    /// Since the script was made.
    pub(crate) at: Duration,
    /// What became of the answer's body.
    pub(crate) fate: Fate,
}

/// What became of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Still being read, or there was none.
    Open,
    /// Read to its end: the connection may be used again.
    Drained,
    /// Given back before its end: the connection may be used again once that is here.
    LetGo,
    /// Dropped before its end: the connection is closed.
    Closed,
}

/// One piece of an answer's body.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Bytes(Bytes),
    Pause(Duration),
    /// A second's worth of a flood: bytes that are always here already, so that nobody ever waits for them.
    Flood(Bytes),
    /// The connection breaks here.
    Cut,
    /// Nothing ever comes, not even an end.
    Hang,
}

impl Piece {
    pub(crate) fn text(text: &str) -> Self {
        Self::Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// A flood of `text` for so many seconds.
    pub(crate) fn flood(text: &str, seconds: usize) -> Vec<Self> {
        vec![Self::Flood(Bytes::copy_from_slice(text.as_bytes())); seconds]
    }

    pub(crate) fn pause(seconds: f64) -> Self {
        Self::Pause(Duration::from_secs_f64(seconds))
    }
}

/// What the double does with one send.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: HeaderMap,
        after: Duration,
        body: Vec<Piece>,
    },
    /// Fails at this stage.
    Fail(Stage),
    /// Nothing ever comes.
    Silence,
}

impl Reply {
    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::typed(status, "application/json", vec![Piece::text(body)])
    }

    /// An event stream.
    pub(crate) fn events(body: impl IntoIterator<Item = Piece>) -> Self {
        Self::typed(200, "text/event-stream", body.into_iter().collect())
    }

    /// An event stream that arrives at once and ends.
    pub(crate) fn stream(body: &str) -> Self {
        Self::events([Piece::text(body)])
    }

    pub(crate) fn typed(status: u16, content_type: &'static str, body: Vec<Piece>) -> Self {
        Self::untyped(status, body).header("content-type", content_type)
    }

    /// An answer that does not say what it is.
    pub(crate) fn untyped(status: u16, body: Vec<Piece>) -> Self {
        Self::Answer { status, headers: HeaderMap::new(), after: Duration::ZERO, body }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        self
    }

    /// The head comes so many seconds after the request.
    pub(crate) fn late(mut self, seconds: f64) -> Self {
        if let Self::Answer { after, .. } = &mut self {
            *after = Duration::from_secs_f64(seconds);
        }
        self
    }
}

type Serve = Box<dyn FnMut(&Sent) -> Reply + Send>;

/// A [`Wire`] that plays a script.
pub(crate) struct Script {
    start: Instant,
    serve: Mutex<Serve>,
    journal: Arc<Mutex<Vec<Sent>>>,
}

impl Script {
    /// Answers one send after the other; one send too many is a failed test.
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        let mut replies: VecDeque<_> = replies.into_iter().collect();
        Self::serving(move |sent| {
            replies.pop_front().unwrap_or_else(|| panic!("the script has no reply to {sent:?}"))
        })
    }

    /// Answers by a rule.
    pub(crate) fn serving(serve: impl FnMut(&Sent) -> Reply + Send + 'static) -> Arc<Self> {
        let serve: Serve = Box::new(serve);
        stop_clock();
        Arc::new(Self { start: now(), serve: Mutex::new(serve), journal: Arc::default() })
    }

    /// Every send so far.
    pub(crate) fn journal(&self) -> Vec<Sent> {
        lock(&self.journal).clone()
    }

    /// The request lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.journal().into_iter().map(|sent| sent.line).collect()
    }

    /// When each send came, in whole seconds since the start.
    pub(crate) fn seconds(&self) -> Vec<u64> {
        self.journal().into_iter().map(|sent| sent.at.as_secs()).collect()
    }

    fn note(&self, request: &Request) -> (usize, Reply) {
        let body = request
            .body
            .as_ref()
            .map(|body| serde_json::from_slice(body).expect("a request's body is JSON"));
        let sent = Sent {
            line: format!("{} {}", request.method, request.path),
            body: body.unwrap_or_default(),
            idempotency_key: request.idempotency_key.clone(),
            at: now().saturating_duration_since(self.start),
            fate: Fate::Open,
        };
        let reply = lock(&self.serve)(&sent);
        let mut journal = lock(&self.journal);
        journal.push(sent);
        (journal.len() - 1, reply)
    }
}

impl Wire for Script {
    fn send<'a>(&'a self, request: &'a Request, call: &'a Call) -> Sending<'a> {
        Box::pin(async move {
            call.mark_sent();
            let (index, reply) = self.note(request);
            match reply {
                Reply::Answer { status, headers, after, body } => {
                    sleep(after).await;
                    let journal = Arc::clone(&self.journal);
                    let body: Body =
                        Box::new(Scripted { pieces: body.into(), until: None, index, journal });
                    Ok(Response { status, headers, body })
                }
                Reply::Fail(stage) => Err(failure(stage)),
                Reply::Silence => {
                    sleep(Duration::from_secs(1 << 30)).await;
                    Err(failure(Stage::Lost))
                }
            }
        })
    }
}

fn failure(stage: Stage) -> Error {
    let (code, words) = match stage {
        Stage::NotSent => (code::CONNECTION_FAILED, "connection refused"),
        _ => (code::CONNECTION_LOST, "connection reset by peer"),
    };
    Error::new(Class::ConnectionFailed, code, words).stage(stage)
}

struct Scripted {
    pieces: VecDeque<Piece>,
    /// End of the pause that is running.
    until: Option<Instant>,
    index: usize,
    journal: Arc<Mutex<Vec<Sent>>>,
}

impl Scripted {
    fn settle(&self, fate: Fate) {
        let sent = &mut lock(&self.journal)[self.index];
        if sent.fate == Fate::Open {
            sent.fate = fate;
        }
    }
}

impl BodyRead for Scripted {
    fn poll_bytes(&mut self, _context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            if let Some(until) = self.until {
                if now() < until {
                    wait_until(until);
                    return Poll::Pending;
                }
                self.until = None;
            }
            match self.pieces.pop_front() {
                Some(Piece::Bytes(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Some(Piece::Flood(bytes)) => {
                    pass(Duration::from_secs(1));
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Piece::Pause(pause)) => self.until = Some(now() + pause),
                Some(Piece::Cut) => return Poll::Ready(Some(Err(failure(Stage::Cut)))),
                Some(Piece::Hang) => {
                    self.until = Some(now() + Duration::from_secs(1 << 30));
                    self.pieces.push_front(Piece::Hang);
                }
                None => {
                    self.settle(Fate::Drained);
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn let_go(self: Box<Self>) {
        self.settle(Fate::LetGo);
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.settle(Fate::Closed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
