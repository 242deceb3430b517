//! Server-sent events: bytes in any portions → frames (wire.md 3.2). No I/O, no JSON.
//!
//! Lines end in LF, CRLF or CR. A line is looked at once, however many portions it comes in, and a frame whose one `data` line
//! is already complete is handed out where it lies: scanning is linear and most frames are never copied out of the buffer.
//! What a long line has brought so far leaves the buffer at once, so that no byte of a large frame is held twice.

use std::ops::Range;

use memchr::memchr2;

use crate::error::Error;
use crate::memory::append;

/// Most bytes of one frame: the sum of its `data` lines, or the line that is still growing (faults.md 1.2).
/// Less in unit tests, which are compiled to run slowly.
const MAX_FRAME_BYTES: usize = if cfg!(test) { 8 << 20 } else { 64 << 20 };

/// A line of more bytes is taken in piece by piece.
const LONG_LINE_BYTES: usize = 64 << 10;

const WHAT: &str = "an event of the stream";

pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

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
        is_end_mark(self.data)
    }
}

/// A line that is taken in piece by piece.
#[derive(Debug, Clone, Copy)]
enum LongLine {
    Data,
    /// A comment, or a field that means nothing to us; how many bytes of it have been dropped.
    Other(usize),
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
    /// The line in `buffer` is the rest of this one.
    long_line: Option<LongLine>,
    /// A frame was handed out from `data`, which is free now.
    spent: bool,
    /// The line before ended in CR: an LF that comes first belongs to it.
    after_cr: bool,
    /// Is the byte order mark behind us?
    started: bool,
    /// Bytes were lost for want of memory: no frame can be trusted any more.
    no_memory: bool,
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
            #[cfg(test)]
            tests::count(self.buffer.len());
        }
        self.no_memory |= append(&mut self.buffer, bytes, WHAT).is_err();
    }

    /// The next frame that is complete. `LimitExceeded` once a frame is larger than [`MAX_FRAME_BYTES`].
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>, Error> {
        self.reuse();
        if self.no_memory {
            return Err(Error::out_of_memory(WHAT));
        }
        if !self.started && !self.skip_bom() {
            return Ok(None);
        }
        while let Some((start, end)) = self.next_line() {
            if let Some(line) = self.long_line {
                self.take_in(line, start..end)?;
                self.long_line = None;
                continue;
            }
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
            if !self.has_data && self.is_whole(&value) {
                let is_error = std::mem::take(&mut self.is_error);
                return Ok(Some(Frame { data: &self.buffer[value], is_error }));
            }
            self.begin_data();
            self.take_in(LongLine::Data, value)?;
        }
        self.take_in_long_line()?;
        Ok(None)
    }

    /// Does the frame end with the `data` line that was read last? The end mark waits for no blank line: the server may have
    /// nothing more to say, and may stay.
    fn is_whole(&mut self, value: &Range<usize>) -> bool {
        let blank = self.blank_line_follows();
        if blank {
            self.next_line();
        }
        blank || is_end_mark(&self.buffer[value.clone()])
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
                #[cfg(test)]
                tests::count(self.buffer.len() - self.scanned);
                self.scanned = self.buffer.len();
                None
            }
            Some(offset) => {
                #[cfg(test)]
                tests::count(offset + 1);
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

    /// Frees the buffer of the line that is still growing, if it is long.
    fn take_in_long_line(&mut self) -> Result<(), Error> {
        let mut grown = self.line..self.buffer.len();
        if self.long_line.is_none() {
            if grown.len() < LONG_LINE_BYTES {
                return self.check_size(grown.len());
            }
            self.long_line = Some(match split(&self.buffer[grown.clone()]) {
                Field::Data(offset) => {
                    grown.start += offset;
                    self.begin_data();
                    LongLine::Data
                }
                Field::Event(_) => {
                    self.is_error = false;
                    LongLine::Other(0)
                }
                Field::Other => LongLine::Other(0),
            });
        }
        if let Some(line) = self.long_line {
            self.long_line = Some(self.take_in(line, grown)?);
        }
        self.buffer.truncate(self.line);
        self.scanned = self.line;
        Ok(())
    }

    fn begin_data(&mut self) {
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
    }

    /// Takes a piece of a line in, and tells what is known of the line then.
    fn take_in(&mut self, line: LongLine, piece: Range<usize>) -> Result<LongLine, Error> {
        match line {
            LongLine::Data => {
                self.check_size(piece.len())?;
                append(&mut self.data, &self.buffer[piece], WHAT)?;
                Ok(line)
            }
            LongLine::Other(dropped) => {
                let dropped = dropped + piece.len();
                self.check_size(dropped)?;
                Ok(LongLine::Other(dropped))
            }
        }
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
        Err(Error::limit("sse_event", "one event is larger than 64 MiB"))
    }
}

fn is_end_mark(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
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

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
