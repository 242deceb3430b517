//! The data plane: chat, chat streams, embeddings (wire.md 3).
//!
//! Rules are functions over bytes: [`request`] makes bodies, [`completion`], [`chunk`] and [`embeddings`] read answers in one
//! pass. [`embed`] asks for many embeddings in parts and [`merged`] makes one answer of theirs, [`intake`] reads rows while they arrive. [`form`] tells a stream from other answers, and [`stream`] follows it under its clocks.

mod account;
mod batch;
mod chunk;
mod completion;
mod cursor;
mod cuttings;
mod embed;
mod embeddings;
mod floats;
mod form;
mod intake;
mod merged;
mod mislabelled;
mod request;
mod stream;
mod tally;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Serialize;

pub(crate) use embed::embed;
pub(crate) use request::{ChatArguments, EmbedArguments, OnTruncated};
pub(crate) use stream::stream;

use self::account::{Timing, Usage};
use crate::config::Endpoint;
use crate::error::answer;
use crate::error::{Error, code};
use crate::operation::{Event, EventKind};
use crate::raw::Raw;
use crate::shared::Shared;
use crate::transport::{Accept, Answer, Call, Repeat, Request, Transport, media_type, path};

/// What every operation of this plane needs: the client, and the endpoint it is about.
pub(crate) struct Context {
    shared: Arc<Shared>,
    endpoint: Arc<Endpoint>,
    /// `/endpoint/{project}/{slug}/v1`.
    prefix: Arc<str>,
}

/// The hint where something answered that is no model.
const WHAT_TO_CHECK: &str = "check `base_url`, project and slug, and what the workload serves";

/// Why an answer is none.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// It is an error object.
    ErrorObject,
    /// It is not what the wire says; the words say where.
    Unreadable(String),
}

impl Context {
    /// `ConfigurationError` without a project.
    pub(crate) fn new(shared: &Arc<Shared>, endpoint: &Arc<Endpoint>) -> Result<Self, Error> {
        let prefix = match endpoint.path.get() {
            Some(path) => path,
            None => {
                let path = path_of(shared, endpoint)?;
                endpoint.path.get_or_init(|| path)
            }
        };
        let prefix = Arc::clone(prefix);
        Ok(Self { shared: Arc::clone(shared), endpoint: Arc::clone(endpoint), prefix })
    }

    /// The canonical slug, which is also the `model` of every request.
    pub(crate) fn slug(&self) -> &str {
        &self.endpoint.workload_slug
    }

    fn transport(&self) -> &Transport {
        &self.shared.transport
    }

    fn chat_request(&self, body: Bytes, accept: Accept) -> Request {
        self.request("/chat/completions", body, accept, Repeat::OnRequest)
    }

    fn embeddings_request(&self, body: Bytes) -> Request {
        self.request("/embeddings", body, Accept::Json, Repeat::Idempotent)
    }

    fn request(&self, route: &str, body: Bytes, accept: Accept, repeat: Repeat) -> Request {
        Request {
            method: Method::POST,
            path: [&*self.prefix, route].concat(),
            token: self.endpoint.key.clone(),
            accept,
            body: Some(body),
            idempotency_key: None,
            repeat,
            on_new_connection: false,
        }
    }

    /// The id of the request, as an answer's headers tell it.
    fn request_id(&self, headers: &HeaderMap) -> Option<String> {
        answer::request_id(headers, &[&self.endpoint.key])
    }

    /// The error for a good status whose body is none that was asked for.
    fn fault(&self, fault: Fault, answer: &Answer) -> Error {
        let Answer { status, headers, body, .. } = answer;
        let secrets = &[&self.endpoint.key];
        let words = match fault {
            Fault::ErrorObject => match answer::error_object(headers, body, secrets) {
                Some(error) => return error,
                None => "`error` is set, but is no error".to_owned(),
            },
            Fault::Unreadable(words) => words,
        };
        let label = match media_type(headers) {
            Some(label) if !label.eq_ignore_ascii_case("application/json") => {
                format!("; it is labelled `{label}`")
            }
            _ => String::new(),
        };
        let words = format!("the answer is unreadable: {words}{label}");
        answer::unreadable(*status, headers, body, secrets, &words).hint(WHAT_TO_CHECK)
    }
}

fn path_of(shared: &Shared, endpoint: &Endpoint) -> Result<Arc<str>, Error> {
    let project =
        shared.config.project.as_deref().ok_or_else(|| {
            Error::configuration(code::MISSING_PROJECT, "no project").at("project")
        })?;
    let project = path::segment("project", project)?;
    let slug = path::segment("workload_slug", &endpoint.workload_slug)?;
    Ok(format!("/endpoint/{project}/{slug}/v1").into())
}

#[derive(Serialize)]
struct ChatHead<'a> {
    text: Cow<'a, str>,
    model: Cow<'a, str>,
    finish_reason: Option<Cow<'a, str>>,
    usage: Option<Usage>,
    request_id: Option<String>,
    timing: Timing,
}

/// One chat answer.
pub(crate) async fn chat(context: &Context, body: Bytes, call: &Call) -> Result<Event, Error> {
    let request = context.chat_request(body, Accept::Json);
    let answer = context.transport().call(&request, call).await?;
    let read = completion::read(&answer.body).map_err(|fault| context.fault(fault, &answer))?;
    let completion::Completion { text, model, finish_reason, usage } = read;
    let head = head(&ChatHead {
        text,
        model,
        finish_reason,
        usage,
        request_id: context.request_id(&answer.headers),
        timing: Timing::end(call, None, usage),
    });
    Ok(event(head, answer.body))
}

/// Most heads fit, and need not grow.
const HEAD_ROOM: usize = 256;

/// The JSON of a head.
fn head(members: &impl Serialize) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_ROOM);
    // Texts and numbers into memory: nothing that could fail.
    let _ = serde_json::to_writer(&mut head, members);
    head
}

fn event(head: Vec<u8>, raw: impl Into<Raw>) -> Event {
    Event { kind: EventKind::Data, head, raw: raw.into(), vectors: None }
}
