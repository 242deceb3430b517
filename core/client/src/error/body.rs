//! What an error body says (wire.md 5.4): the server's own code and words, out of every shape that is accepted.

use serde_json::{Map, Value};

/// Texts of a list that are shown.
const FIRST: usize = 5;

/// What was found; the texts are as the server wrote them, neither masked nor escaped.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    /// The argument at fault.
    pub(super) param: Option<String>,
}

impl Said {
    /// Each text changed: what escapes hid in the body stands open here.
    pub(super) fn map(self, change: impl Fn(&str) -> String) -> Self {
        let change = |text: Option<String>| text.as_deref().map(&change);
        Self { code: change(self.code), message: change(self.message), param: change(self.param) }
    }
}

/// Reads a body of any kind. Nothing is found in an empty one.
pub(super) fn read(text: &str) -> Said {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('<') {
        return Said { message: heading(text), ..Said::default() };
    }
    match serde_json::from_str(text) {
        Ok(value) => from_value(&value),
        Err(_) => Said { message: nonblank(text), ..Said::default() },
    }
}

/// Reads a JSON body. An object without any known key is its own message.
pub(super) fn from_value(value: &Value) -> Said {
    let said = match value {
        Value::Object(entries) => from_object(entries),
        _ => Said { message: text_of(value), ..Said::default() },
    };
    let nothing = said == Said::default();
    match value {
        Value::Object(entries) if nothing && !entries.is_empty() => {
            Said { message: Some(value.to_string()), ..said }
        }
        _ => said,
    }
}

/// Is there an error object: `error` with something in it, or the engines' `"object": "error"`?
pub(super) fn is_error_object(entries: &Map<String, Value>) -> bool {
    let filled = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    };
    entries.get("error").is_some_and(filled)
        || entries.get("object").is_some_and(|kind| kind == "error")
}

fn from_object(entries: &Map<String, Value>) -> Said {
    let around = named(entries);
    match entries.get("error") {
        Some(Value::String(text)) if is_code(text) => Said { code: Some(text.clone()), ..around },
        Some(Value::Object(inner)) => {
            let inner = named(inner);
            Said {
                code: inner.code.or(around.code),
                message: inner.message.or(around.message),
                param: inner.param.or(around.param),
            }
        }
        // A sibling `message` or `detail` says more than the words; `errors` are only its details.
        Some(other) => {
            let sibling = entries.contains_key("message") || entries.contains_key("detail");
            let (own, around_it) = (text_of(other), around.message.clone());
            let message = if sibling { around_it.or(own) } else { own.or(around_it) };
            Said { message, ..around }
        }
        None => around,
    }
}

/// `code` (else `type`), `message` (else `detail`, `errors`) and `param` of one object.
fn named(entries: &Map<String, Value>) -> Said {
    let string = |key: &str| entries.get(key).and_then(Value::as_str).and_then(nonblank);
    // FastAPI's `detail` may be an object of the same kind.
    let detail = match entries.get("detail") {
        Some(Value::Object(inner)) => named(inner),
        _ => Said::default(),
    };
    let text = |key: &str| entries.get(key).and_then(text_of);
    Said {
        code: string("code").or_else(|| string("type")).or(detail.code),
        message: text("message")
            .or(detail.message)
            .or_else(|| text("detail"))
            .or_else(|| text("errors")),
        param: string("param").or(detail.param),
    }
}

/// `[a-z][a-z0-9_]*`: a code, not words.
fn is_code(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// A string, or the texts of a list's first items.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => nonblank(text),
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().filter_map(item_text).take(FIRST).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        _ => None,
    }
}

/// An item of `detail` or `errors`: a string, or an object with `msg` or `message`, behind where it applies (`loc`).
fn item_text(item: &Value) -> Option<String> {
    let Value::Object(entries) = item else {
        return item.as_str().and_then(nonblank);
    };
    let message = ["msg", "message", "detail"]
        .iter()
        .find_map(|key| entries.get(*key)?.as_str().and_then(nonblank))?;
    let steps: Vec<String> = match entries.get("loc") {
        Some(Value::Array(steps)) => steps.iter().filter_map(step_text).collect(),
        _ => Vec::new(),
    };
    Some(if steps.is_empty() { message } else { format!("{}: {message}", steps.join(".")) })
}

fn step_text(step: &Value) -> Option<String> {
    match step {
        Value::String(name) => Some(name.clone()),
        Value::Number(index) => Some(index.to_string()),
        _ => None,
    }
}

fn nonblank(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The title of an HTML page, else its first heading, without tags and in one line.
fn heading(html: &str) -> Option<String> {
    // ASCII lower case keeps every byte's position.
    let lower = html.to_ascii_lowercase();
    let headings = ["h1", "h2", "h3", "h4", "h5", "h6"];
    let first = headings.iter().filter_map(|name| element(html, &lower, name)).min();
    element(html, &lower, "title").or(first).map(|(_, words)| words)
}

/// The first element of this name that says something, and where it stands.
fn element(html: &str, lower: &str, name: &str) -> Option<(usize, String)> {
    let opening = format!("<{name}");
    let closing = format!("</{name}");
    lower.match_indices(&opening).find_map(|(start, _)| {
        // `<h1`, but neither `<h10` nor `<titles`.
        let rest = &lower[start + opening.len()..];
        if !rest.starts_with(|c: char| c == '>' || c.is_ascii_whitespace()) {
            return None;
        }
        let inside = start + lower[start..].find('>')? + 1;
        let end = inside + lower[inside..].find(&closing)?;
        let words = without_tags(&html[inside..end]);
        let words: Vec<&str> = words.split_whitespace().collect();
        Some((start, nonblank(&words.join(" "))?))
    })
}

fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    // `&amp;` last, or `&amp;lt;` would be undone twice.
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text, |text, (reference, character)| text.replace(reference, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_gives_its_title_or_first_heading() {
        for (html, words) in [
            ("<html><head><title>502 Bad Gateway</title></head></html>", Some("502 Bad Gateway")),
            ("<!DOCTYPE html><TITLE lang=en>\n A &amp;lt; B\n</TITLE>", Some("A &lt; B")),
            ("<body><h1>Not <b>here</b></h1><h2>x</h2>", Some("Not here")),
            ("<title></title><h2>Second</h2>", Some("Second")),
            ("<h2>First</h2><h1>Second</h1><title>Title</title>", Some("Title")),
            ("<h2>First</h2><h1>Second</h1>", Some("First")),
            ("<h3> </h3><h6>First</h6><h3>Second</h3>", Some("First")),
            ("<title>never closed", None),
            ("<titles>x</titles><p>text</p>", None),
            ("<", None),
        ] {
            assert_eq!(read(html).message.as_deref(), words, "{html}");
        }
    }

    #[test]
    fn an_error_object_has_something_in_it() {
        for (json, is_error) in [
            (r#"{"error":"x"}"#, true),
            (r#"{"error":{"message":""}}"#, true),
            (r#"{"object":"error","message":"x"}"#, true),
            (r#"{"error":null,"choices":[]}"#, false),
            (r#"{"error":""}"#, false),
            (r#"{"error":{}}"#, false),
            (r#"{"object":"list"}"#, false),
        ] {
            let value: Value = serde_json::from_str(json).expect("JSON");
            let entries = value.as_object().expect("an object");
            assert_eq!(is_error_object(entries), is_error, "{json}");
        }
    }
}
