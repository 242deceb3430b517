//! The phase of a workload now: what the readiness stream tells on connect, else what the list tells (wire.md 2.11).

use std::pin::pin;
use std::time::Duration;

use super::Context;
use super::readiness::{self, Next, Progress, Reading};
use crate::driver::{Deadline, give_way, within};
use crate::error::{Class, Error, answer, code};
use crate::transport::sse::{Frame, Parser};
use crate::transport::{Call, Clocks, Repeat, Request, is_event_stream};

/// The stream tells the phase when it opens. One that is silent for so long will not.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the stream said nothing.
enum Untold {
    /// The list is asked; where it is silent too, this is what was wrong.
    AskTheList(Error),
    Raise(Error),
}

/// What the platform says about the workload; `error` is a phase like any other. `NotFound` if there is no such workload.
pub(crate) async fn status(context: &Context, slug: &str, call: &Call) -> Result<Progress, Error> {
    let deadline = Deadline::after(Some(PATIENCE)).min(call.deadline);
    let told = within(deadline, pin!(first_event(context, slug, call))).await;
    let progress = match told.unwrap_or_else(|_| Err(Untold::AskTheList(silent()))) {
        Ok(progress) => progress,
        Err(Untold::Raise(error)) => return Err(error),
        Err(Untold::AskTheList(error)) => {
            let workload = context.get(slug, call).await?;
            Progress::of_workload(&workload.fields).ok_or(error)?
        }
    };
    Ok(progress.masked(&context.token))
}

async fn first_event(context: &Context, slug: &str, call: &Call) -> Result<Progress, Untold> {
    let request = context.readiness_request(slug).map_err(Untold::Raise)?;
    // No wait that reopens by a schedule of its own: it is repeated like any other question.
    let request = Request { repeat: Repeat::Idempotent, ..request };
    let clocks = Clocks { total: None, first_token: None, ..call.clocks };
    let opened = context.transport().open(&request, &call.part(clocks, true)).await;
    let mut opened = opened.map_err(|error| match readiness::after(&error) {
        Next::AskTheList => Untold::AskTheList(error),
        Next::Reopen | Next::Raise => Untold::Raise(error),
    })?;
    if !is_event_stream(&opened.headers) {
        let words = "the answer is not an event stream";
        let error = answer::unreadable(200, &opened.headers, b"", &[], words);
        return Err(Untold::AskTheList(error));
    }
    let mut parser = Parser::default();
    loop {
        match opened.body.next().await {
            Some(Ok(bytes)) => parser.feed(&bytes),
            Some(Err(error)) => return Err(Untold::AskTheList(error)),
            None => {
                let last = parser.finish().map_err(Untold::Raise)?;
                let progress = last.map(|frame| told(&frame, context)).transpose()?.flatten();
                return progress.ok_or_else(|| Untold::AskTheList(ended_early()));
            }
        }
        while let Some(frame) = parser.next().map_err(Untold::Raise)? {
            if let Some(progress) = told(&frame, context)? {
                return Ok(progress);
            }
        }
        // A flood of comments is no reason to miss the deadline.
        give_way().await;
    }
}

fn told(frame: &Frame<'_>, context: &Context) -> Result<Option<Progress>, Untold> {
    match readiness::read(frame, &context.token) {
        Reading::Progress(progress) => Ok(Some(progress)),
        Reading::Failed(error) => Err(Untold::Raise(error)),
        Reading::Skipped(_) | Reading::Nothing => Ok(None),
    }
}

fn silent() -> Error {
    let words = format!("the platform told no phase within {} s", PATIENCE.as_secs());
    let mut error = Error::new(Class::Timeout, code::TIMEOUT_FIRST_TOKEN, words);
    error.extra.clock = Some("first_token");
    error
}

fn ended_early() -> Error {
    let words = "the stream ended without telling a phase";
    Error::new(Class::ConnectionFailed, code::CONNECTION_LOST, words)
}
