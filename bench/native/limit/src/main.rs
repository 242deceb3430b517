//! A client that does nothing but what it must: the limit that no real client can pass.
//!
//! Two system calls for a call. No validation, no timeouts, no TLS, no JSON parser: it looks for the bytes that it knows
//! are there. It is measured like the clients in Python: reads `OPERATION SECONDS LANES` from its standard input, and
//! answers each line with one of JSON.

mod connection;
mod measure;
mod numbers;
mod operations;

use std::io::{self, BufRead};
use std::net::{Ipv4Addr, SocketAddr};

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let port = port.ok_or_else(|| io::Error::other("usage: bench-limit PORT"))?;
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for line in io::stdin().lock().lines() {
        println!("{}", answer(&line?, server)?);
    }
    Ok(())
}

fn answer(line: &str, server: SocketAddr) -> io::Result<String> {
    let mut words = line.split(' ');
    let operation = words.next().and_then(operations::named);
    let seconds = words.next().and_then(|word| word.parse().ok());
    let lanes = words.next().and_then(|word| word.parse().ok());
    match (operation, seconds, lanes) {
        (Some(operation), Some(seconds), Some(lanes)) => {
            measure::run(operation, server, seconds, lanes).map(|measured| measured.json())
        }
        _ => Ok(r#"{"skipped":"has no figure"}"#.to_owned()),
    }
}
