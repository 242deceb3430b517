//! What one run of an operation costs.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::connection::Connection;
use crate::operations::Operation;

/// The same figures as `bench/worker.py` gives.
pub(crate) struct Measured {
    calls: usize,
    wall_ns: u64,
    cpu_ns: u64,
    p50_ns: u64,
    peak_bytes: u64,
    answer: String,
}

impl Measured {
    pub(crate) fn json(&self) -> String {
        let Self { calls, wall_ns, cpu_ns, p50_ns, peak_bytes, answer } = self;
        format!(
            r#"{{"calls":{calls},"wall_ns":{wall_ns},"cpu_ns":{cpu_ns},"p50_ns":{p50_ns},"peak_bytes":{peak_bytes},"answer":"{answer}"}}"#
        )
    }
}

/// Repeats the operation for that long, at least once, in that many threads.
pub(crate) fn run(
    operation: Operation,
    server: SocketAddr,
    seconds: f64,
    lanes: usize,
) -> io::Result<Measured> {
    let before = reset_peak()?;
    let (begin, cpu) = (Instant::now(), cpu_ns());
    let end = begin + Duration::from_secs_f64(seconds);
    let lane = || repeat(&operation, server, end);
    let done = if lanes == 1 {
        vec![lane()?]
    } else {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
            let done = threads.into_iter().map(|thread| thread.join());
            done.map(|lane| lane.unwrap_or_else(|_| Err(io::Error::other("a lane panicked"))))
                .collect::<io::Result<Vec<_>>>()
        })?
    };
    let (wall_ns, cpu_ns) = (ns(begin.elapsed()), cpu_ns() - cpu);
    let peak_bytes = memory("VmHWM:")?.saturating_sub(before);
    let calls = done.iter().map(|(calls, ..)| calls).sum();
    let answer = done.first().map(|(_, _, answer)| answer.clone()).unwrap_or_default();
    let mut times: Vec<u64> = done.into_iter().flat_map(|(_, times, _)| times).collect();
    times.sort_unstable();
    Ok(Measured { calls, wall_ns, cpu_ns, p50_ns: times[times.len() / 2], peak_bytes, answer })
}

/// Calls made, what they noted, and the last answer.
fn repeat(
    operation: &Operation,
    server: SocketAddr,
    end: Instant,
) -> io::Result<(usize, Vec<u64>, String)> {
    let mut connection = Connection::open(server)?;
    let (mut calls, mut times) = (0, Vec::new());
    loop {
        let answer = operation.call(&mut connection, &mut times)?;
        calls += 1;
        if Instant::now() >= end {
            return Ok((calls, times, answer));
        }
    }
}

pub(crate) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn cpu_ns() -> u64 {
    clock_ns(ClockId::ProcessCPUTime)
}

pub(crate) fn clock_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    (time.tv_sec * 1_000_000_000 + time.tv_nsec).cast_unsigned()
}

/// Resident bytes, from which the peak counts from now on.
fn reset_peak() -> io::Result<u64> {
    std::fs::write("/proc/self/clear_refs", "5")?;
    memory("VmRSS:")
}

fn memory(field: &str) -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map(|count| count << 10).ok_or_else(|| io::Error::other("no such field"))
}
