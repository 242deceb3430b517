//! Every cell of the retry matrix (faults.md 1.1), through the operations: the fault once and then good, and for ever.
//!
//! The column "stale" needs real connections: see `transport/http/tests.rs` and `tests/python/faults/test_retries.py`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Double, Outcome};
use crate::error::Stage;
use crate::transport::script::{Piece, Reply, Script, Sent};

/// What a fault leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cell {
    /// Sent again, three times in all.
    Again,
    /// The same, but each time the list is asked first whether it is needed.
    Listed,
    /// Asked again for as long as the wait lasts.
    Reopen,
    /// Sent again until `cold_start` is over.
    Warm,
    /// Sent once.
    Never,
}

/// A column: its name and what the platform does.
type Column = (&'static str, fn(Call) -> Reply);

const COLUMNS: [Column; 13] = [
    ("never sent", |_| Reply::Fail(Stage::NotSent)),
    ("reset", |_| Reply::Fail(Stage::Lost)),
    ("408", |_| status(408)),
    ("429", |_| status(429)),
    ("502", |_| status(502)),
    ("503", |_| status(503)),
    ("504", |_| status(504)),
    ("429 with pushback", |_| pushed(429)),
    ("503 with pushback", |_| pushed(503)),
    ("502 with pushback", |_| pushed(502)),
    ("cut", |call| {
        Reply::typed(200, call.media_type(), vec![Piece::text(call.begun()), Piece::Cut])
    }),
    ("500", |_| status(500)),
    ("401", |_| status(401)),
];

#[rustfmt::skip]
const MATRIX: [(Call, [Cell; 13]); 9] = {
    use Cell::{Again, Listed, Never, Reopen, Warm};
    [
        //               never sent reset  408     429     502     503     504     429p    503p    502p    cut     500    401
        (Call::List,     [Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Never, Never]),
        (Call::Get,      [Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Never, Never]),
        (Call::Wait,     [Reopen, Reopen, Reopen, Reopen, Reopen, Reopen, Reopen, Reopen, Reopen, Reopen, Reopen, Never, Never]),
        (Call::Delete,   [Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Never, Never]),
        (Call::Patch,    [Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Never, Never]),
        (Call::Create,   [Again,  Listed, Listed, Listed, Listed, Listed, Listed, Listed, Listed, Listed, Listed, Never, Never]),
        (Call::Embed,    [Again,  Again,  Again,  Again,  Again,  Again,  Again,  Again,  Warm,   Again,  Again,  Never, Never]),
        (Call::Chat,     [Again,  Never,  Never,  Never,  Never,  Never,  Never,  Again,  Warm,   Never,  Never,  Never, Never]),
        (Call::Stream,   [Again,  Never,  Never,  Never,  Never,  Never,  Never,  Again,  Warm,   Never,  Never,  Never, Never]),
    ]
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Call {
    List,
    Get,
    Wait,
    Delete,
    Patch,
    Create,
    Embed,
    Chat,
    Stream,
}

fn status(status: u16) -> Reply {
    Reply::json(status, r#"{"error":{"code":"c","message":"words"}}"#)
}

fn pushed(code: u16) -> Reply {
    status(code).header("retry-after", "1")
}

impl Call {
    /// The request that meets the fault; all others are answered well.
    fn is_tested(self, sent: &Sent) -> bool {
        let method = match self {
            Self::List | Self::Get | Self::Wait => "GET",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            _ => "POST",
        };
        sent.line.starts_with(method)
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Wait | Self::Stream => "text/event-stream",
            _ => "application/json",
        }
    }

    /// The beginning of a good answer.
    fn begun(self) -> &'static str {
        match self {
            Self::Wait => "data: {\"phase\":\"scheduling\"}\n\n",
            Self::Stream => "data: {\"choices\":[{\"delta\":{\"content\":\"He\"}}]}\n\n",
            _ => "{",
        }
    }

    fn good(self) -> Reply {
        match self {
            Self::List | Self::Get => list(self),
            Self::Wait => Reply::stream("data: {\"phase\":\"ready\"}\n\n"),
            Self::Delete => Reply::json(204, ""),
            Self::Patch => Reply::json(200, "{}"),
            Self::Create => Reply::json(201, r#"{"id":"wl_1","slug":"s1"}"#),
            Self::Embed => Reply::json(200, r#"{"data":[{"embedding":[1]}]}"#),
            Self::Chat => Reply::json(200, r#"{"choices":[{"message":{"content":"Hi"}}]}"#),
            Self::Stream => Reply::stream("data: [DONE]\n\n"),
        }
    }

    fn run(self, script: Arc<Script>) -> Outcome {
        let spec = json!({"name": "N", "slug": "s1", "model": "m", "backend": "vllm"});
        let (operation, request) = match self {
            Self::List => ("list", json!({})),
            Self::Get => ("get", json!({"workload_slug": "s1"})),
            Self::Wait => {
                ("wait_until_ready", json!({"workload_slug": "s1", "timeout_ms": 100_000}))
            }
            Self::Delete => ("delete", json!({"workload_slug": "s1"})),
            Self::Patch | Self::Create => ("ensure", json!({"spec": spec})),
            Self::Embed => ("embed", json!({"input": "a"})),
            Self::Chat => ("generate_text", json!({"prompt": "Hi"})),
            Self::Stream => ("generate_text_stream", json!({"prompt": "Hi"})),
        };
        let double = match self {
            Self::Embed | Self::Chat | Self::Stream => Double::data(script, "s1"),
            _ => Double::control(script),
        };
        double.call(operation, &request)
    }
}

/// What the list says before the call has done its work.
fn list(call: Call) -> Reply {
    let live = |name: &str| json!([{"id": "wl_1", "slug": "s1", "name": name, "model_name": "m", "backend": "vllm"}]);
    let workloads = match call {
        Call::Create => json!([]),
        Call::Patch => live("other"),
        _ => live("N"),
    };
    Reply::json(200, &workloads.to_string())
}

/// Runs the call against a platform that shows the fault so many times; its code, and what was sent.
fn meets(call: Call, fault: fn(Call) -> Reply, times: usize) -> (String, Vec<Sent>) {
    let mut shown = 0;
    let script = Script::serving(move |sent| {
        if !call.is_tested(sent) {
            return list(call);
        }
        shown += 1;
        if shown > times { call.good() } else { fault(call) }
    });
    let outcome = call.run(script.clone());
    let attempts = outcome.error.as_ref().map(|error| error.attempts);
    let sent = script.journal();
    if let Some(attempts) = attempts {
        assert_eq!(attempts, Some(sent.len() as u32), "{call:?}: attempts");
    }
    (outcome.code().to_owned(), sent)
}

fn methods(sent: &[Sent]) -> String {
    let words = sent.iter().filter_map(|sent| sent.line.split(' ').next());
    words.collect::<Vec<_>>().join(" ")
}

fn code_of(call: Call, column: &str) -> &'static str {
    match column.split(' ').next().unwrap_or_default() {
        "never" => "connection_failed",
        "cut" if call == Call::Stream => "stream_truncated",
        "reset" | "cut" => "connection_lost",
        "401" => "unauthorized",
        "408" => "http_error",
        "429" => "rate_limited",
        _ => "server_error",
    }
}

#[test]
fn every_cell_of_the_retry_matrix_holds() {
    for (call, cells) in MATRIX {
        for ((column, fault), cell) in COLUMNS.into_iter().zip(cells) {
            let place = format!("{call:?}, {column}");
            let tested = |sent: &[Sent]| sent.iter().filter(|sent| call.is_tested(sent)).count();
            let (once, sent_once) = meets(call, fault, 1);
            let (ever, sent_ever) = meets(call, fault, usize::MAX);
            let code = code_of(call, column);
            match cell {
                Cell::Never => {
                    assert_eq!((once.as_str(), tested(&sent_once)), (code, 1), "{place}, once");
                    assert_eq!((ever.as_str(), tested(&sent_ever)), (code, 1), "{place}, for ever");
                }
                Cell::Again | Cell::Listed => {
                    assert_eq!((once.as_str(), tested(&sent_once)), ("none", 2), "{place}, once");
                    assert_eq!((ever.as_str(), tested(&sent_ever)), (code, 3), "{place}, for ever");
                }
                Cell::Reopen => {
                    assert_eq!((once.as_str(), tested(&sent_once)), ("none", 2), "{place}, once");
                    assert_eq!(ever, "wait_timeout", "{place}, for ever");
                }
                Cell::Warm => {
                    assert_eq!((once.as_str(), tested(&sent_once)), ("none", 2), "{place}, once");
                    assert_eq!(ever, "endpoint_warming", "{place}, for ever");
                    assert!(tested(&sent_ever) > 50, "{place}: {}", tested(&sent_ever));
                }
            }
            if call == Call::Create && cell == Cell::Listed {
                assert_eq!(methods(&sent_ever), "GET POST GET POST GET POST GET", "{place}");
            }
            same_on_every_send(&sent_ever, &place);
        }
    }
}

/// The body is byte-identical on every send, and so is the idempotency key.
fn same_on_every_send(sent: &[Sent], place: &str) {
    let of_method = |method: &'static str| {
        sent.iter().filter(move |sent| sent.line.starts_with(method)).map(|sent| {
            let body: &Value = &sent.body;
            (body.to_string(), sent.idempotency_key.clone())
        })
    };
    for method in ["POST", "PATCH"] {
        let first = of_method(method).next();
        assert!(of_method(method).all(|send| Some(send) == first), "{place}");
    }
}
