//! The conformance cases of `tests/vectors`, run as any binding runs them: one call against a double.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Double, Outcome, head};
use crate::operation::EventKind;
use crate::transport::script::{Piece, Reply, Script, Sent};

fn cases<T: DeserializeOwned>(file: &str) -> Vec<T> {
    serde_json::from_str(file).expect("cases")
}

/// Bytes of an answer: text, or hexadecimal where text cannot say it.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum Body {
    Text(String),
    Hex { hex: String },
}

impl Body {
    fn bytes(&self) -> Bytes {
        match self {
            Self::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Self::Hex { hex } => (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
                .collect::<Vec<u8>>()
                .into(),
        }
    }

    fn answer(&self) -> Reply {
        Reply::typed(200, "application/json", vec![Piece::Bytes(self.bytes())])
    }
}

#[derive(Deserialize)]
struct Expected {
    class: String,
    code: String,
    field: Option<String>,
    #[serde(default)]
    contains: Vec<String>,
    #[serde(default)]
    attributes: serde_json::Map<String, Value>,
}

/// Compares the end of a call; true if it was refused as expected.
fn refused(name: &str, outcome: &Outcome, expected: Option<&Expected>) -> bool {
    let (error, expected) = match (&outcome.error, expected) {
        (Some(error), Some(expected)) => (error, expected),
        (None, None) => return false,
        (error, _) => panic!("{name}: {error:?}"),
    };
    let shown: Value = serde_json::from_slice(&error.to_json()).expect("JSON");
    assert_eq!(shown["class"], expected.class.as_str(), "{name}: {shown}");
    assert_eq!(shown["code"], expected.code.as_str(), "{name}: {shown}");
    if let Some(field) = &expected.field {
        assert_eq!(shown["field"], field.as_str(), "{name}: {shown}");
    }
    for (key, value) in &expected.attributes {
        assert_eq!(&shown[key], value, "{name}: {key} of {shown}");
    }
    for words in &expected.contains {
        assert!(error.message().contains(words), "{name}: `{words}` in {}", error.message());
    }
    true
}

#[derive(Deserialize)]
struct StreamCase {
    name: String,
    body: Body,
    /// Null: the answer does not say what it is.
    #[serde(default = "event_stream")]
    content_type: Option<String>,
    #[serde(default)]
    cut: bool,
    on_truncated: Option<String>,
    #[serde(default)]
    warning: bool,
    chunks: Option<Vec<Chunk>>,
    usage: Option<Value>,
    error: Option<Expected>,
}

fn event_stream() -> Option<String> {
    Some("text/event-stream".to_owned())
}

#[derive(Deserialize, Debug, PartialEq)]
struct Chunk {
    text: String,
    finish_reason: Option<String>,
    raw: Option<Value>,
}

/// What a head tells beside its content is compared by itself: how long something took is no case's business.
fn without_timing(mut head: Value) -> Value {
    let timing = head.as_object_mut().and_then(|head| head.remove("timing")).expect("a timing");
    assert!(timing["total_us"].is_u64(), "{timing}");
    head
}

/// The chunks of all batches, and whether the host has to warn.
fn chunks(outcome: &Outcome) -> (Vec<Chunk>, bool) {
    let (mut chunks, mut warning) = (Vec::new(), false);
    for event in outcome.events.iter().filter(|event| event.kind == EventKind::Data) {
        let head = head(event);
        warning |= head["warning"].is_string();
        let mut raw = raw(event);
        for (index, length) in head["raw_length"].as_array().expect("a column").iter().enumerate() {
            let frame = raw.split_to(length.as_u64().expect("a length") as usize);
            chunks.push(Chunk {
                text: head["text"][index].as_str().expect("a text").to_owned(),
                finish_reason: head["finish_reason"][index].as_str().map(str::to_owned),
                raw: Some(serde_json::from_slice(&frame).expect("raw is JSON")),
            });
        }
        assert!(raw.is_empty(), "raw belongs to chunks");
    }
    (chunks, warning)
}

/// The portions in which a body may arrive.
fn portions(body: &Bytes, size: usize, cut: bool) -> Vec<Piece> {
    let pieces = body.chunks(size.max(1)).map(|piece| Piece::Bytes(Bytes::copy_from_slice(piece)));
    pieces.chain(cut.then_some(Piece::Cut)).collect()
}

#[test]
fn streams() {
    for case in cases::<StreamCase>(include_str!("../../../../../tests/vectors/sse.json")) {
        let body = case.body.bytes();
        for size in [body.len(), 1, 7] {
            let pieces = portions(&body, size, case.cut);
            let reply = match case.content_type.clone() {
                Some(media) => Reply::typed(200, Box::leak(media.into_boxed_str()), pieces),
                None => Reply::untyped(200, pieces),
            };
            let double = Double::data(Script::new([reply]), "s1");
            let mut request = json!({"prompt": "Hi"});
            if let Some(on_truncated) = &case.on_truncated {
                request["on_truncated"] = on_truncated.as_str().into();
            }
            let outcome = double.call("generate_text_stream", &request);
            let name = format!("{}, {size} bytes at once", case.name);
            refused(&name, &outcome, case.error.as_ref());
            compare_chunks(&name, &case, &outcome);
        }
    }
}

fn compare_chunks(name: &str, case: &StreamCase, outcome: &Outcome) {
    let (found, warning) = chunks(outcome);
    assert_eq!(warning, case.warning, "{name}");
    if case.error.is_none() {
        let last = without_timing(head(outcome.events.last().expect("a last event")));
        assert_eq!(last["usage"], case.usage.clone().unwrap_or_default(), "{name}");
    }
    let opened = outcome.events.first().is_some_and(|event| event.kind == EventKind::Open);
    assert_eq!(opened, case.chunks.is_some(), "{name}: chunks mean that the stream was opened");
    let expected = case.chunks.as_deref().unwrap_or_default();
    assert_eq!(found.len(), expected.len(), "{name}: {found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.text, expected.text, "{name}");
        assert_eq!(found.finish_reason, expected.finish_reason, "{name}");
        if expected.raw.is_some() {
            assert_eq!(found.raw, expected.raw, "{name}");
        }
    }
}

#[derive(Deserialize)]
struct ChatCase {
    name: String,
    body: Body,
    text: Option<String>,
    model: Option<String>,
    finish_reason: Option<String>,
    usage: Option<Value>,
    error: Option<Expected>,
}

#[test]
fn chat_answers() {
    for case in cases::<ChatCase>(include_str!("../../../../../tests/vectors/chat.json")) {
        let double = Double::data(Script::new([case.body.answer()]), "s1");
        let outcome = double.call("generate_text", &json!({"prompt": "Hi"}));
        if refused(&case.name, &outcome, case.error.as_ref()) {
            continue;
        }
        let head = json!({
            "text": case.text,
            "model": case.model,
            "finish_reason": case.finish_reason,
            "usage": case.usage,
            "request_id": null,
        });
        assert_eq!(without_timing(outcome.head()), head, "{}", case.name);
        assert_eq!(raw(&outcome.events[0]), case.body.bytes(), "{}: raw is untouched", case.name);
    }
}

#[derive(Deserialize)]
struct EmbeddingsCase {
    name: String,
    input: Value,
    body: Body,
    embeddings: Option<Vec<Vec<f64>>>,
    model: Option<String>,
    usage: Option<Value>,
    error: Option<Expected>,
}

#[test]
fn embeddings() {
    let file = include_str!("../../../../../tests/vectors/embeddings.json");
    for case in cases::<EmbeddingsCase>(file) {
        let name = &case.name;
        let double = Double::data(Script::new([case.body.answer()]), "s1");
        let outcome = double.call("embed", &json!({"input": case.input}));
        if refused(name, &outcome, case.error.as_ref()) {
            continue;
        }
        let rows = case.embeddings.expect("embeddings");
        let head = json!({
            "model": case.model,
            "rows": rows.len(),
            "columns": rows[0].len(),
            "usage": case.usage,
            "request_id": null,
        });
        assert_eq!(without_timing(outcome.head()), head, "{name}");
        let vectors = outcome.events[0].vectors.as_ref().expect("vectors");
        assert_eq!(vectors.columns, rows[0].len(), "{name}");
        let bits = |numbers: &[f64]| numbers.iter().map(|n| n.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&vectors.values), bits(&rows.concat()), "{name}");
        assert_eq!(raw(&outcome.events[0]), case.body.bytes(), "{name}: raw is untouched");
    }
}

#[derive(Deserialize)]
struct ListCase {
    name: String,
    slug: String,
    pages: Vec<Body>,
    queries: Option<Vec<String>>,
    workload: Option<Value>,
    error: Option<Expected>,
}

#[test]
fn lists() {
    for case in cases::<ListCase>(include_str!("../../../../../tests/vectors/lists.json")) {
        let name = &case.name;
        let double = Double::control(Script::new(case.pages.iter().map(Body::answer)));
        let outcome = double.call("get", &json!({"workload_slug": case.slug}));
        if let Some(queries) = case.queries {
            let path = "GET /api/projects/acme/workloads";
            let lines = queries.iter().map(|query| match query.as_str() {
                "" => path.to_owned(),
                query => format!("{path}?{query}"),
            });
            assert_eq!(double.script.lines(), lines.collect::<Vec<_>>(), "{name}");
        }
        if !refused(name, &outcome, case.error.as_ref()) {
            assert_eq!(outcome.head()["workload"], json!(case.workload), "{name}");
        }
    }
}

#[derive(Deserialize)]
struct PlanCase {
    name: String,
    spec: Value,
    live: Option<Value>,
    plan: Value,
    patch: Option<Value>,
}

#[test]
fn plans() {
    for case in cases::<PlanCase>(include_str!("../../../../../tests/vectors/plans.json")) {
        let name = &case.name;
        let list = Value::from_iter(case.live.clone()).to_string();
        let platform = move |sent: &Sent| match sent.line.split_once(' ') {
            Some(("GET", _)) => Reply::json(200, &list),
            _ => Reply::json(200, r#"{"id":"wl_1","slug":"s1"}"#),
        };
        let double = Double::control(Script::serving(platform));
        let planned = double.call("plan", &json!({"spec": case.spec})).head();
        for (key, expected) in case.plan.as_object().expect("an object") {
            assert_eq!(planned["plan"][key], *expected, "{name}: {key}");
        }
        assert_eq!(planned["workload_slug"], "s1", "{name}");
        let patch = match case.plan["action"].as_str() {
            Some("update") => {
                let ensured = double.call("ensure", &json!({"spec": case.spec})).head();
                assert_eq!(ensured["changed"], true, "{name}");
                double.script.journal().pop().map(|sent| sent.body)
            }
            _ => None,
        };
        assert_eq!(patch, case.patch, "{name}");
    }
}

#[derive(Deserialize)]
struct ExportCase {
    name: String,
    live: Value,
    #[serde(default)]
    spec: Value,
    error: Option<Expected>,
}

#[test]
fn exports() {
    for case in cases::<ExportCase>(include_str!("../../../../../tests/vectors/exports.json")) {
        let name = &case.name;
        let list = json!([case.live]).to_string();
        let double = Double::control(Script::serving(move |_| Reply::json(200, &list)));
        let of_s1 = json!({"workload_slug": "s1"});
        let outcome = double.call("export", &of_s1);
        assert_eq!(double.call("get", &of_s1).head()["facts"]["spec"], case.spec, "{name}");
        if !refused(name, &outcome, case.error.as_ref()) {
            assert_eq!(outcome.head()["spec"], case.spec, "{name}");
            let plan = double.call("plan", &json!({"spec": case.spec})).head();
            assert_eq!(plan["plan"]["action"], "unchanged", "{name}");
        }
    }
}

#[derive(Deserialize)]
struct RequestCase {
    name: String,
    operation: String,
    request: Value,
    workload_slug: Option<String>,
    #[serde(default)]
    live: Vec<Value>,
    sent: Vec<ExpectedSend>,
    error: Option<Expected>,
}

#[derive(Deserialize)]
struct ExpectedSend {
    request: String,
    #[serde(default)]
    body: Value,
}

#[test]
fn requests() {
    let file = include_str!("../../../../../tests/vectors/requests.json");
    for case in cases::<RequestCase>(file) {
        let name = &case.name;
        let live = Value::from(case.live.clone()).to_string();
        let script = Script::serving(move |sent| good_platform(sent, &live));
        let double = match &case.workload_slug {
            Some(slug) => Double::data(script, slug),
            None => Double::control(script),
        };
        let outcome = double.call(&case.operation, &case.request);
        refused(name, &outcome, case.error.as_ref());
        let sent = double.script.journal();
        let lines: Vec<&str> = sent.iter().map(|sent| sent.line.as_str()).collect();
        let expected: Vec<&str> = case.sent.iter().map(|sent| sent.request.as_str()).collect();
        assert_eq!(lines, expected, "{name}");
        for (sent, expected) in sent.iter().zip(&case.sent) {
            assert_eq!(sent.body, expected.body, "{name}");
        }
    }
}

/// A platform that grants everything.
fn raw(event: &crate::Event) -> Bytes {
    event.raw.bytes().expect("memory for a few bytes").clone()
}

fn good_platform(sent: &Sent, live: &str) -> Reply {
    let (method, path) = sent.line.split_once(' ').expect("a request line");
    match method {
        "GET" if path.ends_with("/readiness-events") => {
            Reply::stream("data: {\"phase\":\"ready\"}\n\n")
        }
        "GET" => Reply::json(200, live),
        "DELETE" => Reply::typed(204, "text/plain", Vec::new()),
        _ if sent.body["stream"] == true => Reply::stream("data: [DONE]\n\n"),
        _ if path.ends_with("/embeddings") => {
            let row = json!({"embedding": [1.0]});
            let rows = sent.body["input"].as_array().map_or(0, Vec::len);
            Reply::json(200, &json!({"data": vec![row; rows]}).to_string())
        }
        _ if path.ends_with("/completions") => {
            Reply::json(200, r#"{"choices":[{"message":{"content":"Hello"}}]}"#)
        }
        _ => Reply::json(201, &json!({"id": "wl_new", "slug": sent.body["slug"]}).to_string()),
    }
}
