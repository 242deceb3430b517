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

pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

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
        ("the end mark waits for no blank line", b"data: [DONE]\ndata: a\n\n", &["[DONE]", "a"]),
        ("an end mark inside a frame is data", b"data: a\ndata: [DONE]\n\n", &["a\n[DONE]"]),
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

    type Endless = (&'static str, &'static [u8], &'static [&'static [u8]]);

    /// Streams whose one event never ends: what comes first, and what comes again and again.
    const ENDLESS: &[Endless] = &[
        ("a data line", b"data: ", &[MEGA]),
        ("a line of no field", b"", &[MEGA]),
        ("a comment", b": ", &[MEGA]),
        ("an event name", b"event: ", &[MEGA]),
        ("data lines", b"", &[b"data: ", MEGA, b"\n"]),
        ("long data lines", b"", &[b"data: ", MEGA, MEGA, MEGA, MEGA, MEGA, MEGA, b"\n"]),
        ("a comment after data", b"data: x\n: ", &[MEGA]),
    ];
    const MEGA: &[u8] = &[b'x'; 1 << 20];

    #[test]
    fn a_frame_over_the_limit_is_refused_however_it_is_made() {
        for (name, first, again) in ENDLESS {
            let mut parser = Parser::default();
            parser.feed(first);
            let portions = again.iter().flat_map(|bytes| bytes.chunks(64 << 10));
            let mut fed = 0;
            let refused = portions.cycle().find_map(|portion| {
                assert!(fed <= MAX_FRAME_BYTES + (1 << 20), "{name}: the limit was passed");
                parser.feed(portion);
                fed += portion.len();
                let refused = parser.next().map(|frame| assert!(frame.is_none(), "{name}")).err();
                // No byte is held twice: memory stays within 1.25 × the limit.
                let held = parser.buffer.len() + parser.data.len();
                assert!(held <= MAX_FRAME_BYTES + (1 << 20), "{name}: {held} bytes are held");
                refused
            });
            let error = refused.expect("the limit is reached");
            assert_eq!((error.class, error.extra.limit), (Class::LimitExceeded, Some("sse_event")));
        }
    }

    thread_local! {
        static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    /// Counts bytes that were looked at or moved.
    pub(super) fn count(bytes: usize) {
        WORK.set(WORK.get() + bytes);
    }

    fn work(stream: &[u8], portion: usize) -> usize {
        WORK.set(0);
        frames(stream.chunks(portion));
        WORK.get()
    }

    #[test]
    fn twice_the_bytes_are_at_most_twice_the_work() {
        type Shape = (&'static str, fn(usize) -> Vec<u8>);
        let shapes: [Shape; 4] = [
            ("a line", |length| [b"data: ".as_slice(), &vec![b'x'; length], b"\n\n"].concat()),
            ("lines", |length| [b"data: x\n".repeat(length / 8).as_slice(), b"\n"].concat()),
            ("frames", |length| b"data: x\n\n".repeat(length / 9)),
            ("blanks", |length| vec![b'\n'; length]),
        ];
        for (name, shape) in shapes {
            for portion in [1, 7, 4096] {
                let (once, twice) =
                    (work(&shape(1 << 15), portion), work(&shape(1 << 16), portion));
                assert!(twice <= 2 * once + 64, "{name} in {portion}s: {once}, then {twice}");
                assert!(once <= 3 * (1 << 15), "{name} in {portion}s: {once}");
            }
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
    fn the_end_mark_is_told_at_the_end_of_its_line() {
        for (bytes, expected) in
            [(&b"data: [DONE]\n"[..], true), (b"data:[DONE]\r", true), (b"data: [DONE]", false)]
        {
            let mut parser = Parser::default();
            parser.feed(bytes);
            assert_eq!(matches!(parser.next(), Ok(Some(frame)) if frame.is_done()), expected);
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
