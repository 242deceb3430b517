//! Embeddings of many inputs: one request, or parts of the input at once, put together in their order.
//!
//! Where base64 is asked for, the server is asked once: one that refuses it, or gives numbers all the same, gets plain
//! requests from then on.

use std::ops::Range;

use serde::Serialize;

use super::account::{Timing, Usage};
use super::embeddings;
use super::intake::Intake;
use super::merged::merged;
use super::{Context, EmbedArguments, event, head};
use crate::driver::join;
use crate::error::{Class, Error, code};
use crate::operation::{Event, Vectors};
use crate::raw::Raw;
use crate::transport::{Answer, Call};

/// The answer to one request.
struct Part {
    model: String,
    usage: Option<Usage>,
    request_id: Option<String>,
    vectors: Vectors,
    raw: Raw,
}

#[derive(Serialize)]
struct Head {
    model: Option<String>,
    rows: usize,
    columns: usize,
    usage: Option<Usage>,
    request_id: Option<String>,
    timing: Timing,
}

/// Rows of numbers, one for each input.
pub(crate) async fn embed(
    context: &Context,
    arguments: &EmbedArguments,
    call: &Call,
) -> Result<Event, Error> {
    let mut parts = arguments.parts();
    if parts.len() == 1 {
        return Ok(whole(ask(context, arguments, 0..arguments.inputs(), call).await?, call));
    }
    let mut joined = Joined::new(arguments.inputs(), parts.len());
    // Whether it gives base64 is found out with one request, not with many at once.
    let probe = arguments.wants_base64() && !context.endpoint.base64.is_known();
    let first = if probe { parts.next() } else { None };
    let asked_before = usize::from(probe);
    if let Some(first) = first {
        let start = first.start;
        joined.take(0, start, ask(context, arguments, first, call).await?)?;
    }
    let asks = parts.map(async |part| {
        let start = part.start;
        ask(context, arguments, part, &call.beside()).await.map(|answer| (start, answer))
    });
    join(asks, arguments.concurrency, |place, (start, answer)| {
        joined.take(asked_before + place, start, answer)
    })
    .await?;
    Ok(joined.event(call))
}

/// Sends one request, and a plain one after it if base64 is refused.
async fn ask(
    context: &Context,
    arguments: &EmbedArguments,
    part: Range<usize>,
    call: &Call,
) -> Result<Part, Error> {
    let base64 = &context.endpoint.base64;
    if !arguments.wants_base64() || base64.is_refused() {
        let plain = arguments.wants_base64();
        return Ok(send(context, arguments, part, plain, call).await?.0);
    }
    match send(context, arguments, part.clone(), false, call).await {
        Ok((answer, as_base64)) => {
            base64.learn(as_base64);
            Ok(answer)
        }
        Err(error) if refuses_format(&error) => {
            base64.learn(false);
            Ok(send(context, arguments, part, true, call).await?.0)
        }
        Err(error) => Err(error),
    }
}

/// 400 or 422 that speaks of the format.
fn refuses_format(error: &Error) -> bool {
    let speaks_of_it = |text: &str| text.contains("encoding_format") || text.contains("base64");
    matches!(error.status, Some(400 | 422))
        && (speaks_of_it(&error.words) || error.body.as_deref().is_some_and(speaks_of_it))
}

async fn send(
    context: &Context,
    arguments: &EmbedArguments,
    part: Range<usize>,
    plain: bool,
    call: &Call,
) -> Result<(Part, bool), Error> {
    let inputs = part.len();
    let request = context.embeddings_request(arguments.body(context.slug(), part, plain));
    let mut intake = Intake::new(inputs);
    let answer = context.transport().call_sieved(&request, &mut intake, call).await?;
    let (arrived, raw) = intake.into_parts(answer.body.clone());
    let read = match embeddings::read(&answer.body, inputs, arrived) {
        Ok(read) => read,
        Err(fault) => {
            return Err(context.fault(fault, &Answer { body: raw.bytes()?.clone(), ..answer }));
        }
    };
    let as_base64 = read.base64;
    let part = Part {
        model: read.model.into_owned(),
        usage: read.usage,
        request_id: context.request_id(&answer.headers),
        vectors: read.vectors,
        raw,
    };
    Ok((part, as_base64))
}

fn whole(part: Part, call: &Call) -> Event {
    let Part { model, usage, request_id, vectors, raw } = part;
    let head = head(&Head {
        model: Some(model),
        rows: vectors.values.len() / vectors.columns,
        columns: vectors.columns,
        usage,
        request_id,
        timing: Timing::end(call, None, usage),
    });
    Event { vectors: Some(vectors), ..event(head, raw) }
}

/// The parts that have been answered. Their numbers are moved at once to where they belong, so that none are held twice.
struct Joined {
    inputs: usize,
    model: Option<String>,
    usages: Vec<Option<Usage>>,
    request_id: Option<String>,
    vectors: Vectors,
    raw: Vec<Raw>,
}

impl Joined {
    fn new(inputs: usize, parts: usize) -> Self {
        let vectors = Vectors { values: Vec::new(), columns: 0 };
        Self {
            inputs,
            model: None,
            usages: Vec::with_capacity(parts),
            request_id: None,
            vectors,
            raw: vec![Raw::default(); parts],
        }
    }

    /// `start`: the first of its inputs.
    fn take(&mut self, place: usize, start: usize, part: Part) -> Result<(), Error> {
        let Vectors { values, columns } = &mut self.vectors;
        let given = part.vectors.columns;
        if *columns == 0 {
            *columns = given;
            let numbers = self.inputs.saturating_mul(given);
            let room = values.try_reserve_exact(numbers);
            room.map_err(|_| Error::out_of_memory("the embeddings"))?;
            values.resize(numbers, 0.0);
        }
        if *columns != given {
            let words = format!(
                "the answer is unreadable: `data[{start}].embedding` has {given} numbers, another part's have {columns}"
            );
            return Err(Error::new(Class::ProtocolError, code::PROTOCOL_ERROR, words));
        }
        let numbers = &part.vectors.values;
        values[start * given..][..numbers.len()].copy_from_slice(numbers);
        self.raw[place] = part.raw;
        self.usages.push(part.usage);
        // All come from one endpoint; where they differ, the first input's counts.
        if place == 0 || self.model.is_none() {
            self.model = Some(part.model);
            self.request_id = part.request_id;
        }
        Ok(())
    }

    fn event(self, call: &Call) -> Event {
        let Self { inputs, model, usages, request_id, vectors, raw } = self;
        let usage = Usage::sum(&usages);
        let head = head(&Head {
            model,
            rows: inputs,
            columns: vectors.columns,
            usage,
            request_id,
            timing: Timing::end(call, None, usage),
        });
        let raw = Raw::later(move || merged(&raw));
        Event { vectors: Some(vectors), ..event(head, raw) }
    }
}
