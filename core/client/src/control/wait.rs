//! `wait_until_ready`: the readiness stream, opened again until a phase ends the wait (wire.md 2.11).

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};

use super::Context;
use super::readiness::{self, Next, Pauses, Phase, Progress, Reading};
use crate::driver::{Deadline, give_way, sleep, within};
use crate::error::{Class, Error, answer, code};
use crate::operation::{Event, EventKind, Outbox};
use crate::raw::Raw;
use crate::transport::notice::{self, Reason};
use crate::transport::sse::{Frame, Parser};
use crate::transport::{Call, Clocks, Opened, is_event_stream};

/// Longest silence of a stream, its head included, before it is opened again.
const SILENCE: Duration = Duration::from_secs(60);
/// Between two looks at the list, where the platform has no stream.
const POLL_PAUSE: Duration = Duration::from_secs(5);
/// Events that a `WorkloadFailed` tells.
const LAST_EVENTS: usize = 20;

/// Gives every event to `outbox` and returns at `ready`. `call.clocks.total` is the whole wait; zero sends nothing.
pub(crate) async fn wait(
    context: &Context,
    slug: &str,
    call: &Call,
    outbox: &Outbox,
) -> Result<(), Error> {
    let deadline = call.deadline;
    let mut watch = Watch {
        context,
        slug,
        call,
        outbox,
        pauses: Pauses::default(),
        last_events: VecDeque::new(),
        last_failure: None,
    };
    if deadline.passed() {
        return Err(watch.out_of_time());
    }
    let outcome = within(deadline, pin!(watch.run())).await;
    outcome.unwrap_or_else(|_| Err(watch.out_of_time()))
}

struct Watch<'a> {
    context: &'a Context,
    slug: &'a str,
    call: &'a Call,
    outbox: &'a Outbox,
    pauses: Pauses,
    last_events: VecDeque<Progress>,
    last_failure: Option<String>,
}

/// How one look at the stream ended.
enum Ended {
    Ready,
    /// Without a terminal phase: to be opened again.
    Early(Error),
    /// There is no such stream, which is what the platform said.
    NoStream(Error),
}

impl Watch<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        loop {
            match self.follow().await? {
                Ended::Ready => return Ok(()),
                Ended::NoStream(error) => return self.poll_list(error).await,
                Ended::Early(mut error) => {
                    let pause = self.pauses.next(&error);
                    self.ask_again_after(pause, &mut error).await;
                }
            }
        }
    }

    async fn ask_again_after(&mut self, pause: Duration, error: &mut Error) {
        self.last_failure = Some(error.words.clone());
        self.context.transport().tell(Reason::Reopen, error, pause, self.call).await;
        sleep(pause).await;
    }

    /// Opens the stream and follows it to its end.
    async fn follow(&mut self) -> Result<Ended, Error> {
        let opened = match self.open().await {
            Ok(opened) => opened,
            Err(error) => {
                return match readiness::after(&error) {
                    Next::Reopen => Ok(Ended::Early(error)),
                    Next::AskTheList => Ok(Ended::NoStream(error)),
                    Next::Raise => Err(error),
                };
            }
        };
        if !is_event_stream(&opened.headers) {
            let words = "the answer is not an event stream";
            return Ok(Ended::NoStream(answer::unreadable(200, &opened.headers, b"", &[], words)));
        }
        self.read(opened).await
    }

    async fn open(&mut self) -> Result<Opened, Error> {
        let request = self.context.readiness_request(self.slug)?;
        let clocks = Clocks { total: None, first_token: Some(SILENCE), ..self.call.clocks };
        // A call of its own, so that each reopening has a whole `connect` clock.
        self.context.transport().open(&request, &self.call.part(clocks, true)).await
    }

    async fn read(&mut self, mut opened: Opened) -> Result<Ended, Error> {
        let mut parser = Parser::default();
        loop {
            match within(Deadline::after(Some(SILENCE)), pin!(opened.body.next())).await {
                Err(_) => return Ok(Ended::Early(early("the stream was silent for 60 s"))),
                Ok(Some(Err(error))) => return Ok(Ended::Early(error)),
                Ok(Some(Ok(bytes))) => {
                    parser.feed(&bytes);
                    // A flood of comments is no reason to hear neither deadline nor signal.
                    give_way().await;
                }
                Ok(None) => {
                    if let Some(frame) = parser.finish()? {
                        let reading = self.reading(&frame);
                        if self.take(reading).await? {
                            return Ok(Ended::Ready);
                        }
                    }
                    return Ok(Ended::Early(early("the stream ended without a last phase")));
                }
            }
            while let Some(frame) = parser.next()? {
                let reading = self.reading(&frame);
                if self.take(reading).await? {
                    return Ok(Ended::Ready);
                }
            }
        }
    }

    fn reading(&self, frame: &Frame<'_>) -> Reading {
        readiness::read(frame, &self.context.token)
    }

    /// Passes an event on; true once the workload is ready.
    async fn take(&mut self, reading: Reading) -> Result<bool, Error> {
        match reading {
            Reading::Nothing => Ok(false),
            Reading::Skipped(data) => {
                self.call.tell(|| notice::skipped(&data)).await;
                Ok(false)
            }
            Reading::Failed(error) => Err(error),
            Reading::Progress(progress) => self.report(progress).await,
        }
    }

    async fn report(&mut self, progress: Progress) -> Result<bool, Error> {
        self.pauses.restart();
        let progress = progress.masked(&self.context.token);
        // Four plain fields can always be written.
        let head = serde_json::to_vec(&progress).unwrap_or_default();
        let event = Event { kind: EventKind::Data, head, raw: Raw::default(), vectors: None };
        self.outbox.hand_over(event).await;
        let phase = progress.phase();
        if self.last_events.len() == LAST_EVENTS {
            self.last_events.pop_front();
        }
        self.last_events.push_back(progress);
        match phase {
            Phase::Ready => Ok(true),
            Phase::Failed => Err(self.failed()),
            Phase::Other => Ok(false),
        }
    }

    /// A platform without the stream: what the list says about the workload, each five seconds.
    async fn poll_list(&mut self, no_stream: Error) -> Result<(), Error> {
        let mut shown = None;
        loop {
            match self.look().await {
                Ok(None) => return Err(self.context.not_found(self.slug)),
                Ok(Some(None)) => return Err(no_stream),
                Ok(Some(Some(progress))) => {
                    let is_new = shown.as_ref() != Some(&progress);
                    shown = Some(progress.clone());
                    if is_new && self.report(progress).await? {
                        return Ok(());
                    }
                }
                Err(mut error) if readiness::after(&error) == Next::Reopen => {
                    self.ask_again_after(POLL_PAUSE, &mut error).await;
                    continue;
                }
                Err(error) => return Err(error),
            }
            sleep(POLL_PAUSE).await;
        }
    }

    /// The workload's progress in the list: `None` without the workload, `Some(None)` if it tells no phase.
    async fn look(&mut self) -> Result<Option<Option<Progress>>, Error> {
        let clocks = self.context.shared.config.timeouts.clocks(false);
        let found = self.context.find(self.slug, &self.call.part(clocks, false)).await;
        Ok(found?.map(|workload| Progress::of_workload(&workload.fields)))
    }

    fn failed(&self) -> Error {
        // The engine's last words may stand in an event before the one that says that it is over.
        let said = self.last_events.iter().rev().find(|progress| !progress.message.is_empty());
        let before =
            self.last_events.iter().rev().find(|progress| progress.phase() != Phase::Failed);
        let mut words = format!("workload `{}` failed", self.slug);
        if let Some(progress) = before {
            words += &format!(" in phase `{}`", progress.phase);
        }
        if let Some(progress) = said {
            words += &format!(": {}", progress.message);
        }
        let mut error = Error::new(Class::WorkloadFailed, code::WORKLOAD_FAILED, words).hint(format!(
            "correct the spec and `ensure` it again, or `delete` it; on the embedded platform `inferencekey local logs {}` \
             shows what its engine wrote",
            self.slug
        ));
        error.extra.readiness = Some(self.last_words());
        error
    }

    fn out_of_time(&self) -> Error {
        let seconds = self.call.clocks.total.unwrap_or_default().as_secs_f64();
        let mut words = format!("workload `{}` was not ready within {seconds} s", self.slug);
        if let Some(progress) = self.last_events.back() {
            words += &format!("; last event: {}", described(progress));
        }
        if let Some(failure) = &self.last_failure {
            words += &format!("; last failure: {failure}");
        }
        let mut error = Error::new(Class::WaitTimeout, code::WAIT_TIMEOUT, words)
            .hint("it goes on starting: call `wait_until_ready` again, perhaps with a longer timeout, or `delete` it");
        error.retryable = true;
        error.extra.readiness = Some(self.last_words());
        error
    }

    fn last_words(&self) -> Value {
        let last = self.last_events.back();
        json!({
            "phase": last.map(|progress| &progress.phase),
            "step": last.and_then(|progress| progress.step.as_ref()),
            "events": self.last_events,
        })
    }
}

/// Phase, step and message, as a display of the wait shows them.
fn described(progress: &Progress) -> String {
    let mut words = progress.phase.clone();
    if let Some(step) = &progress.step {
        words += &format!(" [{step}]");
    }
    if !progress.message.is_empty() {
        words += &format!(": {}", progress.message);
    }
    words
}

fn early(words: &str) -> Error {
    Error::new(Class::ConnectionFailed, code::CONNECTION_LOST, words)
}
