//! One connection, used for one call after the other.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use memchr::memmem;

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that hold something.
    filled: usize,
}

impl Connection {
    pub(crate) fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 256 << 10], filled: 0 })
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.filled = 0;
        self.stream.write_all(request)
    }

    /// Reads once, and gives what there is.
    pub(crate) fn read(&mut self) -> io::Result<&[u8]> {
        let count = self.stream.read(&mut self.buffer[self.filled..])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.filled += count;
        Ok(&self.buffer[..self.filled])
    }

    /// Forgets the first bytes of what was read.
    pub(crate) fn consume(&mut self, count: usize) {
        self.buffer.copy_within(count..self.filled, 0);
        self.filled -= count;
    }

    /// The body of a whole answer.
    pub(crate) fn body(&mut self) -> io::Result<&[u8]> {
        self.read()?;
        let (head, length) = sizes(&self.buffer[..self.filled])
            .ok_or_else(|| io::Error::other("an answer without a length"))?;
        let end = head + length;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        self.stream.read_exact(&mut self.buffer[self.filled..end])?;
        Ok(&self.buffer[head..end])
    }
}

fn sizes(text: &[u8]) -> Option<(usize, usize)> {
    let head = memmem::find(text, b"\r\n\r\n")? + 4;
    let length = memmem::find(text, b"content-length: ")? + b"content-length: ".len();
    let digits = text[length..].iter().take_while(|byte| byte.is_ascii_digit());
    Some((head, digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))))
}
