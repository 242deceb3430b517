//! A call on virtual time against the scripted wire: how often it is sent, and what comes out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::*;
use crate::driver::testing::run;
use crate::secret::Secret;
use crate::transport::script::{Piece, Reply, Script};
use crate::transport::{Accept, Clocks};

const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

fn transport(script: &Arc<Script>, plane: &str) -> Transport {
    transport_behind(script, plane, "/p")
}

fn transport_behind(script: &Arc<Script>, plane: &str, prefix: &str) -> Transport {
    let options = match plane {
        "data" => r#"{"plane":"data","base_url":"http://127.0.0.1:1/p","project":"acme"}"#,
        _ => r#"{"plane":"control","base_url":"http://127.0.0.1:1/p","sdk_token":"ik_sdk_x"}"#,
    };
    let options = options.replace("/p\"", &format!("{prefix}\""));
    let config = Config::from_json(options.as_bytes(), &|_| None).expect("good options");
    Transport::new(script.clone(), &config)
}

fn request(method: Method, repeat: Repeat) -> Request {
    Request {
        method,
        path: "/x".into(),
        token: Secret::new("ik_sdk_secret"),
        accept: Accept::Json,
        body: Some(Bytes::from_static(b"{}")),
        idempotency_key: None,
        repeat,
        on_new_connection: false,
    }
}

fn call(streaming: bool) -> Call {
    let clocks = Clocks {
        connect: MINUTE,
        first_token: MINUTE,
        idle: MINUTE,
        total: if streaming { None } else { Some(Duration::from_secs(600)) },
        cold_start: Some(Duration::from_secs(30)),
    };
    Call::start("list", clocks, streaming)
}

/// Sends once more and once more; returns the outcome's code (`ok` for a 2xx) and the number of sends.
fn outcome(plane: &str, repeat: Repeat, replies: Vec<Reply>) -> (&'static str, usize) {
    let script = Script::new(replies);
    let transport = transport(&script, plane);
    let outcome = run(transport.call(&request(Method::POST, repeat), &call(false)));
    (outcome.map_or_else(|error| error.code, |_| "ok"), script.journal().len())
}

fn good() -> Reply {
    Reply::json(200, "{}")
}

fn status(status: u16) -> Reply {
    Reply::json(status, r#"{"error":{"code":"c","message":"m"}}"#)
}

#[test]
fn each_cell_of_the_retry_matrix_is_sent_as_often_as_it_says() {
    use Repeat::{Idempotent, Never, OnRequest};
    let cut = || Reply::typed(200, "application/json", vec![Piece::text("{"), Piece::Cut]);
    let pushed = |code| status(code).header("retry-after", "1");
    let cases: Vec<(&str, Repeat, Reply, &str, usize)> = vec![
        ("never sent", Idempotent, Reply::Fail(Stage::NotSent), "ok", 2),
        ("never sent", OnRequest, Reply::Fail(Stage::NotSent), "ok", 2),
        ("lost", Idempotent, Reply::Fail(Stage::Lost), "ok", 2),
        ("lost", OnRequest, Reply::Fail(Stage::Lost), "connection_lost", 1),
        ("lost", Never, Reply::Fail(Stage::Lost), "connection_lost", 1),
        ("cut", Idempotent, cut(), "ok", 2),
        ("cut", OnRequest, cut(), "connection_lost", 1),
        ("429", Idempotent, status(429), "ok", 2),
        ("429", OnRequest, status(429), "rate_limited", 1),
        ("429 with pushback", OnRequest, pushed(429), "ok", 2),
        ("502", Idempotent, status(502), "ok", 2),
        ("502 with pushback", OnRequest, pushed(502), "server_error", 1),
        ("500", Idempotent, status(500), "server_error", 1),
        ("401", Idempotent, status(401), "unauthorized", 1),
        ("503", Never, status(503), "server_error", 1),
    ];
    for (name, repeat, first, code, sends) in cases {
        assert_eq!(outcome("control", repeat, vec![first, good()]), (code, sends), "{name}");
    }
}

#[test]
fn a_fault_that_stays_is_sent_three_times() {
    let dead = || Reply::Fail(Stage::NotSent);
    let replies = vec![dead(), dead(), dead()];
    assert_eq!(outcome("control", Repeat::Idempotent, replies), ("connection_failed", 3));
}

#[test]
fn a_warming_endpoint_is_waited_for_outside_the_sends() {
    let warming = || status(503).header("retry-after", "5");
    let replies = vec![warming(), warming(), warming(), warming(), good()];
    assert_eq!(outcome("data", Repeat::OnRequest, replies), ("ok", 5));
    let script = Script::serving(move |_| warming());
    let transport = transport(&script, "data");
    let request = request(Method::POST, Repeat::OnRequest);
    let error = run(transport.call(&request, &call(false))).expect_err("it never comes up");
    assert_eq!(error.code, "endpoint_warming");
    let waited = *script.seconds().last().expect("sends");
    assert!((20..=30).contains(&waited), "waited {waited} s of 30 s");
}

#[test]
fn one_deadline_covers_sends_and_pauses() {
    let script = Script::serving(|_| Reply::Silence);
    let transport = transport(&script, "control");
    let request = request(Method::GET, Repeat::Idempotent);
    let error = run(transport.call(&request, &call(false))).expect_err("silence");
    assert_eq!((error.code, error.extra.clock), ("timeout_total", Some("total")));
    assert_eq!((error.attempts, error.operation), (Some(1), Some("list")));
    assert_eq!(error.host.as_deref(), Some("127.0.0.1:1"));
}

#[test]
fn silence_inside_a_body_is_an_idle_timeout() {
    let stall = Reply::typed(200, "application/json", vec![Piece::text("{"), Piece::Hang]);
    assert_eq!(outcome("control", Repeat::OnRequest, vec![stall]), ("timeout_idle", 1));
}

#[test]
fn a_stream_without_a_head_stalls_by_first_token() {
    let script = Script::new([Reply::Silence]);
    let transport = transport(&script, "data");
    let request = request(Method::POST, Repeat::OnRequest);
    let outcome = run(transport.open(&request, &call(true)));
    let error = outcome.err().expect("silence");
    assert_eq!((error.class, error.code), (Class::StreamStalled, "timeout_first_token"));
}

#[test]
fn the_budget_ends_the_retries_of_a_dead_server() {
    let script = Script::serving(|_| Reply::Fail(Stage::NotSent));
    let transport = transport(&script, "control");
    let request = request(Method::GET, Repeat::Idempotent);
    for _ in 0..100 {
        run(transport.call(&request, &call(false))).expect_err("dead");
    }
    assert_eq!(script.journal().len(), 100 + 100 / 5);
}

#[test]
fn an_earlier_send_that_may_have_counted_is_told() {
    let cases = [
        (Reply::Fail(Stage::Lost), true),
        (status(503), true),
        (Reply::Fail(Stage::NotSent), false),
    ];
    for (first, repeated) in cases {
        let script = Script::new([first, status(404)]);
        let transport = transport(&script, "control");
        let request = request(Method::DELETE, Repeat::Idempotent);
        let error = run(transport.call(&request, &call(false))).expect_err("it is gone");
        assert_eq!((error.code, error.repeated), ("not_found", repeated));
    }
}

#[test]
fn only_a_get_follows_a_redirect_and_only_to_the_same_origin() {
    let to = |location| status(307).header("location", location);
    let cases = [
        (Method::GET, "/p/y", "ok"),
        (Method::GET, "http://127.0.0.1:1/p/y", "ok"),
        (Method::GET, "https://127.0.0.1:1/p/y", "protocol_error"),
        (Method::GET, "http://127.0.0.1:2/p/y", "protocol_error"),
        (Method::GET, "http://user@127.0.0.1:1/p/y", "protocol_error"),
        (Method::GET, "file:///p/y", "protocol_error"),
        (Method::GET, "/elsewhere", "ok"),
        (Method::GET, "y", "ok"),
        (Method::POST, "/p/y", "protocol_error"),
        (Method::DELETE, "/p/y", "protocol_error"),
    ];
    for (method, location, code) in cases {
        let script = Script::new([to(location), good()]);
        let transport = transport(&script, "control");
        let request = request(method.clone(), Repeat::Idempotent);
        let outcome = run(transport.call(&request, &call(false)));
        let found = outcome.map_or_else(|error| error.code, |_| "ok");
        assert_eq!(found, code, "{method} {location}");
        assert_eq!(script.lines().len(), if code == "ok" { 2 } else { 1 });
    }
}

#[test]
fn an_encoding_that_was_not_asked_for_is_refused() {
    for (coding, code) in
        [("gzip", "protocol_error"), ("br, gzip", "protocol_error"), ("identity", "ok")]
    {
        let reply = good().header("content-encoding", coding);
        assert_eq!(outcome("control", Repeat::Idempotent, vec![reply]), (code, 1));
    }
}

#[test]
fn a_404_under_a_prefix_that_repeats_a_route_says_so() {
    for (plane, prefix, hinted) in [
        ("control", "/api", true),
        ("data", "/endpoint/", true),
        ("data", "/api", true),
        ("control", "/p", false),
        ("data", "/p", false),
    ] {
        let script = Script::new([Reply::json(404, "{}")]);
        let transport = transport_behind(&script, plane, prefix);
        let request = request(Method::GET, Repeat::Idempotent);
        let error = run(transport.call(&request, &call(false))).expect_err(prefix);
        let hint = error.hint.as_deref().unwrap_or_default();
        assert_eq!(hint.contains("`base_url` without `/api`"), hinted, "{plane} {prefix}: {hint}");
    }
}
