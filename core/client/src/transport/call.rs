//! One request with everything that may happen to it: sends, pauses, clocks, statuses (wire.md 2.2, 3.2, 5.5).

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::HeaderMap;

use super::clocks::timeout;
use super::retry::{self, Budget, Decision, Progress};
use super::wire::Body;
use super::{Call, Repeat, Request, Response, Wire, body, redirect};
use crate::config::{BaseUrl, Config, Plane};
use crate::driver::{Deadline, sleep, within};
use crate::error::{Class, Error, Stage, answer, code, mask};

/// A whole answer with a 2xx status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A response with a 2xx status whose body is still to be read.
pub(crate) struct Opened {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// When the request had been written: `first_token` runs from here.
    pub(crate) sent_at: Instant,
}

/// Sends requests for one client by the rules of wire.md.
pub(crate) struct Transport {
    wire: Arc<dyn Wire>,
    plane: Plane,
    base: BaseUrl,
    /// `host[:port]`, for errors.
    host: String,
    retries: u32,
    budget: Budget,
}

impl Transport {
    /// Sends through `wire` by `config`'s rules.
    pub(crate) fn new(wire: Arc<dyn Wire>, config: &Config) -> Self {
        Self {
            wire,
            plane: config.plane,
            host: config.base_url.authority(),
            base: config.base_url.clone(),
            retries: config.retries,
            budget: Budget::new(),
        }
    }

    /// `host[:port]` of the platform.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Sends `request` until it is answered or may not be sent again, and reads the whole answer.
    pub(crate) async fn call(&self, request: &Request, call: &mut Call) -> Result<Answer, Error> {
        let deadline = call.deadline;
        let outcome = within(deadline, self.repeat_whole(request, call)).await;
        outcome.unwrap_or_else(|_| Err(call.out_of_time())).map_err(|error| self.sign(error, call))
    }

    /// The same for a stream: returns once the head of a 2xx has arrived.
    pub(crate) async fn open(&self, request: &Request, call: &mut Call) -> Result<Opened, Error> {
        let deadline = call.deadline;
        let outcome = within(deadline, self.repeat_open(request, call)).await;
        outcome.unwrap_or_else(|_| Err(call.out_of_time())).map_err(|error| self.sign(error, call))
    }

    /// Takes the cost of a repeat that a caller decides on itself out of the client's budget; false if there is not enough.
    pub(crate) fn pay(&self, cost: u32) -> bool {
        self.budget.pay(cost)
    }

    /// Closes idle connections.
    pub(crate) fn close_idle(&self) {
        self.wire.close_idle();
    }

    async fn repeat_whole(&self, request: &Request, call: &mut Call) -> Result<Answer, Error> {
        let mut sends = Sends::default();
        loop {
            match self.whole(request, call).await {
                Ok((head, body)) => {
                    self.budget.succeeded();
                    return Ok(Answer { status: head.0, headers: head.1, body });
                }
                Err(error) => self.pause(error, request.repeat, &mut sends, call).await?,
            }
        }
    }

    async fn repeat_open(&self, request: &Request, call: &mut Call) -> Result<Opened, Error> {
        let mut sends = Sends::default();
        loop {
            match self.send(request, call).await {
                Ok(Response { headers, body, .. }) => {
                    self.budget.succeeded();
                    return Ok(Opened { headers, body, sent_at: call.sent_at() });
                }
                Err(error) => self.pause(error, request.repeat, &mut sends, call).await?,
            }
        }
    }

    async fn whole(
        &self,
        request: &Request,
        call: &mut Call,
    ) -> Result<((u16, HeaderMap), Bytes), Error> {
        let mut response = self.send(request, call).await?;
        let read = body::whole(&mut response.body, call.clocks.idle).await;
        Ok(((response.status, response.headers), read?))
    }

    /// One send, redirects followed; an error status is an error.
    async fn send(&self, request: &Request, call: &mut Call) -> Result<Response, Error> {
        call.attempts += 1;
        let mut target = request.clone();
        for _ in 0..=redirect::MOST {
            let mut response = self.send_in_time(&target, call).await?;
            match response.status {
                200..300 => return refuse_encoded(response),
                300..400 => {
                    target.path = redirect::follow(&target, &response, &self.base)?;
                }
                _ => return Err(self.refused(request, &mut response).await),
            }
        }
        Err(redirect::too_many())
    }

    /// A stream's head has to come within `first_token` of the request; a unary answer only within `total`.
    async fn send_in_time(&self, request: &Request, call: &Call) -> Result<Response, Error> {
        call.mark_sent();
        if !call.streaming {
            return self.wire.send(request, call).await;
        }
        call.within_first_token(self.wire.send(request, call)).await.unwrap_or_else(|_| {
            let length = call.clocks.first_token;
            let mut error = timeout("first_token", code::TIMEOUT_FIRST_TOKEN, "no content", length);
            error.class = Class::StreamStalled;
            Err(error)
        })
    }

    /// The error that the status stands for, with the server's words as far as they can be read.
    async fn refused(&self, request: &Request, response: &mut Response) -> Error {
        let mut words = body::error_text(&mut response.body).await;
        if let Some(credentials) = self.wire.credentials() {
            words = mask(&String::from_utf8_lossy(&words), &[credentials]).into();
        }
        let now = SystemTime::now();
        let secrets = [&request.token];
        let (status, headers) = (response.status, &response.headers);
        let mut error = answer::from_response(self.plane, status, headers, &words, &secrets, now);
        if error.class == Class::NotFound && self.base.repeats_a_route() {
            error.hint = Some(
                "give `base_url` without `/api` or `/endpoint` at its end: the SDK adds them"
                    .to_owned(),
            );
        }
        error
    }

    /// Waits before the next send of the same request, or gives the error back.
    async fn pause(
        &self,
        mut error: Error,
        repeat: Repeat,
        sends: &mut Sends,
        call: &Call,
    ) -> Result<(), Error> {
        let progress = sends.after(&error, call);
        let decision = retry::decision(&error, repeat, self.retries, progress, fastrand::f64());
        sends.may_have_taken_effect |= call.take_replaced();
        error.repeated = sends.may_have_taken_effect;
        match decision {
            Decision::Surface => Err(error),
            Decision::Again { cost, .. } if !self.budget.pay(cost) => Err(error),
            Decision::Again { pause, .. } => {
                sends.may_have_taken_effect |= error.stage != Stage::NotSent;
                sleep(pause).await;
                Ok(())
            }
            Decision::Warm { pause } => {
                sends.warmings += 1;
                sleep(pause).await;
                Ok(())
            }
        }
    }

    /// Fills in what only the transport knows.
    fn sign(&self, mut error: Error, call: &Call) -> Error {
        error.operation.get_or_insert(call.operation);
        error.attempts.get_or_insert(call.attempts);
        error.host.get_or_insert_with(|| self.host.clone());
        error
    }
}

/// The sends of one request.
#[derive(Default)]
struct Sends {
    failed: u32,
    warmings: u32,
    cold_start: Option<Deadline>,
    may_have_taken_effect: bool,
}

impl Sends {
    /// Counts a failed send and says how far the request has come.
    fn after(&mut self, error: &Error, call: &Call) -> Progress {
        if error.class == Class::EndpointWarming {
            self.cold_start.get_or_insert_with(|| Deadline::after(call.clocks.cold_start));
        } else {
            self.failed += 1;
        }
        Progress {
            sends: self.failed,
            warmings: self.warmings,
            left: call.deadline.left(),
            cold_start_left: self.cold_start.map_or(call.clocks.cold_start, Deadline::left),
        }
    }
}

/// wire.md 2.2: identity was asked for, so any other coding is refused and nothing is inflated.
fn refuse_encoded(response: Response) -> Result<Response, Error> {
    let coding = response.headers.get(http::header::CONTENT_ENCODING);
    match coding.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_lowercase()) {
        None => Ok(response),
        Some(coding) if coding.is_empty() || coding == "identity" => Ok(response),
        Some(coding) => {
            let words = format!("the answer is encoded as `{coding}`, which was not asked for");
            let mut error = Error::new(Class::ProtocolError, code::PROTOCOL_ERROR, words);
            error.status = Some(response.status);
            Err(error)
        }
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
