//! The operations that are measured, by the names that `bench/operations.py` gives them.

use std::io;
use std::time::Instant;

use memchr::memmem;
use rustix::time::ClockId;

use crate::connection::Connection;
use crate::measure::{clock_ns, ns};
use crate::numbers;

const SHORT_STREAMS: usize = 230;
const PROMPT_BYTES: usize = 4 << 20;

type Call = fn(&Operation, &mut Connection, &mut Vec<u64>) -> io::Result<String>;

/// A request, made beforehand, and what is done with it.
pub(crate) struct Operation {
    request: Vec<u8>,
    /// What to look for in a list.
    wanted: String,
    call: Call,
}

impl Operation {
    /// One call; notes how long it took, and gives what tells that it did what the others do.
    pub(crate) fn call(
        &self,
        connection: &mut Connection,
        times: &mut Vec<u64>,
    ) -> io::Result<String> {
        (self.call)(self, connection, times)
    }
}

pub(crate) fn named(name: &str) -> Option<Operation> {
    let chat = |slug, stream, prompt| {
        let body = format!(
            r#"{{"model":"{slug}","messages":[{{"role":"user","content":"{prompt}"}}],"stream":{stream}}}"#
        );
        post(&format!("/endpoint/bench/{slug}/v1/chat/completions"), &body)
    };
    let floats = || {
        let input = vec![r#""x""#; 2_048].join(",");
        post("/endpoint/bench/floats/v1/embeddings", &format!(r#"{{"input":[{input}]}}"#))
    };
    let workloads: usize =
        name.strip_prefix("find:").and_then(|count| count.parse().ok()).unwrap_or(0);
    let (request, call): (_, Call) = match name {
        "chat" => (chat("chat", false, "x"), whole),
        "prompt" => (chat("chat", false, &"word ".repeat(PROMPT_BYTES / 5)), whole),
        "stream" => (chat("long", true, "x"), stream),
        "first" => (chat("short", true, "x"), first),
        "short-streams" => (chat("short", true, "x"), short_streams),
        "paced" => (chat("paced", true, "x"), paced),
        "lists:floats" => (floats(), lists),
        "array:floats" => (floats(), array),
        "find:10" | "find:1000" | "find:10000" => (list(workloads), find),
        _ => return None,
    };
    Some(Operation {
        request,
        wanted: format!(r#""slug":"bench-{}""#, workloads.saturating_sub(1)),
        call,
    })
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ik_live_bench\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn list(workloads: usize) -> Vec<u8> {
    let path = format!("/api/projects/of-{workloads}/workloads");
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ik_sdk_bench\r\n\r\n")
        .into_bytes()
}

fn whole(of: &Operation, to: &mut Connection, times: &mut Vec<u64>) -> io::Result<String> {
    let begin = Instant::now();
    to.send(&of.request)?;
    let text = content(to.body()?).unwrap_or_default().to_owned();
    times.push(ns(begin.elapsed()));
    Ok(text)
}

fn stream(of: &Operation, to: &mut Connection, times: &mut Vec<u64>) -> io::Result<String> {
    let (begin, mut texts) = (Instant::now(), Vec::new());
    read(&of.request, to, |text| texts.push(text.to_owned()))?;
    times.push(ns(begin.elapsed()) / texts.len().max(1) as u64);
    Ok(of_texts(&texts))
}

fn first(of: &Operation, to: &mut Connection, times: &mut Vec<u64>) -> io::Result<String> {
    let (begin, mut first) = (Instant::now(), None);
    read(&of.request, to, |text| {
        first.get_or_insert_with(|| (ns(begin.elapsed()), text.to_owned()));
    })?;
    let (time, text) = first.unwrap_or_default();
    times.push(time);
    Ok(text)
}

fn short_streams(of: &Operation, to: &mut Connection, times: &mut Vec<u64>) -> io::Result<String> {
    let (begin, mut texts) = (Instant::now(), Vec::new());
    for _ in 0..SHORT_STREAMS {
        read(&of.request, to, |text| texts.push(text.to_owned()))?;
    }
    times.push(ns(begin.elapsed()));
    Ok(of_texts(&texts))
}

fn paced(of: &Operation, to: &mut Connection, times: &mut Vec<u64>) -> io::Result<String> {
    let mut chunks = 0;
    read(&of.request, to, |text| {
        chunks += 1;
        let sent: u64 = text.parse().unwrap_or(0);
        times.push(clock_ns(ClockId::Monotonic) - sent);
    })?;
    Ok(format!("{chunks} chunks"))
}

fn lists(of: &Operation, to: &mut Connection, times: &mut Vec<u64>) -> io::Result<String> {
    let begin = Instant::now();
    to.send(&of.request)?;
    let numbers = numbers::all::<f64>(to.body()?);
    let sum: f64 = numbers.iter().sum();
    times.push(ns(begin.elapsed()));
    Ok(format!("{} numbers, sum {sum:.6}", numbers.len()))
}

fn array(of: &Operation, to: &mut Connection, times: &mut Vec<u64>) -> io::Result<String> {
    let begin = Instant::now();
    to.send(&of.request)?;
    let numbers = numbers::all::<f32>(to.body()?);
    times.push(ns(begin.elapsed()));
    let sum: f64 = numbers.iter().copied().map(f64::from).sum();
    Ok(format!("{} numbers, sum {sum:.6}", numbers.len()))
}

fn find(of: &Operation, to: &mut Connection, times: &mut Vec<u64>) -> io::Result<String> {
    let begin = Instant::now();
    to.send(&of.request)?;
    let found = memmem::find(to.body()?, of.wanted.as_bytes()).is_some();
    times.push(ns(begin.elapsed()));
    Ok(format!("in sync: {found}"))
}

/// Calls `each` with the text of every chunk. The server cuts transfer chunks between frames, so that their lengths are
/// lines like any other.
fn read(request: &[u8], from: &mut Connection, mut each: impl FnMut(&str)) -> io::Result<()> {
    from.send(request)?;
    loop {
        let text = from.read()?;
        let whole = memchr::memrchr(b'\n', text).map_or(0, |end| end + 1);
        let over = text.ends_with(b"data: [DONE]\n\n\r\n0\r\n\r\n");
        let mut rest = &text[..whole];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, later) = rest.split_at(end);
            if line.starts_with(b"data: {")
                && let Some(text) = content(line)
            {
                each(text);
            }
            rest = &later[1..];
        }
        from.consume(whole);
        if over {
            return Ok(());
        }
    }
}

fn of_texts(texts: &[String]) -> String {
    format!("{} chunks, {} characters", texts.len(), texts.concat().len())
}

fn content(json: &[u8]) -> Option<&str> {
    let begin = memmem::find(json, br#""content":""#)? + br#""content":""#.len();
    let length = memchr::memchr(b'"', &json[begin..])?;
    std::str::from_utf8(&json[begin..begin + length]).ok()
}
