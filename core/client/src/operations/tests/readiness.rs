//! `wait_until_ready`: reopening, deadline, fallback (wire.md 2.11).

use serde_json::{Value, json};

use super::{Double, Outcome, head, next};
use crate::driver::{sleep, testing::run};
use crate::error::Stage;
use crate::transport::script::{Piece, Reply, Script};
use std::time::Duration;

const EVENTS: &str = "GET /api/projects/acme/workloads/s1/readiness-events";
const LIST: &str = "GET /api/projects/acme/workloads";

type Rule = fn() -> Reply;

fn phase(phase: &str) -> String {
    format!("data: {{\"phase\":\"{phase}\",\"message\":\"m\",\"elapsed_ms\":5}}\n\n")
}

fn ready() -> Reply {
    Reply::stream(&phase("ready"))
}

fn status(status: u16) -> Reply {
    Reply::json(status, r#"{"error":{"code":"c","message":"words"}}"#)
}

fn wait_for(script: &std::sync::Arc<Script>, timeout_ms: Value) -> Outcome {
    let request = json!({"workload_slug": "s1", "timeout_ms": timeout_ms});
    Double::control(script.clone()).call("wait_until_ready", &request)
}

fn phases(outcome: &Outcome) -> Vec<String> {
    let phase = |head: Value| head["phase"].as_str().expect("a phase").to_owned();
    outcome.heads().into_iter().map(phase).collect()
}

#[test]
fn every_event_is_passed_on_until_ready() {
    let body = [
        ": hi\n\n".to_owned(),
        phase("scheduling"),
        "data: not json\n\n".to_owned(),
        "data: {\"x\":1}\n\n".to_owned(),
        "data: {\"phase\":\"later\",\"step\":2}\n\n".to_owned(),
        "data: [DONE]\n\n".to_owned(),
        phase("ready"),
        phase("error"),
    ]
    .concat();
    let script = Script::new([Reply::stream(&body)]);
    let outcome = wait_for(&script, json!(600_000));
    assert_eq!(outcome.code(), "none");
    assert_eq!(phases(&outcome), ["scheduling", "later", "ready"]);
    assert_eq!(
        outcome.heads()[1],
        json!({"phase": "later", "message": "", "elapsed_ms": 0, "step": "2"})
    );
    assert_eq!(script.lines(), [EVENTS]);
}

#[test]
fn a_failed_workload_tells_its_last_events() {
    let body = phase("provisioning").repeat(25)
        + "data: {\"phase\":\"error\",\"message\":\"out of memory\",\"step\":\"load\"}\n\n";
    let script = Script::new([Reply::stream(&body)]);
    let outcome = wait_for(&script, json!(600_000));
    assert_eq!(outcome.events.len(), 26, "the last event is passed on too");
    let shown: Value = serde_json::from_slice(&outcome.error().to_json()).expect("JSON");
    assert_eq!(shown["class"], "WorkloadFailed");
    assert!(shown["message"].as_str().is_some_and(|text| text.contains("out of memory")));
    assert_eq!((&shown["phase"], &shown["step"]), (&json!("error"), &json!("load")));
    assert_eq!(shown["events"].as_array().map(Vec::len), Some(20));
    assert_eq!(shown["events"][19]["message"], "out of memory");
}

#[test]
fn tokens_in_events_are_masked() {
    let token = format!("ik_live_0123abcd_{}", "f".repeat(64));
    let body = format!(
        "data: {{\"phase\":\"error\",\"message\":\"--key {token}\",\"step\":\"{token}\"}}\n\n"
    );
    let outcome = wait_for(&Script::new([Reply::stream(&body)]), json!(600_000));
    let shown = String::from_utf8(outcome.error().to_json()).expect("UTF-8");
    let passed_on = outcome.heads()[0].to_string();
    for text in [shown, passed_on] {
        assert!(text.contains("--key ik_live_0123abcd…") && !text.contains(&token), "{text}");
    }
}

#[test]
fn an_error_frame_ends_the_wait() {
    for body in [
        "event: error\ndata: {\"message\":\"no such thing\"}\n\n",
        "event: error\ndata: {\"phase\":\"ready\",\"message\":\"no such thing\"}\n\n",
        "data: {\"error\":{\"code\":\"c\",\"message\":\"no such thing\"}}\n\n",
    ] {
        let outcome = wait_for(&Script::new([Reply::stream(body)]), json!(null));
        assert_eq!(outcome.code(), "stream_error", "{body}");
        assert!(outcome.error().message().contains("no such thing"), "{body}");
    }
}

#[test]
fn the_stream_is_opened_again_on_a_schedule() {
    let script = Script::new([
        Reply::Fail(Stage::NotSent),
        status(503),
        Reply::Fail(Stage::Lost),
        status(408),
        Reply::stream(""),
        status(502),
        ready(),
    ]);
    assert_eq!(wait_for(&script, json!(null)).code(), "none");
    // 1, 2, 4, 5, 5, 5 s between the openings.
    assert_eq!(script.seconds(), [0, 1, 3, 7, 12, 17, 22]);
}

#[test]
fn an_event_starts_the_schedule_anew_and_a_429_has_its_own() {
    let event = || Reply::stream(&phase("provisioning"));
    let cut = Reply::events([Piece::text(&phase("provisioning")), Piece::Cut]);
    let busy = status(429).header("retry-after", "17");
    let script = Script::new([status(504), status(504), event(), cut, busy, ready()]);
    assert_eq!(wait_for(&script, json!(null)).code(), "none");
    assert_eq!(script.seconds(), [0, 1, 3, 4, 5, 22]);
}

#[test]
fn a_silent_stream_is_opened_again() {
    let hang = Reply::events([Piece::Hang]);
    let comments = Reply::events([
        Piece::pause(50.0),
        Piece::text(": hi\n\n"),
        Piece::pause(50.0),
        Piece::text(":\n\n"),
        Piece::Hang,
    ]);
    let script = Script::new([hang, Reply::Silence, comments, ready()]);
    assert_eq!(wait_for(&script, json!(null)).code(), "none");
    // 60 s of silence each, then 1, 2 and 4 s; comments at 50 and 100 s prove the third one alive until 160 s.
    assert_eq!(script.seconds(), [0, 61, 123, 287]);
}

#[test]
fn the_wait_ends_with_its_time_whatever_happens() {
    let hang = || Reply::events([Piece::Hang]);
    let comments =
        || Reply::events([(); 100].map(|()| [Piece::pause(1.0), Piece::text(":\n\n")]).concat());
    let events = || {
        Reply::events(
            [(); 100].map(|()| [Piece::pause(1.0), Piece::text(&phase("later"))]).concat(),
        )
    };
    let rules: [(_, Rule); 4] = [
        ("silence without a head", || Reply::Silence),
        ("503 for ever", || status(503)),
        ("refused for ever", || Reply::Fail(Stage::NotSent)),
        ("an end for ever", || Reply::stream("")),
    ];
    for (name, rule) in rules {
        let script = Script::serving(move |_| rule());
        let outcome = wait_for(&script, json!(30_000));
        assert_eq!(outcome.code(), "wait_timeout", "{name}");
    }
    for (name, reply) in [("silence", hang()), ("comments", comments()), ("events", events())] {
        let script = Script::new([reply]);
        let started = crate::driver::now();
        let outcome = wait_for(&script, json!(30_000));
        let waited = crate::driver::now().duration_since(started);
        assert_eq!(outcome.code(), "wait_timeout", "{name}");
        assert_eq!(waited.as_secs(), 30, "{name}");
    }
}

/// What is always ready is never waited for, and must not keep the deadline from being looked at.
#[test]
fn a_flood_of_comments_does_not_extend_the_wait() {
    let script = Script::new([Reply::events(Piece::flood(": hi\n\n", 300))]);
    let started = crate::driver::now();
    assert_eq!(wait_for(&script, json!(30_000)).code(), "wait_timeout");
    let waited = crate::driver::now().duration_since(started).as_secs();
    assert!((30..=32).contains(&waited), "{waited} s");
}

#[test]
fn the_end_of_the_wait_tells_the_last_event_and_the_last_failure() {
    let mut opened = 0;
    let script = Script::serving(move |_| {
        opened += 1;
        let event = r#"data: {"phase":"bootstrapping","message":"sh started","step":"run"}"#;
        if opened == 1 { Reply::stream(&format!("{event}\n\n")) } else { status(503) }
    });
    let outcome = wait_for(&script, json!(20_000));
    let message = outcome.error().message();
    for words in ["20 s", "last event: bootstrapping [run]: sh started;", "words"] {
        assert!(message.contains(words), "{words} in {message}");
    }
    assert_eq!(outcome.error().attempts, Some(script.journal().len() as u32));
}

#[test]
fn some_answers_end_the_wait_at_once() {
    for (code, name) in [
        (400, "bad_request"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (409, "conflict"),
        (500, "server_error"),
        (418, "http_error"),
    ] {
        let script = Script::new([status(code)]);
        assert_eq!(wait_for(&script, json!(null)).code(), name);
    }
}

#[test]
fn a_platform_without_the_stream_is_asked_for_its_list() {
    let list = |workload: Value| Reply::json(200, &json!([workload]).to_string());
    let at =
        |phase: &str| list(json!({"id": "wl_1", "slug": "s1", "status": phase, "message": "m"}));
    let html = || Reply::typed(200, "text/html", vec![Piece::text("<html>")]);
    for stream in [status(404), status(405), status(501), html()] {
        let replies = [
            stream.clone(),
            at("provisioning"),
            at("provisioning"),
            status(503),
            status(503),
            status(503),
            at("ready"),
        ];
        let script = Script::new(replies);
        let outcome = wait_for(&script, json!(null));
        assert_eq!(outcome.code(), "none");
        assert_eq!(phases(&outcome), ["provisioning", "ready"], "a phase is told when it changes");
        assert_eq!(script.lines()[..2], [EVENTS, LIST]);
        assert_eq!(script.seconds()[..3], [0, 0, 5], "the list is asked each 5 s");

        let script = Script::new([stream.clone(), at("error")]);
        assert_eq!(wait_for(&script, json!(null)).code(), "workload_failed");
        let script = Script::new([stream, Reply::json(200, "[]")]);
        assert_eq!(wait_for(&script, json!(null)).code(), "not_found");
    }
    for (stream, code) in [(status(405), "http_error"), (html(), "protocol_error")] {
        let script =
            Script::new([stream, list(json!({"id": "wl_1", "slug": "s1", "status": "active"}))]);
        assert_eq!(wait_for(&script, json!(null)).code(), code);
    }
}

/// A host that is slow with an event must not make the next one look late.
#[test]
fn the_callers_own_time_is_no_silence() {
    let body =
        [Piece::text(&phase("provisioning")), Piece::pause(59.0), Piece::text(&phase("ready"))];
    let double = Double::control(Script::new([Reply::events(body)]));
    let request = json!({"workload_slug": "s1", "timeout_ms": null});
    let mut waiting = double.submit("wait_until_ready", &request).expect("a good request");
    let first = next(&mut waiting).expect("an event").expect("no error");
    assert_eq!(head(&first)["phase"], "provisioning");
    run(sleep(Duration::from_secs(100)));
    let second = next(&mut waiting).expect("an event").expect("no error");
    assert_eq!(head(&second)["phase"], "ready");
    assert_eq!(double.script.journal().len(), 1);
}
