//! The clocks of wire.md 3.2 and the state of one call.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::call::Answered;
use crate::driver::{Deadline, Elapsed, now, wait_until};
use crate::error::{Class, Error, code};
use crate::operation::{Event, Outbox};

/// How long each part of a call may take; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clocks {
    /// DNS, TCP and TLS, all addresses and tries of a call together.
    pub(crate) connect: Option<Duration>,
    /// Streams: from the request sent to the first content.
    pub(crate) first_token: Option<Duration>,
    /// Streams: between contents. Unary: no byte of a response that has begun.
    pub(crate) idle: Option<Duration>,
    /// The whole operation, retries and pauses included.
    pub(crate) total: Option<Duration>,
    /// Waiting out a warming endpoint, inside `total`. Zero: do not wait.
    pub(crate) cold_start: Option<Duration>,
}

/// One operation on its way: what it is called, how long it may take, what it has done so far.
pub(crate) struct Call {
    /// Name shown in errors.
    pub(crate) operation: &'static str,
    pub(crate) clocks: Clocks,
    /// Is the answer a stream of content? Then `first_token` ends the wait for the response's head.
    pub(crate) streaming: bool,
    /// The start of the operation.
    pub(crate) started: Instant,
    /// The end of `clocks.total`, from the start of the operation.
    pub(crate) deadline: Deadline,
    /// Where a host that wants to know is told of repeats.
    pub(crate) notices: Option<Outbox>,
    /// Requests sent so far, over all requests of the operation.
    attempts: Arc<AtomicU32>,
    /// The answer that is being read.
    answered: Arc<Mutex<Option<Answered>>>,
    /// Microseconds of `clocks.connect` used up by earlier tries.
    connecting_us: AtomicU64,
    /// Has a request gone out twice because its connection had died?
    replaced: AtomicBool,
    /// When the last send was written; none while it waits for its connection.
    sent_at: Mutex<Option<Instant>>,
}

impl Call {
    /// Starts the clock of `operation`.
    pub(crate) fn start(operation: &'static str, clocks: Clocks, streaming: bool) -> Self {
        let deadline = Deadline::after(clocks.total);
        Self {
            operation,
            clocks,
            streaming,
            started: now(),
            deadline,
            notices: None,
            attempts: Arc::default(),
            answered: Arc::default(),
            connecting_us: AtomicU64::new(0),
            replaced: AtomicBool::new(false),
            sent_at: Mutex::default(),
        }
    }

    /// A part of the operation with clocks of its own, for example one opening of many. Its sends count for the whole.
    pub(crate) fn part(&self, clocks: Clocks, streaming: bool) -> Self {
        Self {
            notices: self.notices.clone(),
            attempts: Arc::clone(&self.attempts),
            answered: Arc::clone(&self.answered),
            ..Self::start(self.operation, clocks, streaming)
        }
    }

    /// One of several requests of the operation that are on their way at once: its answer is its own, and its sends and
    /// its deadline are those of the whole.
    pub(crate) fn beside(&self) -> Self {
        Self {
            notices: self.notices.clone(),
            attempts: Arc::clone(&self.attempts),
            deadline: self.deadline,
            ..Self::start(self.operation, self.clocks, self.streaming)
        }
    }

    /// Counts a request that is about to be sent.
    pub(crate) fn count_send(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        *self.answer() = None;
    }

    /// Notes that the head of an answer has arrived.
    pub(crate) fn mark_answered(&self, answered: Answered) {
        *self.answer() = Some(answered);
    }

    /// Puts what is known of the answer that is being read into an error about it.
    pub(crate) fn tell_answer(&self, error: &mut Error) {
        if let Some(answered) = self.take_answer() {
            answered.tell(error);
        }
    }

    /// The answer is read: what comes is no longer about it.
    pub(crate) fn take_answer(&self) -> Option<Answered> {
        self.answer().take()
    }

    fn answer(&self) -> MutexGuard<'_, Option<Answered>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests sent so far; none if there was none.
    pub(crate) fn attempts(&self) -> Option<u32> {
        Some(self.attempts.load(Ordering::Relaxed)).filter(|count| *count > 0)
    }

    /// Tells the host, if it wants to know, and comes back once it asks for more.
    pub(crate) async fn tell(&self, notice: impl FnOnce() -> Event) {
        if let Some(notices) = &self.notices {
            notices.hand_over(notice()).await;
        }
    }

    /// What is left of the `connect` clock, which all tries of a call share.
    pub(crate) fn connect_left(&self) -> Option<Duration> {
        let spent = Duration::from_micros(self.connecting_us.load(Ordering::Relaxed));
        self.clocks.connect.map(|budget| budget.saturating_sub(spent))
    }

    /// Is a first connection the first thing that takes time, and `connect` no longer than `total`? Where a caller gave one
    /// number for both, they end as good as together, and it is the connection that is missing.
    pub(crate) fn connect_is_first(&self) -> bool {
        let is_first = self.attempts() == Some(1) && self.connect_left() == self.clocks.connect;
        is_first
            && self
                .clocks
                .connect
                .zip(self.clocks.total)
                .is_some_and(|(connect, total)| connect <= total)
    }

    /// Takes time off the `connect` clock.
    pub(crate) fn spend_connecting(&self, spent: Duration) {
        let micros = u64::try_from(spent.as_micros()).unwrap_or(u64::MAX);
        self.connecting_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// Notes that a request goes out once more on a new connection. The one that died may have carried it all the same.
    pub(crate) fn mark_replaced(&self) {
        self.replaced.store(true, Ordering::Relaxed);
    }

    /// Whether one did, since this was asked last.
    pub(crate) fn take_replaced(&self) -> bool {
        self.replaced.swap(false, Ordering::Relaxed)
    }

    /// Notes that a request goes out now, over a connection that is made.
    pub(crate) fn mark_sent(&self) {
        *self.sent() = Some(now());
    }

    /// The longest silence inside a head; that of a stream is ended by `first_token`.
    pub(crate) fn idle_in_head(&self) -> Option<Duration> {
        self.clocks.idle.filter(|_| !self.streaming)
    }

    /// When the last request went out; now, if none has.
    pub(crate) fn sent_at(&self) -> Instant {
        self.sent().unwrap_or_else(now)
    }

    fn sent(&self) -> MutexGuard<'_, Option<Instant>> {
        self.sent_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `send`, unless `first_token` passes first. It runs from the moment the request goes out, which `send` marks; until
    /// then `connect` alone does.
    pub(crate) async fn within_first_token<F: Future>(
        &self,
        send: F,
    ) -> Result<F::Output, Elapsed> {
        *self.sent() = None;
        let mut send = pin!(send);
        poll_fn(|context| {
            if let Poll::Ready(output) = send.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            let sent_at = *self.sent();
            let first_token = self.clocks.first_token;
            let end = sent_at.zip(first_token).and_then(|(from, length)| from.checked_add(length));
            match end {
                Some(end) if now() >= end => return Poll::Ready(Err(Elapsed)),
                Some(end) => wait_until(end),
                None => {}
            }
            Poll::Pending
        })
        .await
    }

    /// The error of a call whose `total` clock ran out.
    pub(crate) fn out_of_time(&self) -> Error {
        timeout("total", code::TIMEOUT_TOTAL, "no answer", self.clocks.total)
    }
}

/// `Timeout` by `clock`, which was set to `length`: "no answer within 60 s (clock `total`)".
pub(crate) fn timeout(
    clock: &'static str,
    code: &'static str,
    missing: &str,
    length: Option<Duration>,
) -> Error {
    let seconds = length.unwrap_or_default().as_secs_f64();
    let words = format!("{missing} within {seconds} s (clock `{clock}`)");
    let mut error = Error::new(Class::Timeout, code, words);
    error.hint = Some(format!("give `{clock}` more time, on the client or for this call"));
    error.extra.clock = Some(clock);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_for_both_clocks_is_blamed_on_the_connection() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (connect, total, sends, spent, expected) in [
            (seconds(5), seconds(5), 1, 0, true),
            (seconds(5), seconds(6), 1, 0, true),
            (seconds(6), seconds(5), 1, 0, false),
            (seconds(5), None, 1, 0, false),
            (None, seconds(5), 1, 0, false),
            // Earlier sends and tries have used up a part of `total`.
            (seconds(5), seconds(5), 2, 0, false),
            (seconds(5), seconds(5), 1, 1, false),
        ] {
            let idle = seconds(30);
            let clocks = Clocks { connect, first_token: idle, idle, total, cold_start: None };
            let call = Call::start("list", clocks, false);
            (0..sends).for_each(|_| call.count_send());
            call.spend_connecting(Duration::from_secs(spent));
            let place = format!("{connect:?} {total:?} {sends} {spent}");
            assert_eq!(call.connect_is_first(), expected, "{place}");
        }
    }
}
