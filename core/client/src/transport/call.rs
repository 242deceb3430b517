//! One request with everything that may happen to it: sends, pauses, clocks, statuses (wire.md 2.2, 3.2, 5.5).

use std::borrow::Cow;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};

use super::clocks::timeout;
use super::notice::{self, Reason};
use super::retry::{self, Budget, Decision, Policy, Progress};
use super::wire::Body;
use super::{Call, Repeat, Request, Response, Sieve, Wire, body, redirect};
use crate::config::{BaseUrl, Config, Plane};
use crate::driver::{Deadline, Elapsed, sleep, within};
use crate::error::{Class, Error, Stage, answer, code, mask};
use crate::secret::Secret;

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
    policy: Policy,
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
            policy: config.retries,
            budget: Budget::new(config.retries.budget),
        }
    }

    /// `host[:port]` of the platform.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Sends `request` until it is answered or may not be sent again, and reads the whole answer.
    pub(crate) async fn call(&self, request: &Request, call: &Call) -> Result<Answer, Error> {
        self.call_on(request, &mut Sends::default(), call).await
    }

    /// The same, and the answer is what `sieve` leaves of it.
    pub(crate) async fn call_sieved(
        &self,
        request: &Request,
        sieve: &mut dyn Sieve,
        call: &Call,
    ) -> Result<Answer, Error> {
        let mut sends = Sends::default();
        self.in_time(pin!(self.repeat_whole(request, sieve, &mut sends, call)), call).await
    }

    /// The same for a request that has been sent before: `sends` goes on counting.
    pub(crate) async fn call_on(
        &self,
        request: &Request,
        sends: &mut Sends,
        call: &Call,
    ) -> Result<Answer, Error> {
        self.in_time(pin!(self.repeat_whole(request, &mut body::Open, sends, call)), call).await
    }

    /// The same for a stream: returns once the head of a 2xx has arrived.
    pub(crate) async fn open(&self, request: &Request, call: &Call) -> Result<Opened, Error> {
        let work = async {
            match call.clocks.first_token {
                // What cannot be answered in time is not asked: it might cost money.
                Some(Duration::ZERO) => Err(no_content(call)),
                _ => self.repeat_open(request, call).await,
            }
        };
        self.in_time(pin!(work), call).await
    }

    /// Waits before the next send of a request whose last send failed with `error`, or gives the error back.
    pub(crate) async fn pause(
        &self,
        error: Error,
        repeat: Repeat,
        sends: &mut Sends,
        call: &Call,
    ) -> Result<(), Error> {
        self.in_time(pin!(self.decide(error, repeat, sends, call)), call).await
    }

    /// Tells the host that a request goes out again after `pause`, because of `error`.
    pub(crate) async fn tell(
        &self,
        reason: Reason,
        error: &mut Error,
        pause: Duration,
        call: &Call,
    ) {
        self.sign(error, call);
        call.tell(|| notice::again(reason, error, pause)).await;
    }

    /// Closes every connection, those in use too.
    pub(crate) fn close(&self) {
        self.wire.close();
    }

    /// `work`, inside the deadline of `call`; nothing is begun after it.
    async fn in_time<T>(
        &self,
        work: Pin<&mut impl Future<Output = Result<T, Error>>>,
        call: &Call,
    ) -> Result<T, Error> {
        let outcome = match call.deadline.passed() {
            true => Err(Elapsed),
            false => within(call.deadline, work).await,
        };
        outcome.unwrap_or_else(|_| Err(call.out_of_time())).map_err(|mut error| {
            self.sign(&mut error, call);
            error
        })
    }

    async fn repeat_whole(
        &self,
        request: &Request,
        sieve: &mut dyn Sieve,
        sends: &mut Sends,
        call: &Call,
    ) -> Result<Answer, Error> {
        loop {
            match self.whole(request, sieve, call).await {
                Ok((head, body)) => {
                    self.budget.succeeded();
                    return Ok(Answer { status: head.0, headers: head.1, body });
                }
                Err(error) => {
                    sends.count(&error, call);
                    self.decide(error, request.repeat, sends, call).await?;
                }
            }
        }
    }

    async fn repeat_open(&self, request: &Request, call: &Call) -> Result<Opened, Error> {
        let mut sends = Sends::default();
        loop {
            match self.send(request, call).await {
                Ok(Response { headers, body, .. }) => {
                    self.budget.succeeded();
                    return Ok(Opened { headers, body, sent_at: call.sent_at() });
                }
                Err(error) => {
                    sends.count(&error, call);
                    self.decide(error, request.repeat, &mut sends, call).await?;
                }
            }
        }
    }

    async fn whole(
        &self,
        request: &Request,
        sieve: &mut dyn Sieve,
        call: &Call,
    ) -> Result<((u16, HeaderMap), Bytes), Error> {
        let mut response = self.send(request, call).await?;
        body::refuse_large(&response.headers)?;
        let body = body::whole(&mut response.body, sieve, call.clocks.idle).await?;
        call.take_answer();
        Ok(((response.status, response.headers), body))
    }

    /// One send, redirects followed; an error status is an error.
    async fn send(&self, request: &Request, call: &Call) -> Result<Response, Error> {
        let mut target = Cow::Borrowed(request);
        if !self.base.prefix.is_empty() {
            target.to_mut().path.insert_str(0, &self.base.prefix);
        }
        let mut redirects = 0;
        loop {
            call.count_send();
            let mut response = self.send_in_time(&target, call).await.map_err(|mut error| {
                error.words = mask(&error.words, &[&request.token]);
                error
            })?;
            call.mark_answered(Answered::new(&response, request));
            match response.status {
                200..300 => return refuse_encoded(response),
                300..400 if redirects == redirect::MOST => {
                    return Err(redirect::too_many(response.status));
                }
                300..400 => {
                    target.to_mut().path = redirect::follow(&target, &response, &self.base)?;
                    redirects += 1;
                }
                _ => return Err(self.refused(request, &mut response).await),
            }
        }
    }

    /// A stream's head has to come within `first_token` of the request; a unary answer only within `total`.
    async fn send_in_time(&self, request: &Request, call: &Call) -> Result<Response, Error> {
        if !call.streaming {
            return self.wire.send(request, call).await;
        }
        let sent = call.within_first_token(self.wire.send(request, call)).await;
        sent.unwrap_or_else(|_| Err(no_content(call)))
    }

    /// The error that the status stands for, with the server's words as far as they can be read.
    async fn refused(&self, request: &Request, response: &mut Response) -> Error {
        let coding = coding(&response.headers);
        let mut text = match coding {
            Some(_) => Vec::new(),
            None => body::error_text(&mut response.body).await,
        };
        if let Some(credentials) = self.wire.credentials() {
            text = mask(&String::from_utf8_lossy(&text), &[credentials]).into();
        }
        let now = SystemTime::now();
        let secrets = [&request.token];
        let (status, headers) = (response.status, &response.headers);
        let mut error = answer::from_response(self.plane, status, headers, &text, &secrets, now);
        if let Some(coding) = coding {
            error.words = format!("HTTP {status}, {}", not_asked_for(&coding));
        }
        if error.class == Class::NotFound && self.base.repeats_a_route() {
            error.hint = Some(
                "give `base_url` without `/api` or `/endpoint` at its end: the SDK adds them"
                    .to_owned(),
            );
        }
        error
    }

    async fn decide(
        &self,
        mut error: Error,
        repeat: Repeat,
        sends: &mut Sends,
        call: &Call,
    ) -> Result<(), Error> {
        let progress = sends.progress(call);
        let decision = retry::decision(&error, repeat, &self.policy, progress, fastrand::f64());
        sends.may_have_taken_effect |= call.take_replaced();
        error.repeated = sends.may_have_taken_effect;
        let (reason, pause) = match decision {
            Decision::Surface => return Err(error),
            Decision::Again { cost, .. } if !self.budget.pay(cost) => return Err(error),
            Decision::Again { pause, .. } => {
                sends.may_have_taken_effect |= error.stage != Stage::NotSent;
                (Reason::Retry, pause)
            }
            Decision::Warm { pause } => {
                sends.warmings += 1;
                (Reason::Warming, pause)
            }
        };
        self.tell(reason, &mut error, pause, call).await;
        // The host may have taken its time.
        if call.deadline.passed() {
            return Err(call.out_of_time());
        }
        sleep(pause).await;
        Ok(())
    }

    /// Fills in what only the transport knows.
    fn sign(&self, error: &mut Error, call: &Call) {
        call.tell_answer(error);
        error.operation.get_or_insert(call.operation);
        error.attempts = call.attempts();
        error.host.get_or_insert_with(|| self.host.clone());
    }
}

/// A stream's `first_token` ran out.
pub(crate) fn no_content(call: &Call) -> Error {
    let length = call.clocks.first_token;
    let mut error = timeout("first_token", code::TIMEOUT_FIRST_TOKEN, "no content", length);
    error.class = Class::StreamStalled;
    error
}

/// The sends of one request.
#[derive(Default)]
pub(crate) struct Sends {
    failed: u32,
    warmings: u32,
    cold_start: Option<Deadline>,
    may_have_taken_effect: bool,
}

impl Sends {
    /// Counts a failed send.
    fn count(&mut self, error: &Error, call: &Call) {
        if error.class == Class::EndpointWarming {
            self.cold_start.get_or_insert_with(|| Deadline::after(call.clocks.cold_start));
        } else {
            self.failed += 1;
        }
    }

    /// How far the request has come.
    fn progress(&self, call: &Call) -> Progress {
        Progress {
            sends: self.failed,
            warmings: self.warmings,
            left: call.deadline.left(),
            cold_start_left: self.cold_start.map_or(call.clocks.cold_start, Deadline::left),
        }
    }
}

/// The head of an answer, as far as an error tells of it.
#[derive(Debug)]
pub(crate) struct Answered {
    status: u16,
    request_id: Option<HeaderValue>,
    /// Masked where the answer echoes it.
    token: Secret,
}

impl Answered {
    fn new(response: &Response, request: &Request) -> Self {
        let request_id = answer::request_id_header(&response.headers).cloned();
        Self { status: response.status, request_id, token: request.token.clone() }
    }

    /// Puts it into an error that came after the head.
    pub(crate) fn tell(&self, error: &mut Error) {
        let secrets = [&self.token];
        error.words = mask(&error.words, &secrets);
        // What became of a workload is no fault of the answer that told it.
        if !matches!(error.class, Class::WorkloadFailed | Class::WaitTimeout | Class::Cancelled) {
            error.status.get_or_insert(self.status);
        }
        if let (None, Some(value)) = (&error.request_id, &self.request_id) {
            error.request_id = answer::shown_id(value, &secrets);
        }
    }
}

/// wire.md 2.2: identity was asked for, so any other coding is refused and nothing is inflated.
fn refuse_encoded(response: Response) -> Result<Response, Error> {
    match coding(&response.headers) {
        None => Ok(response),
        Some(coding) => {
            let words = format!("the answer came {}", not_asked_for(&coding));
            let error = Error::new(Class::ProtocolError, code::PROTOCOL_ERROR, words);
            Err(error.stage(Stage::Answered))
        }
    }
}

/// What `content-encoding` names beside `identity`, over all its lines.
fn coding(headers: &HeaderMap) -> Option<String> {
    if !headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    let lines = headers.get_all(CONTENT_ENCODING);
    let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    let codings = lines.join(", ");
    let is_identity =
        |coding: &str| coding.trim().is_empty() || coding.trim().eq_ignore_ascii_case("identity");
    (!codings.split(',').all(is_identity)).then_some(codings)
}

fn not_asked_for(coding: &str) -> String {
    format!("encoded as `{coding}`, which was not asked for")
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
