//! A chat answer: text, model and finish reason, read in one pass (wire.md 3.1).

use std::borrow::Cow;

use serde::de::SeqAccess;

use super::Fault;
use super::account::Usage;
use crate::json::{self, Field, Filled, First, Node, Told};

/// What a caller gets beside the untouched answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Completion<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) model: Cow<'a, str>,
    pub(super) finish_reason: Option<Cow<'a, str>>,
    pub(super) usage: Option<Usage>,
}

/// Reads a whole answer.
pub(super) fn read(body: &[u8]) -> Result<Completion<'_>, Fault> {
    let unreadable = |words: &str| Fault::Unreadable(words.to_owned());
    let answer: Answer<'_> = json::read(body)
        .map_err(Fault::Unreadable)?
        .value()
        .ok_or_else(|| unreadable("it is not an object"))?;
    if answer.error.0 {
        return Err(Fault::ErrorObject);
    }
    let choice = match answer.choices {
        Field::Value(First(Field::Value(choice))) => choice,
        Field::Value(First(Field::Absent)) => return Err(unreadable("`choices` is empty")),
        Field::Value(_) => return Err(unreadable("`choices[0]` is not an object")),
        _ => return Err(unreadable("`choices` is not a list")),
    };
    let Field::Value(message) = choice.message else {
        return Err(unreadable("`choices[0].message` is not an object"));
    };
    Ok(Completion {
        text: text(message).map_err(Fault::Unreadable)?,
        model: answer.model.value().unwrap_or_default(),
        finish_reason: choice.finish_reason.value(),
        usage: Usage::read(answer.usage),
    })
}

fn text(message: Message<'_>) -> Result<Cow<'_, str>, String> {
    const PATH: &str = "choices[0].message.content";
    match message.content {
        Field::Value(Content::Text(text)) => Ok(text),
        Field::Value(Content::Parts(parts)) => joined(parts)
            .map(Cow::Owned)
            .map_err(|index| format!("`{PATH}[{index}]` is not a content part")),
        Field::Null => Ok(Cow::Borrowed("")),
        // Some engines leave the key out where they answer with tool calls alone.
        Field::Absent if message.tool_calls.0 => Ok(Cow::Borrowed("")),
        Field::Absent => Err(format!("`{PATH}` is missing")),
        Field::Wrong => Err(format!("`{PATH}` is not a string, a list of parts or null")),
    }
}

/// The text parts; the index of the first part that is none.
fn joined(parts: Vec<Field<Part<'_>>>) -> Result<String, usize> {
    let mut joined = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        let part = part.value().ok_or(index)?;
        match (part.kind.value().as_deref(), part.text) {
            (None | Some("text"), Field::Value(text)) => joined.push_str(&text),
            (Some("text"), _) => return Err(index),
            _ => {}
        }
    }
    Ok(joined)
}

#[derive(Default)]
struct Answer<'a> {
    error: Filled,
    model: Field<Cow<'a, str>>,
    usage: Told<'a>,
    choices: Field<First<Choice<'a>>>,
}

json::node!(Answer {
    "error" => error,
    "model" => model,
    "usage" => usage,
    "choices" => choices,
});

#[derive(Default)]
struct Choice<'a> {
    message: Field<Message<'a>>,
    finish_reason: Field<Cow<'a, str>>,
}

json::node!(Choice {
    "message" => message,
    "finish_reason" => finish_reason,
});

#[derive(Default)]
struct Message<'a> {
    content: Field<Content<'a>>,
    tool_calls: Filled,
}

json::node!(Message {
    "content" => content,
    "tool_calls" => tool_calls,
});

enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Field<Part<'a>>>),
}

impl<'de> Node<'de> for Content<'de> {
    fn text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self::Text(text))
    }

    fn list<A: SeqAccess<'de>>(items: &mut A) -> Result<Option<Self>, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = items.next_element()? {
            parts.push(part);
        }
        Ok(Some(Self::Parts(parts)))
    }
}

#[derive(Default)]
struct Part<'a> {
    kind: Field<Cow<'a, str>>,
    text: Field<Cow<'a, str>>,
}

json::node!(Part {
    "type" => kind,
    "text" => text,
});
