//! Creating a workload so that one is left, whatever happens on the way (wire.md 2.9).

use std::pin::pin;
use std::time::Duration;

use serde_json::{Map, Value};

use super::list::Workload;
use super::mark::Mark;
use super::{Context, NO_PLATFORM};
use crate::driver::{sleep, within};
use crate::error::{Class, Error, Stage, code};
use crate::transport::{Answer, Call, Repeat, Sends};

/// Pauses before the lists that look for a workload which has to be there by now.
const LOOK_AGAIN: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1)];

/// What to do where a slug is taken, and yet not in the list.
const HIDDEN: &str = "choose another slug: what has this one does not show in the list";

/// How a create ended.
pub(super) enum Created {
    /// By this call.
    New(Workload),
    /// Somebody else's workload has the slug, or an answer of ours was lost.
    Present(Workload),
}

/// What a failed create means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It was refused, or not processed at all.
    Raise,
    /// The slug is taken: its workload shows up in the list.
    FindOriginal,
    /// Created for sure if the list has it.
    LookThenDone,
    /// Perhaps created; not to be sent again.
    LookThenRaise,
    /// Perhaps created; sent again if it is not.
    LookThenRepeat,
}

/// The rows of wire.md 2.9 that begin with "create".
fn after(error: &Error) -> Next {
    match (error.stage, error.status) {
        (Stage::Stale | Stage::Lost | Stage::Cut, _) => Next::LookThenRepeat,
        (Stage::Answered, Some(200..300)) => Next::LookThenDone,
        (Stage::Answered, Some(409)) => Next::FindOriginal,
        (Stage::Answered, Some(408 | 429 | 502 | 503 | 504)) => Next::LookThenRepeat,
        (Stage::Answered, Some(500..600)) => Next::LookThenRaise,
        _ => Next::Raise,
    }
}

/// May the platform have created something, or do so yet, although this is how a send of the create ended?
fn may_have_created(error: &Error) -> bool {
    match (error.stage, error.status) {
        (Stage::NotSent, _) => false,
        (Stage::Answered, Some(408)) => true,
        (Stage::Answered, Some(400..500)) => false,
        _ => true,
    }
}

/// One create, with every send of it: the same body, the same idempotency key.
pub(super) struct Create<'a> {
    pub(super) context: &'a Context,
    pub(super) slug: &'a str,
    pub(super) body: &'a Map<String, Value>,
    pub(super) idempotency_key: &'a str,
    /// Stands in the body, if there is one.
    pub(super) mark: Option<&'a Mark>,
    /// Once it has failed: may there be, or appear, a workload of it all the same?
    pub(super) may_appear: bool,
}

impl Create<'_> {
    /// Leaves one workload with the slug, or raises.
    pub(super) async fn run(&mut self, call: &Call) -> Result<Created, Error> {
        let mut request = self.context.create_request(self.body, self.idempotency_key);
        let transport = self.context.transport();
        let mut sends = Sends::default();
        loop {
            let error = match transport.call_on(&request, &mut sends, call).await {
                Ok(answer) => match self.created(&answer) {
                    Ok(own) if own.slug == self.slug => return Ok(Created::New(own)),
                    Ok(own) => return self.give_way(&own, call).await.map(Created::Present),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            self.may_appear |= may_have_created(&error);
            let next = after(&error);
            let found = match next {
                Next::Raise => None,
                Next::FindOriginal => self.look_for_original(call).await?,
                _ => match self.context.find(self.slug, call).await {
                    Err(look) if is_refusal(&look) => return Err(not_looked_up(error, &look)),
                    found => found?,
                },
            };
            match (next, found) {
                (Next::LookThenDone, Some(found)) => return Ok(Created::New(found)),
                // Ours, though its answer was lost.
                (_, Some(found)) if self.has_mark(&found) => return Ok(Created::New(found)),
                (_, Some(found)) => return Ok(Created::Present(found)),
                // It died of age and created nothing. A new connection cannot, so this happens once.
                (Next::LookThenRepeat, None) if error.stage == Stage::Stale => {
                    request.on_new_connection = true;
                }
                // Looked up and not there: from here on it is a request that may be repeated.
                (Next::LookThenRepeat, None) => {
                    transport.pause(error, Repeat::Idempotent, &mut sends, call).await?;
                }
                (Next::FindOriginal, None) => return Err(error.at("slug").hint(HIDDEN)),
                (_, None) => return Err(error),
            }
        }
    }

    fn has_mark(&self, found: &Workload) -> bool {
        self.mark.is_some_and(|mark| mark.is_on(found.description()))
    }

    fn created(&self, answer: &Answer) -> Result<Workload, Error> {
        let text = std::str::from_utf8(&answer.body).ok();
        text.and_then(Workload::read).ok_or_else(|| {
            let words = "the answer to the create is not a workload with `id` and `slug`";
            self.context.unreadable(answer, words).hint(NO_PLATFORM)
        })
    }

    /// The race was lost: the platform put our workload under another slug. The original stays, ours goes.
    async fn give_way(&mut self, own: &Workload, call: &Call) -> Result<Workload, Error> {
        let original = self.look_for_original(call).await;
        let before = std::mem::replace(&mut self.may_appear, true);
        self.remove_own(own, call).await?;
        self.may_appear = before;
        original?.ok_or_else(|| {
            let words = format!(
                "the platform created `{}` instead of `{}`, which is taken by something that the list does not show; \
                 the new workload was deleted",
                own.slug, self.slug
            );
            Error::new(Class::Conflict, code::SLUG_UNAVAILABLE, words)
                .at("slug")
                .hint(HIDDEN)
        })
    }

    /// Deletes what this call has proof of having created: the id is of its own answer.
    async fn remove_own(&self, own: &Workload, call: &Call) -> Result<(), Error> {
        let Err(mut error) = self.context.remove(&own.id, call).await else { return Ok(()) };
        error.words = format!(
            "another workload has the slug `{}`, and the duplicate `{}` (id `{}`) that this call created could not be \
             deleted: {}",
            self.slug, own.slug, own.id, error.words
        );
        Err(error.at("slug").hint(format!("delete the workload `{}`", own.slug)))
    }

    async fn look_for_original(&self, call: &Call) -> Result<Option<Workload>, Error> {
        for pause in LOOK_AGAIN {
            rest(pause, call).await?;
            let found = self.context.find(self.slug, call).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// Is it an answer that, to a create, would say that nothing was created?
fn is_refusal(error: &Error) -> bool {
    matches!(error.status, Some(401 | 403 | 404 | 429))
}

/// A refused look says nothing about the create, so the create's own error is the one that counts.
fn not_looked_up(mut create: Error, look: &Error) -> Error {
    create.words += &format!("; whether it was created cannot be looked up: {}", look.words);
    create
}

/// Waits, but not beyond the call's deadline.
pub(super) async fn rest(pause: Duration, call: &Call) -> Result<(), Error> {
    within(call.deadline, pin!(sleep(pause))).await.map_err(|_| call.out_of_time())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_create_that_was_refused_or_not_sent_made_nothing() {
        for (status, stage, expected) in [
            (Some(400), Stage::Answered, false),
            (Some(403), Stage::Answered, false),
            (Some(409), Stage::Answered, false),
            (Some(429), Stage::Answered, false),
            (None, Stage::NotSent, false),
            (Some(408), Stage::Answered, true),
            (Some(500), Stage::Answered, true),
            (Some(503), Stage::Answered, true),
            (Some(201), Stage::Answered, true),
            (Some(302), Stage::Local, true),
            (None, Stage::Stale, true),
            (None, Stage::Lost, true),
            (Some(403), Stage::Cut, true),
            // A clock that ran out.
            (None, Stage::Local, true),
        ] {
            let mut error = Error::new(Class::ApiError, code::HTTP_ERROR, "x").stage(stage);
            error.status = status;
            assert_eq!(may_have_created(&error), expected, "{status:?} {stage:?}");
        }
    }

    #[test]
    fn a_failed_create_is_looked_into_before_anything_else() {
        for (status, stage, expected) in [
            (Some(200), Stage::Answered, Next::LookThenDone),
            (Some(409), Stage::Answered, Next::FindOriginal),
            (Some(408), Stage::Answered, Next::LookThenRepeat),
            (Some(429), Stage::Answered, Next::LookThenRepeat),
            (Some(500), Stage::Answered, Next::LookThenRaise),
            (Some(501), Stage::Answered, Next::LookThenRaise),
            (Some(502), Stage::Answered, Next::LookThenRepeat),
            (Some(503), Stage::Answered, Next::LookThenRepeat),
            (Some(504), Stage::Answered, Next::LookThenRepeat),
            (Some(400), Stage::Answered, Next::Raise),
            (Some(403), Stage::Answered, Next::Raise),
            (Some(404), Stage::Answered, Next::Raise),
            (Some(302), Stage::Local, Next::Raise),
            (None, Stage::Stale, Next::LookThenRepeat),
            (None, Stage::Lost, Next::LookThenRepeat),
            (None, Stage::Cut, Next::LookThenRepeat),
            (Some(201), Stage::Cut, Next::LookThenRepeat),
            (None, Stage::NotSent, Next::Raise),
            (None, Stage::Local, Next::Raise),
        ] {
            let mut error = Error::new(Class::ApiError, code::HTTP_ERROR, "x").stage(stage);
            error.status = status;
            assert_eq!(after(&error), expected, "{status:?} {stage:?}");
        }
    }
}
