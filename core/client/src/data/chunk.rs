//! One frame of a chat stream, read in one pass (wire.md 3.2).

use std::borrow::Cow;

use serde::de::MapAccess;

use super::Fault;
use super::account::Usage;
use crate::json::{self, Entries, Field, Filled, First, Node, Told};

/// What is longer than this around a text is not kept.
const MOST_KEPT: usize = 4096;

/// What a caller gets of a frame beside its JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) finish_reason: Option<Cow<'a, str>>,
    pub(super) usage: Option<Usage>,
    /// Reasoning, a piece of a tool call, a finish reason or usage.
    other_content: bool,
}

impl Chunk<'_> {
    /// Text or something else that moves the clocks; a heartbeat does not.
    pub(super) fn is_content(&self) -> bool {
        !self.text.is_empty() || self.other_content
    }
}

/// Reads the frames of one stream, one after the other.
///
/// Most of them differ from the one before in their text alone, so the bytes around it are kept: where they are the same,
/// a frame means the same but for its text, and nothing else of it is read again.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Up to the text's opening quote, and from its closing quote on; empty where the last frame was of another kind.
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Frames {
    /// Reads one frame's data.
    pub(super) fn read<'a>(&mut self, data: &'a [u8]) -> Result<Chunk<'a>, Fault> {
        if let Some(text) = self.text_alone(data) {
            let text = Cow::Borrowed(text);
            return Ok(Chunk { text, finish_reason: None, usage: None, other_content: false });
        }
        let chunk = read(data)?;
        self.keep(data, &chunk);
        Ok(chunk)
    }

    /// The text of a frame that is the last one with another text.
    fn text_alone<'a>(&self, data: &'a [u8]) -> Option<&'a str> {
        let text = data.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let is_string = !self.before.is_empty() && json::is_plain(text);
        std::str::from_utf8(text).ok().filter(|_| is_string)
    }

    fn keep(&mut self, data: &[u8], chunk: &Chunk<'_>) {
        self.before.clear();
        self.after.clear();
        if let Cow::Borrowed(text) = chunk.text
            && !text.is_empty()
            && data.len() - text.len() <= MOST_KEPT
            && !chunk.other_content
            && chunk.finish_reason.is_none()
        {
            // A borrowed text is a part of the data.
            let start = text.as_ptr().addr() - data.as_ptr().addr();
            self.before.extend_from_slice(&data[..start]);
            self.after.extend_from_slice(&data[start + text.len()..]);
        }
    }
}

fn read(data: &[u8]) -> Result<Chunk<'_>, Fault> {
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
    let other_content = delta.other_content || finished || frame.usage.0.is_some();
    Ok(Chunk { text, finish_reason, usage: Usage::read(frame.usage), other_content })
}

#[derive(Default)]
struct Body<'a> {
    error: Filled,
    usage: Told<'a>,
    choices: Field<First<Choice<'a>>>,
}

json::node!(Body {
    "error" => error,
    "usage" => usage,
    "choices" => choices,
});

#[derive(Default)]
struct Choice<'a> {
    delta: Field<Delta<'a>>,
    finish_reason: Field<Cow<'a, str>>,
}

json::node!(Choice {
    "delta" => delta,
    "finish_reason" => finish_reason,
});

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

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(delta: &str, end: &str) -> String {
        format!(r#"{{"id":"x","choices":[{{"delta":{delta},"finish_reason":null}}]{end}}}"#)
    }

    fn content(text: &str) -> String {
        frame(&format!(r#"{{"content":"{text}"}}"#), "")
    }

    #[test]
    fn a_frame_means_the_same_whatever_came_before() {
        let frames = [
            content("a"),
            content(" longer"),
            content(""),
            content("é€𝄞"),
            content(r"a\n"),
            content(r#"a\"b"#),
            content(r#"x","content":"y"#),
            content(r#"x"},"usage":{"total_tokens":3},"y":{"z":""#),
            content("a\u{1f}b"),
            content("a\n"),
            frame(r#"{"content":"a","reasoning":"hm"}"#, ""),
            frame(r#"{"content":"","reasoning":"hm"}"#, ""),
            frame(r#"{"content":"a"}"#, r#","usage":{"total_tokens":3}"#),
            frame(r#"{"content":null}"#, ""),
            frame(r#"{"content":1}"#, ""),
            content("a").replace("null", r#""stop""#),
            content("a").replace("null", r#""""#),
            content("").replace("null", r#""""#),
            r#"{"error":{"message":"x"}}"#.into(),
            String::new(),
            content("a").split_at(20).0.into(),
            content("a").split_at(20).1.into(),
        ];
        for before in &frames {
            for data in &frames {
                let mut memory = Frames::default();
                let _ = memory.read(before.as_bytes());
                assert_eq!(memory.read(data.as_bytes()), read(data.as_bytes()), "{before} {data}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_whatever_came_before() {
        let mut memory = Frames::default();
        memory.read(content("abc").as_bytes()).expect("a frame");
        let mut data = content("abc").into_bytes();
        let at = data.iter().position(|byte| *byte == b'b').expect("the text");
        data[at] = 0xff;
        assert_eq!(memory.read(&data), Err(Fault::Unreadable("not UTF-8".into())));
    }

    #[test]
    fn a_frame_with_another_text_alone_is_known() {
        let mut memory = Frames::default();
        memory.read(content("a").as_bytes()).expect("a frame");
        for text in ["", "b", " much longer than the one before, é€𝄞 and all"] {
            assert_eq!(memory.text_alone(content(text).as_bytes()), Some(text));
        }
        memory.read(frame("{}", "").as_bytes()).expect("a frame");
        assert_eq!(memory.text_alone(content("a").as_bytes()), None);
    }
}
