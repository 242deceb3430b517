//! `status`: the first word of the readiness stream, else the list (wire.md 2.11).

use serde_json::{Value, json};

use super::{Double, Outcome};
use crate::error::Stage;
use crate::transport::script::{Piece, Reply, Script};

const EVENTS: &str = "GET /api/projects/acme/workloads/s1/readiness-events";
const LIST: &str = "GET /api/projects/acme/workloads";

fn status(replies: impl IntoIterator<Item = Reply>) -> (Outcome, Vec<String>) {
    let script = Script::new(replies);
    let outcome = Double::control(script.clone()).call("status", &json!({"workload_slug": " S1 "}));
    let lines = script.lines();
    (outcome, lines)
}

fn list(more: Value) -> Reply {
    let mut workload = json!({"id": "wl_1", "slug": "s1"});
    if let (Some(fields), Value::Object(more)) = (workload.as_object_mut(), more) {
        fields.extend(more);
    }
    Reply::json(200, &json!([workload]).to_string())
}

fn refusal(status: u16) -> Reply {
    Reply::json(status, r#"{"error":{"code":"c","message":"words"}}"#)
}

#[test]
fn the_first_event_is_the_answer_whatever_it_says() {
    for phase in ["scheduling", "ready", "error", "later"] {
        let events = [
            ": hi\n\ndata: not json\n\n".to_owned(),
            format!("data: {{\"phase\":\"{phase}\",\"message\":\"m\",\"elapsed_ms\":5}}\n\n"),
        ];
        let pieces = events.iter().map(|event| Piece::text(event)).chain([Piece::Hang]);
        let (outcome, lines) = status([Reply::events(pieces.collect::<Vec<_>>())]);
        let expected = json!({"phase": phase, "message": "m", "elapsed_ms": 5, "step": null});
        assert_eq!(outcome.head(), expected);
        assert_eq!(lines, [EVENTS]);
    }
}

#[test]
fn a_stream_that_says_nothing_leaves_it_to_the_list() {
    let html = || Reply::typed(200, "text/html", vec![Piece::text("<html>")]);
    let unfinished = || Reply::stream("data: {\"phase\":");
    for (stream, code) in [
        (refusal(404), "not_found"),
        (refusal(405), "http_error"),
        (refusal(501), "server_error"),
        (html(), "protocol_error"),
        (Reply::stream(": hi\n\n"), "connection_lost"),
        (unfinished(), "connection_lost"),
        (Reply::events([Piece::text(":\n\n"), Piece::Cut]), "connection_lost"),
        (Reply::events([Piece::Hang]), "timeout_first_token"),
        (Reply::Silence, "timeout_first_token"),
    ] {
        let told = list(json!({"state": "bootstrapping", "message": "loading"}));
        let (outcome, lines) = status([stream.clone(), told]);
        let expected =
            json!({"phase": "bootstrapping", "message": "loading", "elapsed_ms": 0, "step": null});
        assert_eq!(outcome.head(), expected, "{code}");
        assert_eq!(lines, [EVENTS, LIST], "{code}");
        let (outcome, _) = status([stream.clone(), Reply::json(200, "[]")]);
        assert_eq!(outcome.code(), "not_found", "{code}");
        let (outcome, _) = status([stream, list(json!({"status": "active"}))]);
        assert_eq!(outcome.code(), code);
    }
}

#[test]
fn the_last_frame_counts_without_its_blank_line() {
    let (outcome, _) = status([Reply::stream("data: {\"phase\":\"ready\"}")]);
    assert_eq!(outcome.head()["phase"], "ready");
}

#[test]
fn it_is_repeated_like_any_question_and_refused_like_one() {
    let ready = || Reply::stream("data: {\"phase\":\"ready\"}\n\n");
    let (outcome, lines) = status([Reply::Fail(Stage::NotSent), refusal(503), ready()]);
    assert_eq!((outcome.head()["phase"].as_str(), lines.len()), (Some("ready"), 3));
    for (code, name, sends) in [
        (401, "unauthorized", 1),
        (403, "forbidden", 1),
        (409, "conflict", 1),
        (500, "server_error", 1),
        (503, "server_error", 3),
    ] {
        let (outcome, lines) = status([(); 3].map(|()| refusal(code)));
        assert_eq!((outcome.code(), lines.len()), (name, sends));
    }
    let (outcome, lines) = status([Reply::stream("event: error\ndata: {\"message\":\"no\"}\n\n")]);
    assert_eq!((outcome.code(), lines.len()), ("stream_error", 1));
}

/// What is always ready is never waited for, and must not keep the deadline from being looked at.
#[test]
fn a_flood_of_comments_does_not_keep_it() {
    let flood = Reply::events(Piece::flood(": hi\n\n", 300));
    let (outcome, _) = status([flood, list(json!({"phase": "ready"}))]);
    assert_eq!(outcome.head()["phase"], "ready");
}

#[test]
fn tokens_are_masked() {
    let token = format!("ik_live_0123abcd_{}", "f".repeat(64));
    let stream = format!("data: {{\"phase\":\"error\",\"message\":\"--key {token}\"}}\n\n");
    let at_the_list = list(json!({"phase": "error", "message": format!("--key {token}")}));
    for replies in [vec![Reply::stream(&stream)], vec![refusal(404), at_the_list]] {
        let (outcome, _) = status(replies);
        assert_eq!(outcome.head()["message"], "--key ik_live_0123abcd…");
    }
}
