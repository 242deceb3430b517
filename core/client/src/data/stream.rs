//! A chat stream from its head to its end (wire.md 3.2).
//!
//! What is already here goes to the caller as one event, and nothing waits for more. The socket is read only when the caller
//! asks, so a slow caller is back-pressure, and its own time moves no clock.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;

use super::account::Timing;
use super::batch::Batch;
use super::form::{Form, form_of};
use super::mislabelled::Beginning;
use super::tally::Tally;
use super::{Context, Fault, OnTruncated, WHAT_TO_CHECK, completion, head};
use crate::driver::{Deadline, give_way, now, within};
use crate::error::answer;
use crate::error::{Class, Error, code};
use crate::operation::{Event, EventKind, Outbox};
use crate::raw::Raw;
use crate::transport::sse::{Frame, Parser};
use crate::transport::{Accept, Answer, Body, Call, Opened};
use crate::transport::{Open, media_type, read_whole, timeout};

/// How long usage is waited for after a finish reason.
const USAGE_WAIT: Duration = Duration::from_secs(2);
const ENDED: &str = "it ended before `finish_reason` and `[DONE]`";
/// One event brings at most about as many bytes, so that a fast server does not fill the memory.
const MOST_AT_ONCE: usize = 256 << 10;

/// Follows a stream to its end. `call` carries the clocks.
pub(crate) async fn stream(
    context: &Context,
    body: Bytes,
    on_truncated: OnTruncated,
    call: &Call,
    outbox: &Outbox,
) -> Result<(), Error> {
    let request = context.chat_request(body, Accept::EventStream);
    let opened = context.transport().open(&request, call).await.map_err(without_text)?;
    let (opened, form) = form_of(opened, call).await.map_err(without_text)?;
    match form {
        Form::Stream => {}
        Form::Json => return whole_answer(context, opened, call, outbox).await,
        Form::Other => return Err(no_model(context, &opened)),
    }
    let mut reader = Reader::new(context, opened, call, outbox);
    reader.hand_over(opening(context, &reader.headers)).await;
    let cut = match reader.run().await {
        Ok(cut) => cut,
        Err(error) => return Err(reader.with_partial(error)),
    };
    let warning = match (cut, on_truncated) {
        (Some(cut), OnTruncated::Raise) => return Err(reader.with_partial(reader.truncated(&cut))),
        (Some(cut), OnTruncated::Warn) => Some(format!("the stream is truncated: {cut}")),
        (Some(_), OnTruncated::Allow) | (None, _) => None,
    };
    let closing = reader.close(warning.as_deref());
    reader.let_go();
    outbox.put(closing).await;
    Ok(())
}

/// A stream that stalls before its head has a partial text as well: none.
fn without_text(mut error: Error) -> Error {
    if error.class == Class::StreamStalled {
        error.extra.partial_text = Some(String::new());
    }
    error
}

#[derive(Serialize)]
struct Opening {
    request_id: Option<String>,
}

fn opening(context: &Context, headers: &HeaderMap) -> Event {
    let head = head(&Opening { request_id: context.request_id(headers) });
    Event { kind: EventKind::Open, head, raw: Raw::default(), vectors: None }
}

/// A login page and the like.
fn no_model(context: &Context, opened: &Opened) -> Error {
    let media_type = media_type(&opened.headers).unwrap_or_default();
    let words = format!("the answer is `{media_type}`: this is not a model endpoint");
    answer::unreadable(200, &opened.headers, b"", &[&context.endpoint.key], &words)
        .hint(WHAT_TO_CHECK)
}

/// A server that does not stream: the whole answer is one chunk, complete.
async fn whole_answer(
    context: &Context,
    mut opened: Opened,
    call: &Call,
    outbox: &Outbox,
) -> Result<(), Error> {
    let read =
        within(call.deadline, pin!(read_whole(&mut opened.body, &mut Open, call.clocks.idle)))
            .await;
    let body = read.unwrap_or_else(|_| Err(call.out_of_time()))?;
    let answer = Answer { status: 200, headers: opened.headers, body };
    let read = completion::read(&answer.body).map_err(|fault| context.fault(fault, &answer))?;
    let mut batch = Batch::default();
    batch.push(&read.text, read.finish_reason.as_deref(), &answer.body);
    let timing = Timing::end(call, Some(now()), read.usage);
    outbox.hand_over(opening(context, &answer.headers)).await;
    outbox.put(batch.close(read.usage, &timing, None)).await;
    Ok(())
}

/// What a read brought.
enum Received {
    More,
    End,
    Cut(Error),
}

struct Reader<'a> {
    context: &'a Context,
    call: &'a Call,
    outbox: &'a Outbox,
    headers: HeaderMap,
    body: Body,
    parser: Parser,
    beginning: Beginning,
    tally: Tally,
    /// Start of the silence: request, last content or first finish reason, moved on by the caller's own time.
    quiet_since: Instant,
    first_content: Option<Instant>,
    last_bytes: Instant,
}

impl<'a> Reader<'a> {
    fn new(context: &'a Context, opened: Opened, call: &'a Call, outbox: &'a Outbox) -> Self {
        Self {
            context,
            call,
            outbox,
            headers: opened.headers,
            body: opened.body,
            parser: Parser::default(),
            beginning: Beginning::default(),
            tally: Tally::default(),
            quiet_since: opened.sent_at,
            first_content: None,
            last_bytes: opened.sent_at,
        }
    }

    /// Reads to the end. `Some` says how the stream was cut.
    async fn run(&mut self) -> Result<Option<String>, Error> {
        while !self.tally.done {
            let deadline = self.quiet_deadline().min(self.call.deadline);
            let received = within(deadline, pin!(poll_fn(|context| self.poll_more(context)))).await;
            self.quiet_since += self.outbox.excused();
            let received = match received {
                Ok(received) => received,
                Err(_) if self.is_late() => return self.late().await,
                Err(_) => continue,
            };
            let digested = self.digest(!matches!(received, Received::More));
            if self.tally.done && digested.is_ok() {
                // What is left goes out with the end.
                break;
            }
            match self.tally.batch.take() {
                Some(batch) => self.hand_over(batch).await,
                // A flood of comments is no reason to hear neither deadline nor signal.
                None => give_way().await,
            }
            digested?;
            match received {
                Received::More if self.is_late() => return self.late().await,
                Received::More => {}
                _ if self.tally.is_complete() => return Ok(None),
                Received::End if self.tally.contents == 0 => return self.ended_empty(),
                Received::End => {
                    return Ok(Some(ENDED.to_owned()));
                }
                Received::Cut(error) => return Ok(Some(error.words.clone())),
            }
        }
        Ok(None)
    }

    /// Nothing but perhaps frames without content came.
    fn ended_empty(&self) -> Result<Option<String>, Error> {
        match self.beginning.told(&self.headers, &self.context.endpoint.key) {
            Some(error) => Err(error),
            None => Ok(Some(ENDED.to_owned())),
        }
    }

    /// Takes everything that is already here; waits for the first piece only.
    fn poll_more(&mut self, context: &mut task::Context<'_>) -> Poll<Received> {
        let mut received = 0;
        while received < MOST_AT_ONCE {
            match self.body.poll_bytes(context) {
                Poll::Ready(Some(Ok(bytes))) => {
                    received += bytes.len();
                    self.last_bytes = now();
                    self.beginning.feed(&bytes);
                    self.parser.feed(&bytes);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Received::Cut(error)),
                Poll::Ready(None) => return Poll::Ready(Received::End),
                Poll::Pending if received == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Received::More)
    }

    /// Takes in the frames that are complete, and at the end of the body what is left.
    fn digest(&mut self, is_end: bool) -> Result<(), Error> {
        let (was_finished, contents) = (self.tally.finished, self.tally.contents);
        let mut outcome = Ok(());
        while !self.tally.done {
            let Some(frame) = self.parser.next()? else { break };
            if let Err(fault) = self.tally.add(&frame) {
                outcome = Err(fault_of(self.context, &self.headers, fault, &frame));
                break;
            }
        }
        if self.tally.contents > contents && !was_finished {
            self.quiet_since = self.last_bytes;
            self.first_content.get_or_insert(self.last_bytes);
        }
        outcome?;
        if is_end
            && !self.tally.done
            && let Some(frame) = self.parser.finish()?
        {
            let added = self.tally.add_last(&frame);
            added.map_err(|fault| fault_of(self.context, &self.headers, fault, &frame))?;
            if self.tally.contents > 0 {
                self.first_content.get_or_insert(self.last_bytes);
            }
        }
        Ok(())
    }

    async fn hand_over(&mut self, event: Event) {
        self.quiet_since += self.outbox.hand_over(event).await;
    }

    /// The end of the clock that runs at the moment.
    fn quiet_deadline(&self) -> Deadline {
        let (_, length) = self.clock();
        let quiet = now().saturating_duration_since(self.quiet_since);
        Deadline::after(length.map(|length| length.saturating_sub(quiet)))
    }

    fn clock(&self) -> (&'static str, Option<Duration>) {
        let clocks = &self.call.clocks;
        match (self.tally.finished, self.tally.contents) {
            (true, _) => ("usage", Some(USAGE_WAIT)),
            (false, 0) => ("first_token", clocks.first_token),
            (false, _) => ("idle", clocks.idle),
        }
    }

    /// What is always ready is never waited for, so a flood without content, and a fast one beyond `total`, are asked.
    fn is_late(&self) -> bool {
        !self.tally.done && (self.call.deadline.passed() || self.quiet_deadline().passed())
    }

    /// The end that a clock makes. What came without its blank line still counts; after a finish reason it was only usage
    /// that was waited for.
    async fn late(&mut self) -> Result<Option<String>, Error> {
        let error = self.too_quiet();
        let digested = self.digest(true);
        if let Some(batch) = self.tally.batch.take() {
            self.hand_over(batch).await;
        }
        digested?;
        if self.tally.is_complete() { Ok(None) } else { Err(error) }
    }

    fn too_quiet(&self) -> Error {
        if !self.quiet_deadline().passed() {
            return self.call.out_of_time();
        }
        let (clock, length) = self.clock();
        let code = if clock == "idle" { code::TIMEOUT_IDLE } else { code::TIMEOUT_FIRST_TOKEN };
        let missing = if clock == "idle" { "no further content" } else { "no content" };
        let mut error = timeout(clock, code, missing, length);
        error.class = Class::StreamStalled;
        error.retryable = true;
        error
    }

    fn truncated(&self, cut: &str) -> Error {
        let words = format!("the stream is truncated: {cut}");
        let mut error = answer::unreadable(200, &self.headers, b"", &[], &words)
            .hint("the text so far is in `.partial`; on_truncated=\"allow\" takes it as it is");
        (error.class, error.code) = (Class::StreamTruncated, code::STREAM_TRUNCATED);
        error.retryable = true;
        error
    }

    fn with_partial(&self, mut error: Error) -> Error {
        error.extra.partial_text = Some(self.tally.text.clone());
        error
    }

    /// The stream's last event.
    fn close(&mut self, warning: Option<&str>) -> Event {
        let usage = self.tally.usage;
        // Usage may have been waited for since, in vain.
        let timing = Timing::ended_at(self.last_bytes, self.call, self.first_content, usage);
        std::mem::take(&mut self.tally.batch).close(usage, &timing, warning)
    }

    /// After `[DONE]` only the body's end is to come; without it there may be more, which is not waited for.
    fn let_go(self) {
        if self.tally.done {
            self.body.let_go();
        }
    }
}

fn fault_of(context: &Context, headers: &HeaderMap, fault: Fault, frame: &Frame<'_>) -> Error {
    let secrets = &[&context.endpoint.key];
    let words = match fault {
        Fault::ErrorObject => {
            return answer::from_frame(&String::from_utf8_lossy(frame.data), secrets);
        }
        Fault::Unreadable(words) => words,
    };
    let words = format!("a frame of the stream is unreadable: {words}");
    answer::unreadable(200, headers, frame.data, secrets, &words)
}
