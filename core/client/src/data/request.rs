//! Arguments of the data plane's calls, checked, and the bodies made of them (wire.md 1.4, 3.1, 3.3).

use std::ops::Range;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::config::arguments::{self, wrong_type};
use crate::error::Error;
use crate::json::push_string;

type Object = Map<String, Value>;

/// What to do about a stream that ends before it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnTruncated {
    Raise,
    Warn,
    Allow,
}

impl OnTruncated {
    /// The key of the stream's request.
    pub(crate) const KEY: &str = "on_truncated";

    /// From the request; absent = raise.
    pub(crate) fn from_request(request: &Object) -> Result<Self, Error> {
        match arguments::string(request, Self::KEY)?.as_deref() {
            None | Some("raise") => Ok(Self::Raise),
            Some("warn") => Ok(Self::Warn),
            Some("allow") => Ok(Self::Allow),
            Some(_) => Err(Error::invalid(Self::KEY, "`on_truncated` is raise, warn or allow")),
        }
    }
}

/// Arguments of a chat.
#[derive(Debug)]
pub(crate) struct ChatArguments {
    messages: Messages,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
}

#[derive(Debug)]
enum Messages {
    /// One message of the user.
    Prompt(String),
    /// The caller's list, sent as it is.
    List(Vec<Value>),
}

impl ChatArguments {
    /// The keys of the request.
    pub(crate) const KEYS: [&str; 4] = ["prompt", "messages", "temperature", "max_tokens"];

    /// Takes the arguments out of `request`.
    pub(crate) fn take(request: &mut Object) -> Result<Self, Error> {
        Ok(Self {
            messages: messages(request)?,
            temperature: temperature(request)?,
            max_tokens: max_tokens(request)?,
        })
    }

    /// Exactly what is set, compact; `temperature` always as a float.
    pub(crate) fn body(&self, slug: &str, stream: bool) -> Bytes {
        let mut body = Vec::with_capacity(self.room());
        body.extend_from_slice(b"{\"model\":");
        push_string(&mut body, slug);
        body.extend_from_slice(b",\"messages\":");
        match &self.messages {
            Messages::Prompt(prompt) => {
                body.extend_from_slice(b"[{\"role\":\"user\",\"content\":");
                push_string(&mut body, prompt);
                body.extend_from_slice(b"}]");
            }
            Messages::List(messages) => push(&mut body, messages),
        }
        body.extend_from_slice(b",\"stream\":");
        push(&mut body, &stream);
        if let Some(temperature) = self.temperature {
            body.extend_from_slice(b",\"temperature\":");
            push(&mut body, &temperature);
        }
        if let Some(max_tokens) = self.max_tokens {
            body.extend_from_slice(b",\"max_tokens\":");
            push(&mut body, &max_tokens);
        }
        body.push(b'}');
        body.into()
    }

    /// What a body takes where nothing in its prompt is escaped: a long one that outgrows its room takes twice as much.
    fn room(&self) -> usize {
        match &self.messages {
            Messages::Prompt(prompt) => prompt.len() + 256,
            Messages::List(_) => 256,
        }
    }
}

fn push(body: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    // JSON values and finite numbers into memory: nothing that could fail.
    let _ = serde_json::to_writer(body, value);
}

fn messages(request: &mut Object) -> Result<Messages, Error> {
    let given = |value: Option<Value>| value.filter(|value| !value.is_null());
    let prompt = given(request.remove("prompt"));
    let messages = given(request.remove("messages"));
    match (prompt, messages) {
        (Some(Value::String(prompt)), None) if prompt.trim().is_empty() => {
            Err(Error::invalid("prompt", "`prompt` is blank").hint("give the model some text"))
        }
        (Some(Value::String(prompt)), None) => Ok(Messages::Prompt(prompt)),
        (Some(other), None) => Err(wrong_type("prompt", "a string", &other)),
        (None, Some(Value::Array(messages))) => {
            if messages.is_empty() {
                return Err(Error::invalid("messages", "`messages` is empty").hint(ONE_OF_TWO));
            }
            messages.iter().enumerate().try_for_each(|(index, one)| check_message(index, one))?;
            Ok(Messages::List(messages))
        }
        (None, Some(other)) => Err(wrong_type("messages", "a list", &other)),
        (None, None) => Err(one_of_two("neither is given", "prompt")),
        (Some(_), Some(_)) => Err(one_of_two("both are given", "messages")),
    }
}

const ONE_OF_TWO: &str = "give `prompt`, one user message, or `messages`, a whole conversation";

fn one_of_two(problem: &str, field: &str) -> Error {
    let words = format!("exactly one of `prompt` and `messages` is needed; {problem}");
    Error::invalid(field, words).hint(ONE_OF_TWO)
}

/// Role, and content where nothing else is said. Everything more is between the caller and the engine.
fn check_message(index: usize, message: &Value) -> Result<(), Error> {
    let path = format!("messages[{index}]");
    let Value::Object(message) = message else {
        return Err(wrong_type(&path, "an object", message));
    };
    let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
    if role.trim().is_empty() {
        return Err(Error::invalid(format!("{path}.role"), format!("`{path}` has no `role`"))
            .hint("a message is {\"role\": \"user\", \"content\": \"…\"}"));
    }
    let is_blank =
        matches!(message.get("content"), Some(Value::String(text)) if text.trim().is_empty());
    let has_calls =
        matches!(message.get("tool_calls"), Some(Value::Array(calls)) if !calls.is_empty());
    if is_blank && !has_calls {
        let words = format!("`{path}.content` is blank");
        return Err(Error::invalid(format!("{path}.content"), words)
            .hint("leave the message out, or give it a text"));
    }
    Ok(())
}

fn temperature(request: &Object) -> Result<Option<f64>, Error> {
    match arguments::value(request, "temperature") {
        None => Ok(None),
        Some(Value::Number(number)) => number.as_f64().map(Some).ok_or_else(|| {
            Error::invalid("temperature", "`temperature` is not a finite number")
                .hint("most engines take 0 to 2")
        }),
        Some(other) => Err(wrong_type("temperature", "a number", other)),
    }
}

fn max_tokens(request: &Object) -> Result<Option<u32>, Error> {
    match arguments::value(request, "max_tokens") {
        None => Ok(None),
        Some(Value::Number(given)) => {
            let number = given.as_u64().and_then(|number| u32::try_from(number).ok());
            number.filter(|number| *number > 0).map(Some).ok_or_else(|| {
                let words =
                    format!("`max_tokens` is a whole number from 1 to 4294967295, not {given}");
                Error::invalid("max_tokens", words).hint("leave it out for the engine's own limit")
            })
        }
        Some(other) => Err(wrong_type("max_tokens", "a whole number", other)),
    }
}

/// Arguments of an embedding.
#[derive(Debug)]
pub(crate) struct EmbedArguments {
    input: Vec<String>,
    encoding_format: Option<String>,
    /// Most inputs of one request.
    batch_size: usize,
    /// Most requests at once.
    pub(crate) concurrency: usize,
}

impl EmbedArguments {
    /// The keys of the request.
    pub(crate) const KEYS: [&str; 4] = ["input", "encoding_format", "batch_size", "concurrency"];

    /// Takes the arguments out of `request`.
    pub(crate) fn take(request: &mut Object) -> Result<Self, Error> {
        let encoding_format = arguments::string(request, "encoding_format")?;
        if !matches!(encoding_format.as_deref(), None | Some("float" | "base64")) {
            let words = "`encoding_format` is float or base64";
            return Err(Error::invalid("encoding_format", words));
        }
        let batch_size = count(request, "batch_size", BATCH_SIZE)?;
        let concurrency = count(request, "concurrency", CONCURRENCY)?;
        Ok(Self { input: input(request)?, encoding_format, batch_size, concurrency })
    }

    /// How many rows the answer has to have.
    pub(crate) fn inputs(&self) -> usize {
        self.input.len()
    }

    /// Where the inputs of each request begin and end.
    pub(crate) fn parts(&self) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
        let (inputs, size) = (self.inputs(), self.batch_size);
        (0..inputs.div_ceil(size))
            .map(move |part| part * size..inputs.min((part + 1).saturating_mul(size)))
    }

    /// Did the caller ask for base64?
    pub(crate) fn wants_base64(&self) -> bool {
        self.encoding_format.as_deref() == Some("base64")
    }

    /// The request for one part: always a list; `encoding_format` only if it was asked for and `plain` is not.
    pub(crate) fn body(&self, slug: &str, part: Range<usize>, plain: bool) -> Bytes {
        let mut body = b"{\"input\":".to_vec();
        push(&mut body, &self.input[part]);
        body.extend_from_slice(b",\"model\":");
        push_string(&mut body, slug);
        if let Some(format) = self.encoding_format.as_ref().filter(|_| !plain) {
            body.extend_from_slice(b",\"encoding_format\":");
            push_string(&mut body, format);
        }
        body.push(b'}');
        body.into()
    }
}

/// The limit of the OpenAI API.
const BATCH_SIZE: usize = 2048;
const CONCURRENCY: usize = 8;

fn count(request: &Object, key: &str, default: usize) -> Result<usize, Error> {
    match arguments::value(request, key) {
        None => Ok(default),
        Some(Value::Number(given)) => {
            let number = given.as_u64().and_then(|number| u32::try_from(number).ok());
            number.filter(|number| *number > 0).map(|number| number as usize).ok_or_else(|| {
                let words = format!("`{key}` is a whole number from 1 to 4294967295, not {given}");
                Error::invalid(key, words).hint(format!("leave it out for {default}"))
            })
        }
        Some(other) => Err(wrong_type(key, "a whole number", other)),
    }
}

const INPUT: &str = "give one text, or a list of at least one";

fn input(request: &mut Object) -> Result<Vec<String>, Error> {
    match request.remove("input") {
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(items)) if items.is_empty() => {
            Err(Error::invalid("input", "`input` is empty").hint(INPUT))
        }
        Some(Value::Array(items)) => {
            let text = |(index, item)| match item {
                Value::String(text) => Ok(text),
                other => Err(wrong_type(&format!("input[{index}]"), "a string", &other)),
            };
            items.into_iter().enumerate().map(text).collect()
        }
        None | Some(Value::Null) => Err(Error::invalid("input", "`input` is missing").hint(INPUT)),
        Some(other) => Err(wrong_type("input", "a string or a list of strings", &other)),
    }
}
