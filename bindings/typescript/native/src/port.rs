//! The core's queue as one event loop uses it: a native thread runs the operations and pokes the loop.

use std::time::Duration;

use inferencekey_core::{Event, EventKind, Queue, Raw, Taken, push_json_string};
use napi::bindgen_prelude::{Buffer, BufferSlice, Float64Array, Function, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;

use crate::client::NativeClient;
use crate::{ADDON_ERROR, Result, text, thrown};

type Wake = ThreadsafeFunction<(), Unknown<'static>, (), Status, false, true>;

/// Bytes up to here are copied into JavaScript's own memory; for longer ones the core's memory is lent.
const COPIED: usize = 4096;

/// Runs operations, and tells their events in batches.
#[napi]
pub struct NativePort {
    queue: Queue,
    /// Never called: the loop stays alive for it while it is held.
    alive: Wake,
}

/// An event of the operation submitted under `tag`.
#[napi(object, object_from_js = false)]
pub struct NativeEvent {
    pub tag: u32,
    /// `open`, `data`, `notice`; last of all `end` or `error`.
    #[napi(ts_type = "'open' | 'data' | 'notice' | 'end' | 'error'")]
    pub kind: &'static str,
    /// JSON; of an `error` its description.
    pub head: String,
    /// The answer's bytes.
    pub raw: Option<Buffer>,
    /// The same of embeddings, for when they are asked for.
    pub kept: Option<NativeRaw>,
    /// Rows of numbers, one after the other.
    pub values: Option<Float64Array>,
}

/// The bytes of an answer with embeddings.
#[napi]
pub struct NativeRaw(Raw);

#[napi]
impl NativeRaw {
    /// All of them, put together by the first call.
    #[napi]
    pub fn bytes(&self, env: Env) -> napi::Result<Buffer> {
        buffer(&env, bytes_of(&self.0)?)
    }
}

#[napi]
impl NativePort {
    /// `wake` is called on the loop's thread, once per burst, when something can be taken. It does not keep the loop
    /// alive by itself: see [`Self::hold`].
    #[napi(constructor)]
    pub fn new(wake: Function<'_, (), Unknown<'static>>) -> Result<Self> {
        let (poke, alive) = (weak(&wake)?, weak(&wake)?);
        let poke = move || {
            poke.call((), ThreadsafeFunctionCallMode::NonBlocking);
        };
        let queue = Queue::new(Some(Box::new(poke))).map_err(|error| thrown(&error))?;
        Ok(Self { queue, alive })
    }

    /// Starts an operation, whose events come under `tag`. A `prompt` belongs into its request.
    #[napi]
    pub fn submit(
        &self,
        client: &NativeClient,
        operation: String,
        tag: u32,
        mut request: String,
        prompt: Option<String>,
    ) -> Result<()> {
        if let Some(prompt) = prompt {
            request = with_prompt(&request, &prompt);
        }
        self.queue.submit(client.submit(&operation, &request)?, u64::from(tag));
        Ok(())
    }

    /// Ends it.
    #[napi]
    pub fn cancel(&self, tag: u32) {
        self.queue.cancel(u64::from(tag));
    }

    /// Keeps it from reading on, or lets it go on.
    #[napi]
    pub fn pause(&self, tag: u32, paused: bool) {
        self.queue.pause(u64::from(tag), paused);
    }

    /// At most `max` events that are here. Never waits.
    #[napi]
    pub fn take(&self, env: Env, max: u32) -> napi::Result<Vec<NativeEvent>> {
        let taken = self.queue.take(max as usize, Some(Duration::ZERO));
        taken.into_iter().map(|taken| shown(&env, taken)).collect()
    }

    /// Does the loop wait for this port? Somebody awaits an answer, or nobody does.
    // It is the handle itself that the loop counts, and there is one: nothing here is cloned.
    #[allow(deprecated)]
    #[napi]
    pub fn hold(&mut self, env: Env, held: bool) -> napi::Result<()> {
        if held { self.alive.refer(&env) } else { self.alive.unref(&env) }
    }
}

/// The function as a handle that threads can call and that does not keep the loop alive.
fn weak(function: &Function<'_, (), Unknown<'static>>) -> Result<Wake> {
    let built = function.build_threadsafe_function::<()>().weak::<true>().build();
    built.map_err(|error| napi::Error::new(ADDON_ERROR, error.reason.clone()))
}

/// The JSON of an object, with one more member.
fn with_prompt(request: &str, prompt: &str) -> String {
    let members = request.strip_prefix('{').unwrap_or(request);
    let mut json = b"{\"prompt\":".to_vec();
    push_json_string(&mut json, prompt);
    if members != "}" {
        json.push(b',');
    }
    json.extend_from_slice(members.as_bytes());
    text(json)
}

fn shown(env: &Env, taken: Taken) -> napi::Result<NativeEvent> {
    let bare = |kind, head| NativeEvent {
        tag: tag(taken.tag),
        kind,
        head,
        raw: None,
        kept: None,
        values: None,
    };
    match taken.outcome {
        Ok(Some(event)) => {
            let Event { kind, head, raw, vectors } = event;
            let mut shown = bare(name(kind), text(head));
            match vectors {
                Some(vectors) => {
                    shown.values = Some(Float64Array::new(vectors.values));
                    shown.kept = Some(NativeRaw(raw));
                }
                None if raw.is_empty() => {}
                None => shown.raw = Some(buffer(env, bytes_of(&raw)?)?),
            }
            Ok(shown)
        }
        Ok(None) => Ok(bare("end", String::new())),
        Err(error) => Ok(bare("error", text(error.to_json()))),
    }
}

fn bytes_of(raw: &Raw) -> napi::Result<bytes::Bytes> {
    let bytes = raw.bytes().cloned();
    bytes.map_err(|error| napi::Error::from_reason(error.to_string()))
}

fn name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Open => "open",
        EventKind::Data => "data",
        EventKind::Notice => "notice",
    }
}

fn buffer(env: &Env, bytes: bytes::Bytes) -> napi::Result<Buffer> {
    let slice = match bytes.len() {
        0..=COPIED => BufferSlice::copy_from(env, bytes)?,
        _ => BufferSlice::from_data(env, bytes)?,
    };
    slice.into_buffer(env)
}

/// Tags are given as `u32`.
fn tag(tag: u64) -> u32 {
    u32::try_from(tag).unwrap_or_default()
}
