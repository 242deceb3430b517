//! Server-sent events: bytes in any portions → frames (wire.md 3.2). No I/O, no JSON.
//!
//! Lines end in LF, CRLF or CR. A line is looked at once, however many portions it comes in, and a frame whose one `data` line
//! is already complete is handed out where it lies: scanning is linear and most frames are never copied out of the buffer.

use memchr::memchr2;

use crate::error::{Class, Error, code};

/// Most bytes of one frame: the sum of its `data` lines and the line that is still growing (faults.md 1.2).
pub(crate) const MAX_FRAME_BYTES: usize = 64 << 20;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A block of lines that had a `data` line, or said `event: error`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The `data` lines, joined by LF.
    pub(crate) data: &'a [u8],
    /// Was its last `event` line `error`?
    pub(crate) is_error: bool,
}

impl Frame<'_> {
    /// Is it the end mark of a chat stream? Blanks around it are allowed.
    pub(crate) fn is_done(&self) -> bool {
        self.data.trim_ascii() == b"[DONE]"
    }
}

/// Takes bytes as they come and gives frames as they complete.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// Everything from the line that is being read on.
    buffer: Vec<u8>,
    /// Start of that line in `buffer`.
    line: usize,
    /// Up to here the line is known to have no end.
    scanned: usize,
    /// The `data` lines of the frame so far, if it did not come in one piece.
    data: Vec<u8>,
    has_data: bool,
    is_error: bool,
    /// A frame was handed out from `data`, which is free now.
    spent: bool,
    /// The line before ended in CR: an LF that comes first belongs to it.
    after_cr: bool,
    /// Is the byte order mark behind us?
    started: bool,
}

impl Parser {
    /// Adds what was received.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        // What moves to the front is one unfinished line, and it moves only after lines before it were consumed: each byte
        // is moved at most once.
        if self.line > 0 {
            self.buffer.drain(..self.line);
            self.scanned -= self.line;
            self.line = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame that is complete. `LimitExceeded` once a frame is larger than [`MAX_FRAME_BYTES`].
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>, Error> {
        self.reuse();
        if !self.started && !self.skip_bom() {
            return Ok(None);
        }
        while let Some((start, end)) = self.next_line() {
            if start == end {
                if self.has_data || self.is_error {
                    return Ok(Some(self.take_frame()));
                }
                continue;
            }
            let value = match split(&self.buffer[start..end]) {
                Field::Data(offset) => start + offset..end,
                Field::Event(name) => {
                    self.is_error = name == b"error";
                    continue;
                }
                Field::Other => continue,
            };
            if !self.has_data && self.blank_line_follows() {
                self.next_line();
                let is_error = std::mem::take(&mut self.is_error);
                return Ok(Some(Frame { data: &self.buffer[value], is_error }));
            }
            self.keep(value)?;
        }
        self.check_size(self.buffer.len() - self.line)?;
        Ok(None)
    }

    /// What the end of the body leaves: the frame whose blank line never came, or whose last line never ended.
    pub(crate) fn finish(&mut self) -> Result<Option<Frame<'_>>, Error> {
        self.started = true;
        self.feed(b"\n\n");
        self.next()
    }

    fn reuse(&mut self) {
        if std::mem::take(&mut self.spent) {
            self.data.clear();
        }
    }

    /// Drops a leading byte order mark; `false` while the bytes so far may still become one.
    fn skip_bom(&mut self) -> bool {
        if self.buffer.starts_with(BOM) {
            self.line = BOM.len();
            self.scanned = BOM.len();
        } else if BOM.starts_with(&self.buffer) {
            return false;
        }
        self.started = true;
        true
    }

    /// Bounds of the next complete line, without its end, which is consumed.
    fn next_line(&mut self) -> Option<(usize, usize)> {
        if self.after_cr {
            match self.buffer.get(self.line) {
                None => return None,
                Some(b'\n') => {
                    self.line += 1;
                    self.scanned = self.scanned.max(self.line);
                }
                Some(_) => {}
            }
            self.after_cr = false;
        }
        let start = self.line;
        match memchr2(b'\n', b'\r', &self.buffer[self.scanned..]) {
            None => {
                self.scanned = self.buffer.len();
                None
            }
            Some(offset) => {
                let end = self.scanned + offset;
                self.after_cr = self.buffer[end] == b'\r';
                self.line = end + 1;
                self.scanned = self.line;
                Some((start, end))
            }
        }
    }

    fn blank_line_follows(&self) -> bool {
        match &self.buffer[self.line..] {
            [b'\n', b'\n' | b'\r', ..] if self.after_cr => true,
            [b'\n', ..] => !self.after_cr,
            [b'\r', ..] => true,
            _ => false,
        }
    }

    fn keep(&mut self, value: std::ops::Range<usize>) -> Result<(), Error> {
        self.check_size(value.len() + 1)?;
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(&self.buffer[value]);
        self.has_data = true;
        Ok(())
    }

    fn take_frame(&mut self) -> Frame<'_> {
        self.has_data = false;
        self.spent = true;
        let is_error = std::mem::take(&mut self.is_error);
        Frame { data: &self.data, is_error }
    }

    fn check_size(&self, more: usize) -> Result<(), Error> {
        if self.data.len() + more <= MAX_FRAME_BYTES {
            return Ok(());
        }
        let words = format!("one event is larger than {MAX_FRAME_BYTES} bytes (limit `sse_event`)");
        let mut error = Error::new(Class::LimitExceeded, code::LIMIT_EXCEEDED, words);
        error.extra.limit = Some("sse_event");
        Err(error)
    }
}

enum Field<'a> {
    /// Its value starts here.
    Data(usize),
    Event(&'a [u8]),
    /// A comment, or a field that means nothing to us.
    Other,
}

fn split(line: &[u8]) -> Field<'_> {
    if let Some(value) = line.strip_prefix(b"data:") {
        return Field::Data(if value.starts_with(b" ") { 6 } else { 5 });
    }
    if let Some(value) = line.strip_prefix(b"event:") {
        return Field::Event(value.strip_prefix(b" ").unwrap_or(value));
    }
    match line {
        b"data" => Field::Data(4),
        b"event" => Field::Event(b""),
        _ => Field::Other,
    }
}
