//! What an operation tells of its way to hosts that asked for it (`docs/c-api.md`, "Notices"), and how long it pauses.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Double, head, next};
use crate::driver::{sleep, testing::run};
use crate::error::Stage;
use crate::operation::EventKind;
use crate::transport::script::{Reply, Script};

const READY: &str = "data: {\"phase\":\"ready\"}\n\n";

fn telling(script: Arc<Script>, plane: &str) -> Double {
    let options = json!({
        "plane": plane, "base_url": "http://127.0.0.1:8400", "project": "acme", "notices": true,
        "retries": {"first_pause_ms": 0},
        (if plane == "data" { "api_key" } else { "sdk_token" }): "own",
    });
    Double::new(script, &options.to_string(), (plane == "data").then_some("s1"))
}

fn status(status: u16) -> Reply {
    Reply::json(status, r#"{"error":{"code":"c","message":"words"}}"#)
}

fn pushed(code: u16, seconds: &'static str) -> Reply {
    status(code).header("retry-after", seconds)
}

/// The notices of a call that succeeds: kind, status of the error, requests sent so far.
fn told(double: &Double, operation: &str, request: &Value) -> Vec<(String, Value, Value)> {
    let outcome = double.call(operation, request);
    assert_eq!(outcome.code(), "none", "{operation}");
    let notices = outcome.events.iter().filter(|event| event.kind == EventKind::Notice).map(head);
    let named = |notice: &Value| notice["notice"].as_str().expect("a name").to_owned();
    notices
        .map(|notice| {
            (named(&notice), notice["error"]["status"].clone(), notice["error"]["attempts"].clone())
        })
        .collect()
}

fn notice(kind: &str, status: u16, attempts: u32) -> (String, Value, Value) {
    (kind.to_owned(), json!(status), json!(attempts))
}

#[test]
fn each_repeat_is_told_with_its_reason() {
    let list = || Reply::json(200, "[]");
    let created = || Reply::json(201, r#"{"id":"wl_1","slug":"s1"}"#);
    let spec = json!({"name": "N", "slug": "s1", "model": "m", "backend": "vllm"});
    let chat = || Reply::json(200, r#"{"choices":[{"message":{"content":"Hi"}}]}"#);
    let cases: Vec<(&str, &str, Value, Vec<Reply>, Vec<_>)> = vec![
        ("control", "list", json!({}), vec![list()], vec![]),
        (
            "control",
            "list",
            json!({}),
            vec![status(503), status(502), list()],
            vec![notice("retry", 503, 1), notice("retry", 502, 2)],
        ),
        (
            "control",
            "ensure",
            json!({"spec": spec}),
            vec![list(), status(503), list(), created()],
            vec![notice("retry", 503, 3)],
        ),
        (
            "control",
            "wait_until_ready",
            json!({"workload_slug": "s1"}),
            vec![status(504), status(429), Reply::stream(READY)],
            vec![notice("reopen", 504, 1), notice("reopen", 429, 2)],
        ),
        (
            "data",
            "generate_text",
            json!({"prompt": "Hi"}),
            vec![pushed(503, "1"), pushed(429, "1"), pushed(503, "1"), chat()],
            vec![notice("warming", 503, 1), notice("retry", 429, 2), notice("warming", 503, 3)],
        ),
    ];
    for (plane, operation, request, replies, expected) in cases {
        let double = telling(Script::new(replies), plane);
        assert_eq!(told(&double, operation, &request), expected, "{operation}");
    }
}

#[test]
fn a_host_that_did_not_ask_is_told_nothing() {
    let double = Double::control(Script::new([status(503), Reply::json(200, "[]")]));
    assert_eq!(told(&double, "list", &json!({})), []);
}

#[test]
fn a_frame_that_says_nothing_is_told_without_tokens() {
    let body = format!("data: {{\"x\":\"ik_sdk_0123abcd_{}\"}}\n\n{READY}", "f".repeat(64));
    let double = telling(Script::new([Reply::stream(&body)]), "control");
    let outcome = double.call("wait_until_ready", &json!({"workload_slug": "s1"}));
    let first = outcome.heads().swap_remove(0);
    assert_eq!(first, json!({"notice": "skipped", "data": r#"{"x":"ik_sdk_0123abcd…"}"#}));
}

/// The pause begins when the host asks for more, and its own time is part of the deadline.
#[test]
fn a_slow_host_extends_no_deadline() {
    let double = telling(Script::new([status(503)]), "control");
    let mut running = double.submit("list", &json!({"timeout_ms": 5000})).expect("a good request");
    let told = next(&mut running).expect("an event").expect("a notice");
    assert_eq!(told.kind, EventKind::Notice);
    run(sleep(Duration::from_secs(6)));
    let error = next(&mut running).expect("an end").expect_err("it is too late");
    assert_eq!((error.code, error.attempts), ("timeout_total", Some(1)));
    assert_eq!(double.script.journal().len(), 1);
}

/// faults.md 1.1, "pushback". `None`: the error surfaces at once.
#[test]
fn a_pushback_is_the_least_pause() {
    let in_seconds = |seconds| {
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(seconds));
        Box::leak(date.into_boxed_str())
    };
    for (value, pause) in [
        ("7", Some(7..=7)),
        ("2.5", Some(2..=2)),
        (in_seconds(40), Some(20..=40)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0..=0)),
        ("0", Some(0..=0)),
        ("soon", Some(0..=0)),
        ("-5", Some(0..=0)),
        ("99999999999999999999999", Some(0..=0)),
        ("121", None),
        ("9999999999", None),
        ("9999999999999999999", None),
    ] {
        let script = Script::new([pushed(429, value), Reply::json(200, "[]")]);
        let outcome = Double::control(script.clone()).call("list", &json!({"timeout_ms": 600_000}));
        let second = script.seconds().get(1).copied();
        match pause {
            Some(pause) => {
                assert!(second.is_some_and(|at| pause.contains(&at)), "{value}: {second:?}")
            }
            None => assert_eq!((outcome.code(), second), ("rate_limited", None), "{value}"),
        }
    }
    let hopeless = Script::new([pushed(429, "60")]);
    assert_eq!(
        Double::control(hopeless).call("list", &json!({"timeout_ms": 60_000})).code(),
        "rate_limited"
    );
}

#[test]
fn without_time_nothing_is_sent() {
    for (operation, request, code) in [
        ("list", json!({"timeout_ms": 0}), "timeout_total"),
        ("generate_text", json!({"prompt": "Hi", "timeout_ms": 0}), "timeout_total"),
        ("generate_text_stream", json!({"prompt": "Hi", "timeout_ms": 0}), "timeout_first_token"),
        ("wait_until_ready", json!({"workload_slug": "s1", "timeout_ms": 0}), "wait_timeout"),
    ] {
        let script = Script::serving(|_| Reply::Fail(Stage::Lost));
        let plane = if operation.starts_with("generate") { "data" } else { "control" };
        let outcome = telling(script.clone(), plane).call(operation, &request);
        assert_eq!((outcome.code(), outcome.error().attempts), (code, None), "{operation}");
        assert!(script.journal().is_empty(), "{operation}");
    }
}
