//! Requests of one connection, one after the other.

use std::io::{self, Read};
use std::net::TcpStream;

use memchr::memmem;

/// What an answer depends on.
pub(crate) struct Request<'a> {
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
}

/// Reads into one buffer that grows to the largest request.
pub(crate) struct Requests {
    buffer: Vec<u8>,
}

impl Default for Requests {
    fn default() -> Self {
        Self { buffer: vec![0; 64 << 10] }
    }
}

impl Requests {
    /// The next request, or none once the client has hung up. Clients here await each answer, so nothing comes early.
    pub(crate) fn next(&mut self, from: &mut TcpStream) -> io::Result<Option<Request<'_>>> {
        let (mut filled, mut size) = (0, None);
        while size.is_none_or(|(head, body)| filled < head + body) {
            let count = from.read(&mut self.buffer[filled..])?;
            if count == 0 {
                return Ok(None);
            }
            filled += count;
            if size.is_none() {
                size = sizes(&self.buffer[..filled]);
                let needed = size.map_or(filled + 1, |(head, body)| head + body);
                self.buffer.resize(needed.max(self.buffer.len()), 0);
            }
        }
        let (head, body) = size.unwrap_or_default();
        let line = self.buffer[..head].split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let path = std::str::from_utf8(line).map_err(io::Error::other)?;
        Ok(Some(Request { path, body: &self.buffer[head..head + body] }))
    }
}

/// Bytes of the head and of the body, once the head is whole.
fn sizes(text: &[u8]) -> Option<(usize, usize)> {
    let head = memmem::find(text, b"\r\n\r\n")? + 4;
    let body = text[..head]
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split_at_checked(b"content-length:".len()))
        .find(|(name, _)| name.eq_ignore_ascii_case(b"content-length:"))
        .and_then(|(_, value)| std::str::from_utf8(value).ok()?.trim().parse().ok());
    Some((head, body.unwrap_or(0)))
}
