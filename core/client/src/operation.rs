//! One operation as the caller sees it: events, then exactly one end.
//!
//! An operation is a future that puts events into a small outbox. Nobody runs it behind the caller's back: it moves on
//! while [`Operation::next`] drives it on the calling thread, or while a queue's reactor polls it. So a slow host is
//! back-pressure by itself: what is not asked for is not read from the socket.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::driver::block::{Driven, drive};
use crate::driver::{Deadline, give_way, now};
use crate::error::{Class, Error, code};
use crate::raw::Raw;

/// What an event brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A stream's response head arrived and is good.
    Open,
    /// Results.
    Data,
    /// What the operation goes through on its way; only if the client's option `notices` asks for it.
    Notice,
}

/// A part of an operation's result.
#[derive(Debug, Clone)]
pub struct Event {
    /// What it brings.
    pub kind: EventKind,
    /// A small JSON object; its keys are listed per operation in `docs/c-api.md`.
    pub head: Vec<u8>,
    /// The answer's bytes as they arrived; empty if there are none.
    pub raw: Raw,
    /// Rows of numbers, if the operation makes some.
    pub vectors: Option<Vectors>,
}

/// Rows of equal length in one contiguous buffer.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// `rows × columns` numbers, row after row.
    pub values: Vec<f64>,
    /// Numbers in a row.
    pub columns: usize,
}

/// What [`Operation::next`] found.
#[derive(Debug)]
pub enum Next {
    /// An event.
    Event(Event),
    /// Nothing within the time given, or a signal arrived: ask again.
    Nothing,
    /// The operation is over.
    End,
}

/// Ends operations from any thread. Clones are the same token.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Ends every operation that has this token, within 100 ms, as `Cancelled`.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Has it been used?
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Fills into an operation's errors what is the same for all of them: its name, where it goes, what it has sent.
pub(crate) trait Sign: Send + Sync {
    fn sign(&self, error: &mut Error);
}

type Work = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// One call as the caller sees it. Dropping it closes its socket at once.
pub struct Operation {
    work: Option<Work>,
    outbox: Outbox,
    signs: Arc<dyn Sign>,
    own_stop: CancelToken,
    stops: Vec<CancelToken>,
}

impl Operation {
    /// `work` puts its events into `outbox`. `stops`: the caller's token, if there is one, and the one that closing the
    /// client uses.
    pub(crate) fn new<W>(
        outbox: Outbox,
        signs: Arc<dyn Sign>,
        stops: Vec<CancelToken>,
        work: W,
    ) -> Self
    where
        W: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let work: Work = Box::pin(work);
        Self { work: Some(work), outbox, signs, own_stop: CancelToken::default(), stops }
    }

    /// The next event, driving the operation on this thread for at most `wait` (`None`: for ever).
    /// Returns [`Next::Nothing`] early when a signal arrives, so that the host can run its handlers.
    pub fn next(&mut self, wait: Option<Duration>) -> Result<Next, Error> {
        match drive(Deadline::after(wait), |context| self.poll_next(context)) {
            Driven::Ready(Some(Ok(event))) => Ok(Next::Event(event)),
            Driven::Ready(Some(Err(error))) => Err(error),
            Driven::Ready(None) => Ok(Next::End),
            Driven::Elapsed | Driven::Interrupted => Ok(Next::Nothing),
        }
    }

    /// The next event; `None` after the end. An error is given once, then the end.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, Error>>> {
        if self.work.is_some() && self.is_cancelled() {
            return Poll::Ready(Some(Err(self.end_as_cancelled())));
        }
        if let Some(event) = self.outbox.take() {
            return Poll::Ready(Some(Ok(event)));
        }
        let Some(work) = self.work.as_mut() else {
            return Poll::Ready(None);
        };
        let ended = work.as_mut().poll(context);
        // Closing a client ends its connections, which must not look like a failure of the server.
        if self.is_cancelled() {
            return Poll::Ready(Some(Err(self.end_as_cancelled())));
        }
        if ended.is_ready() {
            self.work = None;
        }
        match (self.outbox.take(), ended) {
            (Some(event), Poll::Ready(Err(error))) => {
                self.work = Some(Box::pin(async move { Err(error) }));
                Poll::Ready(Some(Ok(event)))
            }
            (Some(event), _) => Poll::Ready(Some(Ok(event))),
            (None, Poll::Ready(Ok(()))) => Poll::Ready(None),
            (None, Poll::Ready(Err(error))) => Poll::Ready(Some(Err(self.signed(error)))),
            (None, Poll::Pending) => Poll::Pending,
        }
    }

    pub(crate) fn outbox(&self) -> Outbox {
        self.outbox.clone()
    }

    /// Ends this operation from any thread.
    pub fn cancel_token(&self) -> CancelToken {
        self.own_stop.clone()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.own_stop.is_cancelled() || self.stops.iter().any(CancelToken::is_cancelled)
    }

    fn end_as_cancelled(&mut self) -> Error {
        self.work = None;
        self.outbox.lock().event = None;
        self.signed(Error::new(Class::Cancelled, code::CANCELLED, "cancelled by the caller"))
    }

    fn signed(&self, mut error: Error) -> Error {
        self.signs.sign(&mut error);
        error
    }
}

/// Where an operation puts its events; holds one until it is taken.
#[derive(Clone, Default)]
pub(crate) struct Outbox(Arc<Mutex<OutboxState>>);

#[derive(Default)]
struct OutboxState {
    event: Option<Event>,
    waiting: Option<Waker>,
    excused: Duration,
}

impl Outbox {
    /// Completes once `event` is in the outbox; waits while the one before is still there.
    pub(crate) async fn put(&self, event: Event) {
        let mut event = Some(event);
        poll_fn(|context| {
            let mut state = self.lock();
            if state.event.is_some() {
                state.waiting = Some(context.waker().clone());
                return Poll::Pending;
            }
            state.event = event.take();
            Poll::Ready(())
        })
        .await;
    }

    /// [`Self::put`], then back once the caller asks for more. How long that took is the caller's own time, which is no
    /// stall of the platform's (wire.md 3.2).
    pub(crate) async fn hand_over(&self, event: Event) -> Duration {
        let before = now();
        self.put(event).await;
        give_way().await;
        // That is a part of the same time.
        self.excused();
        now().saturating_duration_since(before)
    }

    /// Leaves `time` out of the clocks of a stall: the caller kept the operation from running.
    pub(crate) fn excuse(&self, time: Duration) {
        self.lock().excused += time;
    }

    /// What has been excused since this was last asked.
    pub(crate) fn excused(&self) -> Duration {
        std::mem::take(&mut self.lock().excused)
    }

    fn take(&self) -> Option<Event> {
        let mut state = self.lock();
        let event = state.event.take()?;
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
        Some(event)
    }

    fn lock(&self) -> MutexGuard<'_, OutboxState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(any(test, feature = "test-panic"))]
pub(crate) mod testing {
    use super::*;

    /// For operations whose errors nobody looks at.
    pub(crate) struct Unsigned;

    impl Sign for Unsigned {
        fn sign(&self, _: &mut Error) {}
    }

    /// An operation that nothing stops.
    pub(crate) fn operation<F, W>(work: F) -> Operation
    where
        F: FnOnce(Outbox) -> W,
        W: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let outbox = Outbox::default();
        Operation::new(outbox.clone(), Arc::new(Unsigned), Vec::new(), work(outbox))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(head: &str) -> Event {
        Event { kind: EventKind::Data, head: head.into(), raw: Raw::default(), vectors: None }
    }

    fn next(operation: &mut Operation) -> String {
        match operation.next(Some(Duration::ZERO)) {
            Ok(Next::Event(event)) => String::from_utf8_lossy(&event.head).into_owned(),
            Ok(Next::Nothing) => "nothing".into(),
            Ok(Next::End) => "end".into(),
            Err(error) => error.code.into(),
        }
    }

    fn two_events(last: Result<(), Error>, stops: Vec<CancelToken>) -> Operation {
        let mut operation = testing::operation(|outbox| async move {
            outbox.put(event("1")).await;
            outbox.put(event("2")).await;
            last
        });
        operation.stops = stops;
        operation
    }

    #[test]
    fn every_operation_ends_exactly_once() {
        let mut good = two_events(Ok(()), Vec::new());
        assert_eq!(["1", "2", "end", "end"].map(str::to_owned), [(); 4].map(|()| next(&mut good)));

        let failure = Error::new(Class::ApiError, code::HTTP_ERROR, "refused");
        let mut bad = two_events(Err(failure), Vec::new());
        let seen = [(); 4].map(|()| next(&mut bad));
        assert_eq!(["1", "2", "http_error", "end"].map(str::to_owned), seen);
    }

    #[test]
    fn a_failure_that_the_cancelling_itself_brings_about_is_the_cancelling() {
        let token = CancelToken::default();
        let closing = token.clone();
        let mut operation = testing::operation(|_| async move {
            closing.cancel();
            Err(Error::new(Class::ConnectionFailed, code::CONNECTION_LOST, "its socket is gone"))
        });
        operation.stops = vec![token];
        assert_eq!(["cancelled", "end"].map(str::to_owned), [(); 2].map(|()| next(&mut operation)));
    }

    #[test]
    fn a_cancelled_operation_gives_no_more_events() {
        let token = CancelToken::default();
        let mut operation = two_events(Ok(()), vec![token.clone()]);
        assert_eq!(next(&mut operation), "1");
        token.cancel();
        assert_eq!(["cancelled", "end"].map(str::to_owned), [(); 2].map(|()| next(&mut operation)));
    }
}
