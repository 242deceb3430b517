//! One frame of a chat stream, read in one pass (wire.md 3.2).

use std::borrow::Cow;

use serde::de::MapAccess;

use super::Fault;
use super::account::Usage;
use crate::json::{self, Entries, Field, Filled, First, Node, Told};

/// What a caller gets of a frame beside its JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) finish_reason: Option<Cow<'a, str>>,
    /// Text, reasoning, a piece of a tool call, a finish reason or usage: it moves the clocks, a heartbeat does not.
    pub(super) is_content: bool,
    pub(super) usage: Option<Usage>,
}

/// Reads one frame's data.
pub(super) fn read(data: &[u8]) -> Result<Chunk<'_>, Fault> {
    let unreadable = |words: &str| Fault::Unreadable(words.to_owned());
    let frame: Body<'_> = json::read(data)
        .map_err(Fault::Unreadable)?
        .value()
        .ok_or_else(|| unreadable("it is not an object"))?;
    if frame.error.0 {
        return Err(Fault::ErrorObject);
    }
    let choice = match frame.choices {
        Field::Value(First(Field::Value(choice))) => choice,
        Field::Value(First(Field::Absent)) => Choice::default(),
        // Some servers leave the empty list out where they tell the usage.
        Field::Absent | Field::Null if frame.usage.0.is_some() => Choice::default(),
        Field::Value(_) => return Err(unreadable("`choices[0]` is not an object")),
        _ => return Err(unreadable("`choices` is not a list")),
    };
    let delta = match choice.delta {
        Field::Value(delta) => delta,
        Field::Absent | Field::Null => Delta::default(),
        Field::Wrong => return Err(unreadable("`choices[0].delta` is not an object")),
    };
    let text = match delta.content {
        Field::Value(text) => text,
        Field::Absent | Field::Null => Cow::Borrowed(""),
        Field::Wrong => return Err(unreadable("`choices[0].delta.content` is not a string")),
    };
    let finish_reason = match choice.finish_reason {
        Field::Value(reason) => Some(reason),
        Field::Absent | Field::Null => None,
        Field::Wrong => return Err(unreadable("`choices[0].finish_reason` is not a string")),
    };
    let finished = finish_reason.as_ref().is_some_and(|reason| !reason.is_empty());
    let is_content = !text.is_empty() || delta.other_content || finished || frame.usage.0.is_some();
    Ok(Chunk { text, finish_reason, is_content, usage: Usage::read(frame.usage) })
}

#[derive(Default)]
struct Body<'a> {
    error: Filled,
    usage: Told<'a>,
    choices: Field<First<Choice<'a>>>,
}

impl<'de> Node<'de> for Body<'de> {
    fn object<A: MapAccess<'de>>(entries: &mut Entries<'de, A>) -> Result<Option<Self>, A::Error> {
        let mut body = Self::default();
        while let Some(key) = entries.key()? {
            match &*key {
                "error" => body.error = entries.value()?,
                "usage" => body.usage = entries.value()?,
                "choices" => body.choices = entries.value()?,
                _ => entries.skip()?,
            }
        }
        Ok(Some(body))
    }
}

#[derive(Default)]
struct Choice<'a> {
    delta: Field<Delta<'a>>,
    finish_reason: Field<Cow<'a, str>>,
}

impl<'de> Node<'de> for Choice<'de> {
    fn object<A: MapAccess<'de>>(entries: &mut Entries<'de, A>) -> Result<Option<Self>, A::Error> {
        let mut choice = Self::default();
        while let Some(key) = entries.key()? {
            match &*key {
                "delta" => choice.delta = entries.value()?,
                "finish_reason" => choice.finish_reason = entries.value()?,
                _ => entries.skip()?,
            }
        }
        Ok(Some(choice))
    }
}

#[derive(Default)]
struct Delta<'a> {
    content: Field<Cow<'a, str>>,
    /// Reasoning, a refusal, or a piece of a tool call.
    other_content: bool,
}

impl<'de> Node<'de> for Delta<'de> {
    fn object<A: MapAccess<'de>>(entries: &mut Entries<'de, A>) -> Result<Option<Self>, A::Error> {
        let mut delta = Self::default();
        while let Some(key) = entries.key()? {
            match &*key {
                "content" => delta.content = entries.value()?,
                "reasoning_content" | "reasoning" | "refusal" | "tool_calls" | "function_call" => {
                    delta.other_content |= entries.value::<Filled>()?.0;
                }
                _ => entries.skip()?,
            }
        }
        Ok(Some(delta))
    }
}
