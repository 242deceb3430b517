//! Chat streams: clocks, batches, the end of the connection (wire.md 3.2).

use std::time::Duration;

use serde_json::{Value, json};

use super::{Double, Outcome, head, next};
use crate::driver::{now, sleep, testing::run};
use crate::error::Stage;
use crate::operation::EventKind;
use crate::transport::script::{Fate, Piece, Reply, Script};

fn chunk(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const HEARTBEAT: &str = ": hi\n\n";
const EMPTY_DELTA: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n";

fn events(pieces: impl IntoIterator<Item = Piece>) -> Double {
    Double::data(Script::new([Reply::events(pieces)]), "s1")
}

fn call(double: &Double, more: Value) -> Outcome {
    let mut request = json!({"prompt": "Hi"});
    if let (Some(request), Some(more)) = (request.as_object_mut(), more.as_object()) {
        request.extend(more.clone());
    }
    double.call("generate_text_stream", &request)
}

/// The texts of each batch.
fn batches(outcome: &Outcome) -> Vec<Vec<String>> {
    let data = outcome.events.iter().filter(|event| event.kind == EventKind::Data);
    let texts = |head: Value| serde_json::from_value(head["text"].clone()).expect("texts");
    data.map(|event| texts(head(event))).collect()
}

fn seconds_of(work: impl FnOnce() -> Outcome) -> (Outcome, u64) {
    let started = now();
    let outcome = work();
    (outcome, now().duration_since(started).as_secs())
}

#[test]
fn what_is_here_is_one_batch_and_nothing_waits_for_more() {
    let double = events([
        Piece::text(&chunk("a")),
        Piece::text(&chunk("b")),
        Piece::pause(1.0),
        Piece::text(&[chunk("c"), chunk("d")].concat()),
        Piece::pause(1.0),
        Piece::text(&[STOP, DONE].concat()),
    ]);
    let outcome = call(&double, json!({}));
    assert_eq!(outcome.code(), "none");
    assert_eq!(batches(&outcome), [vec!["a", "b"], vec!["c", "d"], vec![""]]);
}

#[test]
fn time_in_which_usage_was_waited_for_in_vain_is_not_the_answers() {
    let double =
        events([Piece::pause(0.5), Piece::text(&[chunk("a"), STOP.into()].concat()), Piece::Hang]);
    let (outcome, seconds) = seconds_of(|| call(&double, json!({})));
    let closing = head(outcome.events.last().expect("events"));
    assert_eq!((closing["timing"]["total_us"].as_u64(), seconds), (Some(500_000), 2));
}

#[test]
fn chunks_before_a_fault_reach_the_caller() {
    let body = [chunk("a"), chunk("b"), "data: nonsense\n\n".into(), chunk("c")].concat();
    let outcome = call(&events([Piece::text(&body)]), json!({}));
    assert_eq!(batches(&outcome), [vec!["a", "b"]]);
    assert_eq!(outcome.code(), "protocol_error");
    assert_eq!(outcome.error().extra.partial_text.as_deref(), Some("ab"));
}

#[test]
fn behind_done_only_the_end_of_the_body_is_left_to_come() {
    let whole = [chunk("a"), STOP.into(), DONE.into()].concat();
    for (name, pieces, fate) in [
        ("the end is here", vec![Piece::text(&whole)], Fate::Drained),
        ("text after [DONE]", vec![Piece::text(&whole), Piece::text("data: x\n\n")], Fate::Drained),
        ("it stays open", vec![Piece::text(&whole), Piece::Hang], Fate::LetGo),
        ("the end comes later", vec![Piece::text(&whole), Piece::pause(0.5)], Fate::LetGo),
        ("no [DONE]", vec![Piece::text(&[chunk("a"), STOP.into()].concat())], Fate::Drained),
        ("no [DONE], and open", vec![Piece::text(STOP), Piece::Hang], Fate::Closed),
        ("a fault", vec![Piece::text("data: x\n\n"), Piece::Hang], Fate::Closed),
    ] {
        let double = events(pieces);
        let (_, seconds) = seconds_of(|| call(&double, json!({})));
        assert_eq!(double.script.journal()[0].fate, fate, "{name}");
        let waited = if name == "no [DONE], and open" { 2 } else { 0 };
        assert_eq!(seconds, waited, "{name}: [DONE] is waited behind for nothing");
    }
}

#[test]
fn usage_is_waited_for_two_seconds_at_most() {
    for (name, pieces, seconds, chunks) in [
        ("it comes", vec![Piece::pause(1.5), Piece::text(USAGE), Piece::text(DONE)], 1, 2),
        (
            "more than usage comes",
            vec![Piece::pause(1.5), Piece::text(USAGE), Piece::pause(1.5), Piece::text(USAGE)],
            2,
            2,
        ),
        ("it comes late", vec![Piece::pause(2.5), Piece::text(USAGE)], 2, 1),
        ("it never comes", vec![Piece::Hang], 2, 1),
        (
            "heartbeats come",
            vec![Piece::pause(1.0), Piece::text(HEARTBEAT), Piece::pause(1.5)],
            2,
            1,
        ),
        ("the connection breaks", vec![Piece::pause(1.0), Piece::Cut], 1, 1),
    ] {
        let double = events([vec![Piece::text(STOP)], pieces].concat());
        let (outcome, waited) = seconds_of(|| call(&double, json!({})));
        assert_eq!(outcome.code(), "none", "{name}");
        assert_eq!(waited, seconds, "{name}");
        assert_eq!(batches(&outcome).concat().len(), chunks, "{name}");
    }
}

#[test]
fn silence_is_counted_from_the_last_content() {
    let beat = |text: &str| [(); 100].map(|()| [Piece::pause(5.0), Piece::text(text)]).concat();
    let a = || Piece::text(&chunk("a"));
    for (name, pieces, code, seconds) in [
        ("no head in time", None, "timeout_first_token", 120),
        ("nothing", Some(vec![Piece::Hang]), "timeout_first_token", 120),
        ("heartbeats", Some(beat(HEARTBEAT)), "timeout_first_token", 120),
        ("empty deltas", Some(beat(EMPTY_DELTA)), "timeout_first_token", 120),
        ("content, then nothing", Some(vec![a(), Piece::Hang]), "timeout_idle", 30),
        (
            "content, then heartbeats",
            Some([vec![a()], beat(HEARTBEAT)].concat()),
            "timeout_idle",
            30,
        ),
        (
            "content, then empty deltas",
            Some([vec![a()], beat(EMPTY_DELTA)].concat()),
            "timeout_idle",
            30,
        ),
        (
            "slow but steady",
            Some(
                [
                    vec![Piece::pause(119.0), a(), Piece::pause(29.0), a(), Piece::pause(29.0)],
                    vec![Piece::text(STOP)],
                ]
                .concat(),
            ),
            "none",
            177,
        ),
    ] {
        let reply = pieces.map_or(Reply::Silence, Reply::events);
        let double = Double::data(Script::new([reply]), "s1");
        let (outcome, waited) = seconds_of(|| call(&double, json!({})));
        assert_eq!(outcome.code(), code, "{name}");
        assert_eq!(waited, seconds, "{name}");
        if let Some(error) = outcome.error {
            assert_eq!(error.class.name(), "StreamStalled", "{name}");
            assert!(error.extra.partial_text.is_some(), "{name}");
        }
    }
}

/// A server that writes no last blank line and stays has said what counts all the same.
#[test]
fn what_lacks_its_blank_line_counts_at_a_stall() {
    let stop = STOP.trim_end();
    for (name, text, code, seconds, partial) in [
        ("[DONE] and its line end", "data: [DONE]\n", "none", 0, None),
        ("[DONE] alone", "data: [DONE]", "none", 30, None),
        ("a finish reason", stop, "none", 30, None),
        (
            "content",
            r#"data: {"choices":[{"delta":{"content":"b"}}]}"#,
            "timeout_idle",
            30,
            Some("ab"),
        ),
        ("half a frame", "data: {\"choi", "timeout_idle", 30, Some("a")),
        ("an error", r#"data: {"error":"busy"}"#, "stream_error", 30, Some("a")),
    ] {
        let double = events([Piece::text(&chunk("a")), Piece::text(text), Piece::Hang]);
        let (outcome, waited) = seconds_of(|| call(&double, json!({})));
        assert_eq!((outcome.code(), waited), (code, seconds), "{name}");
        let text = outcome.error.and_then(|error| error.extra.partial_text.clone());
        assert_eq!(text.as_deref(), partial, "{name}");
    }
}

/// `first_token` runs from the request, so a late head leaves less of it for the first content.
/// A flood is always ready and so never waited for: the clocks have to be looked at all the same.
#[test]
fn a_flood_moves_no_clock_but_by_content() {
    let comment = format!(":{}\n\n", "x".repeat(256 << 10));
    let content = format!("{comment}{}", chunk("b"));
    let begun = || vec![Piece::text(&chunk("a"))];
    let finished = || vec![Piece::text(STOP)];
    let flood = || Piece::flood(&comment, 130);
    let a_minute = json!({"timeouts": {"total_ms": 60_000}});
    for (pieces, more, code, seconds) in [
        (vec![flood()], json!({}), "timeout_first_token", 120..=122),
        (vec![begun(), flood()], json!({}), "timeout_idle", 30..=32),
        (vec![Piece::flood(&content, 130)], a_minute, "timeout_total", 60..=62),
        (vec![finished(), flood()], json!({}), "none", 2..=4),
    ] {
        let (outcome, waited) = seconds_of(|| call(&events(pieces.concat()), more));
        assert_eq!(outcome.code(), code);
        assert!(seconds.contains(&waited), "{code}: {waited} s");
    }
}

#[test]
fn the_first_token_is_counted_from_the_request() {
    let double = Double::data(Script::new([Reply::events([Piece::Hang]).late(100.0)]), "s1");
    let (outcome, waited) = seconds_of(|| call(&double, json!({})));
    assert_eq!((outcome.code(), waited), ("timeout_first_token", 120));
}

#[test]
fn a_call_may_bring_its_own_clocks() {
    let slow = || events([Piece::text(&chunk("a")), Piece::pause(6.0), Piece::text(STOP)]);
    for (clocks, code) in [
        (json!({"timeout_ms": 5000}), "timeout_idle"),
        (json!({"timeout_ms": 7000}), "none"),
        (json!({"timeouts": {"idle_ms": 5000}}), "timeout_idle"),
        (json!({"timeouts": {"idle_ms": null}}), "none"),
        (json!({"timeouts": {"total_ms": 5000}}), "timeout_total"),
    ] {
        let outcome = call(&slow(), clocks.clone());
        assert_eq!(outcome.code(), code, "{clocks}");
        if code != "none" {
            assert_eq!(outcome.error().extra.partial_text.as_deref(), Some("a"), "{clocks}");
        }
    }
    let outcome = call(&slow(), json!({"timeouts": {"total_ms": 5000}}));
    assert_eq!(outcome.error().class.name(), "Timeout");
}

/// The time between two pulls belongs to the caller: it is no stall.
#[test]
fn the_callers_own_time_moves_no_clock() {
    let double = events([
        Piece::text(&chunk("a")),
        Piece::pause(29.0),
        Piece::text(&chunk("b")),
        Piece::pause(1.0),
        Piece::text(STOP),
        Piece::pause(1.9),
        Piece::text(USAGE),
    ]);
    let mut stream =
        double.submit("generate_text_stream", &json!({"prompt": "Hi"})).expect("a good request");
    let mut texts = Vec::new();
    while let Some(event) = next(&mut stream) {
        texts.push(head(&event.expect("no stall"))["text"].clone());
        // Longer than every clock of the stream, after every single event.
        run(sleep(Duration::from_secs(1000)));
    }
    assert_eq!(
        texts,
        [Value::Null, json!(["a"]), json!(["b"]), json!([""]), json!([""]), json!([])]
    );
}

#[test]
fn a_stream_that_stalls_after_the_callers_pause_is_still_a_stall() {
    let double = events([Piece::text(&chunk("a")), Piece::Hang]);
    let mut stream =
        double.submit("generate_text_stream", &json!({"prompt": "Hi"})).expect("a good request");
    for _ in 0..2 {
        next(&mut stream).expect("an event").expect("no error");
        run(sleep(Duration::from_secs(1000)));
    }
    let started = now();
    let error = next(&mut stream).expect("an end").expect_err("a stall");
    assert_eq!(error.code, "timeout_idle");
    assert_eq!(now().duration_since(started).as_secs(), 30);
}

#[test]
fn dropping_a_stream_closes_its_connection() {
    let double = events([Piece::text(&chunk("a")), Piece::Hang]);
    let mut stream =
        double.submit("generate_text_stream", &json!({"prompt": "Hi"})).expect("a good request");
    next(&mut stream);
    next(&mut stream);
    assert_eq!(double.script.journal()[0].fate, Fate::Open);
    drop(stream);
    assert_eq!(double.script.journal()[0].fate, Fate::Closed);
}

#[test]
fn a_begun_stream_is_never_sent_again() {
    let cut = Reply::events([Piece::text(&chunk("a")), Piece::Cut]);
    let outcome = call(&Double::data(Script::new([cut]), "s1"), json!({}));
    assert_eq!(outcome.code(), "stream_truncated");
    let lost = Double::data(Script::new([Reply::Fail(Stage::Lost)]), "s1");
    assert_eq!(call(&lost, json!({})).code(), "connection_lost");
}

/// faults.md 3.6: the verdict is whether a finish reason or `[DONE]` was already in.
#[test]
fn a_stream_cut_at_any_byte_is_complete_or_truncated() {
    let body = [chunk("a"), STOP.into(), USAGE.into(), DONE.into()].concat();
    let finished = chunk("a").len() + STOP.len();
    for at in 0..=body.len() {
        for end in [None, Some(Piece::Cut)] {
            let pieces = [Piece::text(&body[..at])].into_iter().chain(end);
            let outcome = call(&events(pieces), json!({}));
            // The line of the finish reason counts as soon as its JSON is whole.
            let is_in = at >= finished - 2;
            let code = if is_in { "none" } else { "stream_truncated" };
            assert_eq!(outcome.code(), code, "cut at {at}: {:?}", &body[..at]);
        }
    }
}

#[test]
fn a_very_large_frame_is_read_in_linear_time() {
    let text = "x".repeat(4 << 20);
    let body = [chunk(&text), STOP.into()].concat();
    let pieces = body.as_bytes().chunks(1 << 10);
    let pieces = pieces.map(|piece| Piece::Bytes(bytes::Bytes::copy_from_slice(piece)));
    let outcome = call(&events(pieces.collect::<Vec<_>>()), json!({}));
    assert_eq!(outcome.code(), "none");
    assert_eq!(batches(&outcome).concat(), [text, String::new()]);
}
