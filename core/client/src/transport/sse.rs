//! Server-sent events: bytes in any portions → frames (wire.md 3.2). No I/O, no JSON.
//!
//! Lines end in LF, CRLF or CR. A line is looked at once, however many portions it comes in, and a frame whose one `data` line
//! is already complete is handed out where it lies: scanning is linear and most frames are never copied out of the buffer.

use memchr::memchr2;

use crate::error::Error;
use crate::memory::append;

/// Most bytes of one frame: the sum of its `data` lines and the line that is still growing (faults.md 1.2).
pub(crate) const MAX_FRAME_BYTES: usize = 64 << 20;

const WHAT: &str = "an event of the stream";

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
        append(&mut self.data, &self.buffer[value], WHAT)?;
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
        let words = format!("one event is larger than {MAX_FRAME_BYTES} bytes");
        Err(Error::limit("sse_event", &words))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    /// Name, bytes, data of each frame; `!` in front marks an error frame.
    const CASES: &[(&str, &[u8], &[&str])] = &[
        ("LF ends a line", b"data: a\n\ndata: b\n\n", &["a", "b"]),
        ("CRLF ends a line", b"data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
        ("a lone CR ends a line", b"data: a\r\rdata: b\r\r", &["a", "b"]),
        ("line ends may be mixed", b"data: a\r\n\ndata: b\n\r\n", &["a", "b"]),
        ("CR after LF is a blank line", b"data: a\n\rdata: b\n\r", &["a", "b"]),
        ("one leading BOM is dropped", b"\xef\xbb\xbfdata: a\n\n", &["a"]),
        ("a second BOM is part of a name", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", &[]),
        ("a BOM later is part of a name", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", &["a"]),
        ("what only begins like a BOM stays", b"\xef\xbbdata: a\n\n", &[]),
        ("comments are no frames", b": hi\n\n:\n\ndata: a\n: x\n\n", &["a"]),
        ("one space after the colon is dropped", b"data:a\n\ndata:  b\n\n", &["a", " b"]),
        ("a tab stays", b"data:\ta\n\n", &["\ta"]),
        ("data lines join by LF", b"data: a\ndata:\ndata: b\n\n", &["a\n\nb"]),
        ("data without a colon is an empty line", b"data\ndata\n\n", &["\n"]),
        ("an empty data line is a frame", b"data:\n\n", &[""]),
        ("fields without data are no frame", b"id: 1\nretry: 5\n\n", &[]),
        ("unknown fields are ignored", b"id: 1\nfoo: x\nretry: 5\ndata: a\n\n", &["a"]),
        ("names are case-sensitive and whole", b"Data: x\ndatax: y\n data: z\n\n", &[]),
        ("an error event is marked", b"event: error\ndata: x\n\ndata: y\n\n", &["!x", "y"]),
        ("event may come after data", b"data: x\nevent:error\n\n", &["!x"]),
        ("the last event name counts", b"event: error\nevent: m\ndata: x\n\n", &["x"]),
        ("other event names are ignored", b"event: message\ndata: x\n\n", &["x"]),
        ("an error without data is told", b"event: error\n\n", &["!"]),
        (
            "U+2028 is an ordinary character",
            b"data: a\xe2\x80\xa8b\xe2\x80\xa9c\n\n",
            &["a\u{2028}b\u{2029}c"],
        ),
        ("a NUL is an ordinary character", b"data: a\0b\n\n", &["a\0b"]),
        ("more than one blank line", b"\n\ndata: a\n\n\n\ndata: b\n\n", &["a", "b"]),
        ("no last blank line", b"data: a\n\ndata: b\n", &["a", "b"]),
        ("no last line end", b"data: a\n\ndata: b", &["a", "b"]),
        ("CR at the very end", b"data: a\r", &["a"]),
        ("half a field is no frame", b"data: a\n\ndat", &["a"]),
        ("nothing", b"", &[]),
        ("half a BOM", b"\xef\xbb", &[]),
    ];

    fn text(frame: Frame<'_>) -> String {
        let mark = if frame.is_error { "!" } else { "" };
        format!("{mark}{}", String::from_utf8_lossy(frame.data))
    }

    fn frames<'a>(portions: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
        let mut parser = Parser::default();
        let mut frames = Vec::new();
        for portion in portions {
            parser.feed(portion);
            while let Some(frame) = parser.next().expect("no limit is reached") {
                frames.push(text(frame));
            }
        }
        frames.extend(parser.finish().expect("no limit is reached").map(text));
        frames
    }

    #[test]
    fn frames_do_not_depend_on_the_portions() {
        for (name, bytes, expected) in CASES {
            assert_eq!(frames(std::iter::once(*bytes)), *expected, "{name}, whole");
            assert_eq!(frames(bytes.chunks(1)), *expected, "{name}, byte by byte");
            for at in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(at);
                assert_eq!(frames([head, tail].into_iter()), *expected, "{name}, cut at {at}");
            }
        }
    }

    /// splitmix64.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) % bound as u64) as usize
        }
    }

    #[test]
    fn any_split_of_a_random_stream_gives_the_same_frames() {
        const PIECES: &[&str] =
            &["data:", "data: x", "event: error", ":", "\n", "\r", "\r\n", "\n\n", "é", "id", " "];
        for seed in 0..300 {
            let mut random = Random(seed);
            let stream: String =
                (0..40).map(|_| PIECES[random.below(PIECES.len())]).collect::<Vec<_>>().concat();
            let whole = frames(std::iter::once(stream.as_bytes()));
            let mut rest = stream.as_bytes();
            let portions = std::iter::from_fn(|| {
                let (head, tail) = rest.split_at(random.below(rest.len().min(9) + 1));
                rest = tail;
                (!tail.is_empty() || !head.is_empty()).then_some(head)
            });
            assert_eq!(frames(portions), whole, "seed {seed}: {stream:?}");
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_however_it_is_made() {
        let mega = vec![b'x'; 1 << 20];
        let endless_line: Vec<&[u8]> = vec![&mega];
        let endless_frame: Vec<&[u8]> = vec![b"data:", &mega, b"\n"];
        for portions in [endless_line, endless_frame] {
            let mut parser = Parser::default();
            let refused = (0..70).find_map(|_| {
                portions.iter().for_each(|portion| parser.feed(portion));
                parser.next().err()
            });
            let error = refused.expect("the limit is reached");
            assert_eq!((error.class, error.extra.limit), (Class::LimitExceeded, Some("sse_event")));
        }
    }

    #[test]
    fn small_frames_have_no_common_limit() {
        let mut parser = Parser::default();
        let frame = [b"data:".as_slice(), &[b'x'; 1 << 20], b"\n\n"].concat();
        for _ in 0..70 {
            parser.feed(&frame);
            assert!(matches!(parser.next(), Ok(Some(_))));
        }
    }

    #[test]
    fn the_end_mark_may_have_blanks_around_it() {
        for (data, expected) in
            [("[DONE]", true), (" [DONE] ", true), ("[DONE", false), ("\"[DONE]\"", false)]
        {
            assert_eq!(Frame { data: data.as_bytes(), is_error: false }.is_done(), expected);
        }
    }
}
