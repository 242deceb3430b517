//! The shared cases of error answers, and the pushback that only the retry rule sees.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Deserialize)]
struct Case {
    name: String,
    plane: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Body,
    #[serde(default)]
    token: String,
    error: Expected,
}

/// Text, bytes in hexadecimal, or a text repeated.
#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Text(String),
    Hex { hex: String },
    Repeated { repeat: String, times: usize },
}

impl Default for Body {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Body {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Hex { hex } => hex
                .as_bytes()
                .chunks(2)
                .map(|pair| std::str::from_utf8(pair).expect("ASCII"))
                .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"))
                .collect(),
            Self::Repeated { repeat, times } => repeat.repeat(*times).into_bytes(),
        }
    }
}

/// What a case says about the error; a key that is absent is not looked at.
#[derive(Deserialize)]
struct Expected {
    class: String,
    code: String,
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
    #[serde(default)]
    contains: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    #[serde(default)]
    never: Vec<String>,
}

#[test]
fn shared_cases() {
    let cases = include_str!("../../../../tests/vectors/errors.json");
    let cases: Vec<Case> = serde_json::from_str(cases).expect("cases");
    for case in cases {
        check(&case);
    }
}

fn check(case: &Case) {
    let name = &case.name;
    let mut headers = HeaderMap::new();
    for (key, value) in &case.headers {
        let key: HeaderName = key.parse().expect("a header name");
        headers.append(key, HeaderValue::from_str(value).expect("a header value"));
    }
    let plane = if case.plane == "data" { Plane::Data } else { Plane::Control };
    let secret = Secret::new(&case.token);
    let body = case.body.bytes();
    let mut error =
        from_response(plane, case.status, &headers, &body, &[&secret], SystemTime::now());
    error.host = Some("h:1".to_owned());
    error.operation = Some("list");

    let shown: Value = serde_json::from_slice(&error.to_json()).expect("JSON");
    assert_eq!(shown["class"], case.error.class.as_str(), "{name}");
    assert_eq!(shown["code"], case.error.code.as_str(), "{name}");
    assert_eq!(shown["status"], case.status, "{name}");
    for (key, value) in &case.error.attributes {
        assert_eq!(&shown[key], value, "{name}: {key}");
    }
    let message = error.message();
    assert!(message.len() <= 2048, "{name}: {} bytes", message.len());
    assert!(!message.chars().any(char::is_control), "{name}");
    for word in ["list", "h:1"].into_iter().chain(case.error.contains.iter().map(String::as_str)) {
        assert!(message.contains(word), "{name}: `{word}` in {message}");
    }
    for word in &case.error.lacks {
        assert!(!message.contains(word.as_str()), "{name}: `{word}` in {message}");
    }
    assert!(message.contains(&case.status.to_string()), "{name}: status in {message}");
    let everything = shown.to_string();
    for word in &case.error.never {
        assert!(!everything.contains(word.as_str()), "{name}: `{word}` in {everything}");
    }
}

#[test]
fn the_retry_rule_sees_a_pushback_that_cannot_be_read() {
    let mut headers = HeaderMap::new();
    headers.append("retry-after", HeaderValue::from_static("soon"));
    let error = from_response(Plane::Control, 429, &headers, b"", &[], UNIX_EPOCH);
    assert_eq!((error.pushback, error.retry_after), (Pushback::Unreadable, None));
    assert_eq!(error.stage, Stage::Answered);
}

#[test]
fn an_error_object_without_an_error_status_is_an_api_error() {
    let secret = Secret::new("ik_sdk_abc");
    for (value, place, code, words, api_code) in [
        (
            json!({"error": {"code": "oom", "message": "out of memory"}}),
            Place::Frame,
            "stream_error",
            "out of memory",
            Some("oom"),
        ),
        (
            json!({"error": "engine_died"}),
            Place::Answer,
            "http_error",
            "engine_died",
            Some("engine_died"),
        ),
        (
            json!({"object": "error", "message": "bad ik_sdk_abc", "code": 400}),
            Place::Answer,
            "http_error",
            "bad ik…",
            None,
        ),
    ] {
        let error = in_body(&value, place, &[&secret]).expect("an error");
        assert_eq!((error.class, error.code), (Class::ApiError, code), "{value}");
        assert_eq!((error.words.as_str(), error.api_code.as_deref()), (words, api_code), "{value}");
    }
    for value in [json!({"choices": []}), json!({"error": null}), json!([]), json!("error")] {
        assert!(in_body(&value, Place::Answer, &[&secret]).is_none(), "{value}");
    }
    assert_eq!(from_frame("", &[]).words, "the server reported an error without words");
    assert_eq!(from_frame("worker lost", &[]).words, "worker lost");
    assert_eq!(from_frame(r#"{"message":"worker lost"}"#, &[]).words, "worker lost");
}
