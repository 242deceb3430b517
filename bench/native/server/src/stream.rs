//! Streamed answers: long and fast, short, and one frame a millisecond.

use std::io::{self, Write};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

const LONG_CHUNKS: usize = 10_000;
const SHORT_CHUNKS: usize = 8;
const PACED_CHUNKS: u32 = 250;
const FRAMES_PER_WRITE: usize = 64;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_bench\r\n\
    transfer-encoding: chunked\r\n\r\n";

/// Writes of 64 frames.
pub(crate) static LONG: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| stream(LONG_CHUNKS));

/// Everything in one write.
pub(crate) static SHORT: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| stream(SHORT_CHUNKS));

fn stream(chunks: usize) -> Vec<Vec<u8>> {
    let texts: Vec<String> = (0..chunks).map(|number| frame(&format!(" word{number}"))).collect();
    let mut writes: Vec<String> =
        texts.chunks(FRAMES_PER_WRITE).map(|some| transfer_chunk(&some.concat())).collect();
    if let Some(first) = writes.first_mut() {
        first.insert_str(0, HEAD);
    }
    if let Some(last) = writes.last_mut() {
        last.push_str(&end());
    }
    writes.into_iter().map(String::into_bytes).collect()
}

/// One frame a millisecond; its text is the time at which it is sent, in nanoseconds of CLOCK_MONOTONIC.
pub(crate) fn paced(to: &mut impl Write) -> io::Result<()> {
    to.write_all(HEAD.as_bytes())?;
    let begin = Instant::now();
    for number in 1..=PACED_CHUNKS {
        let due = begin + Duration::from_millis(1) * number;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let now = clock_gettime(ClockId::Monotonic);
        let text = format!("{}{:09}", now.tv_sec, now.tv_nsec);
        to.write_all(transfer_chunk(&frame(&text)).as_bytes())?;
    }
    to.write_all(end().as_bytes())
}

fn frame(text: &str) -> String {
    event(&format!(r#"{{"content":"{text}"}},"finish_reason":null"#))
}

fn end() -> String {
    let last = event(r#"{},"finish_reason":"stop""#) + "data: [DONE]\n\n";
    transfer_chunk(&last) + "0\r\n\r\n"
}

fn event(delta_and_reason: &str) -> String {
    format!(
        concat!(
            r#"data: {{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"#,
            r#""model":"long","choices":[{{"index":0,"delta":{rest}}}]}}"#,
            "\n\n"
        ),
        rest = delta_and_reason
    )
}

fn transfer_chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}
