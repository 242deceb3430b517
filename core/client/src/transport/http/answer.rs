//! Where an answer is, followed over its raw bytes: for the limits of faults.md 1.2 that hyper has no setting for.
//!
//! This only counts. What is malformed is let through: hyper refuses that, in its own words.

use memchr::{memchr, memchr_iter};

/// Limit `response_head`: the answer's head together with the interim (1xx) heads before it.
pub(super) const HEAD_BYTES: usize = 256 * 1024;
/// Limit `header_lines`, of each head.
pub(super) const HEADER_LINES: usize = 200;
/// Limit `interim_responses`.
const INTERIM_HEADS: usize = 16;
/// Limit `chunk_size_line`: digits of the size, leading zeros too; bytes of the line, with its extensions.
const SIZE_DIGITS: usize = 16;
const SIZE_LINE_BYTES: usize = 4 * 1024;
/// Limit `trailers`: bytes of all of them, with their line ends; and their number. hyper's own limit is beyond.
const TRAILER_BYTES: usize = 8 * 1024;
const TRAILER_LINES: usize = HEADER_LINES;

/// What an answer has gone beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    Head,
    HeaderLines,
    InterimHeads,
    SizeLine,
    Trailers,
}

impl Excess {
    /// The limit's name, and what is too much in words.
    pub(crate) fn told(self) -> (&'static str, String) {
        let (limit, words) = match self {
            Self::Head => ("response_head", "the response head is larger than 256 KiB".to_owned()),
            Self::HeaderLines => ("header_lines", format!("more than {HEADER_LINES} header lines")),
            Self::InterimHeads => {
                ("interim_responses", format!("more than {INTERIM_HEADS} interim (1xx) responses"))
            }
            Self::SizeLine => (
                "chunk_size_line",
                format!("a chunk-size line has more than {SIZE_DIGITS} digits or 4 KiB"),
            ),
            Self::Trailers => {
                ("trailers", format!("the trailers have more than {TRAILER_LINES} lines or 8 KiB"))
            }
        };
        (limit, words)
    }
}

/// The answer to one request, as far as it has come in.
#[derive(Default)]
pub(crate) struct Answer {
    place: Place,
    line: Line,
    /// Counted in the present place: of all heads, or of the trailers.
    bytes: usize,
    lines: usize,
    /// Those of `bytes` that are complete interim heads, and how many they are.
    interim_bytes: usize,
    interim_heads: usize,
    excess: Option<Excess>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    StatusLine,
    /// In a head's other lines; what comes behind them, by the lines so far.
    Headers(Next),
    SizeLine,
    /// So much is left of a chunk and the line end behind it.
    Chunk(u64),
    Trailers,
    /// In a body that has a length or ends with the connection, or behind any body.
    Uncounted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    AnotherHead,
    /// A body, in chunks if the headers say so.
    Body {
        chunked: bool,
    },
    NoBody,
}

impl Answer {
    /// Takes the next bytes. Returns how many of them may be handed on: fewer than all if there is an [`excess`](Self::excess).
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.excess.is_none() {
            match &mut self.place {
                Place::Uncounted => return bytes.len(),
                Place::Chunk(left) => {
                    let step = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= step as u64;
                    at += step;
                    if *left == 0 {
                        self.place = Place::SizeLine;
                    }
                }
                _ => {
                    at += self.take_text(&bytes[at..]);
                    match bytes.get(at).map_or(Ok(()), |byte| self.take(*byte)) {
                        Ok(()) => at += 1,
                        Err(excess) => self.excess = Some(excess),
                    }
                }
            }
        }
        at.min(bytes.len())
    }

    pub(crate) fn excess(&self) -> Option<Excess> {
        self.excess
    }

    /// Bytes in of the answer's own head, interim heads left out.
    pub(super) fn head_bytes(&self) -> usize {
        self.bytes - self.interim_bytes
    }

    /// What is here of a head's line, but for its end, where no limit is near. Returns how many bytes that is.
    fn take_text(&mut self, bytes: &[u8]) -> usize {
        let length = memchr(b'\n', bytes).unwrap_or(bytes.len());
        let in_head = matches!(self.place, Place::StatusLine | Place::Headers(_));
        if !in_head || self.bytes + length > HEAD_BYTES {
            return 0;
        }
        self.bytes += length;
        self.line.extend(&bytes[..length]);
        length
    }

    /// A byte of a line.
    fn take(&mut self, byte: u8) -> Result<(), Excess> {
        self.bytes += 1;
        let ends = byte == b'\n';
        if !ends {
            self.line.push(byte);
        }
        match self.place {
            Place::StatusLine | Place::Headers(_) => {
                at_most(HEAD_BYTES, self.bytes, Excess::Head)?;
            }
            Place::SizeLine => {
                at_most(SIZE_DIGITS, self.line.hex_digits(), Excess::SizeLine)?;
                at_most(SIZE_LINE_BYTES, self.line.length, Excess::SizeLine)?;
            }
            Place::Trailers => at_most(TRAILER_BYTES, self.bytes, Excess::Trailers)?,
            Place::Chunk(_) | Place::Uncounted => {}
        }
        if ends { self.end_line() } else { Ok(()) }
    }

    fn end_line(&mut self) -> Result<(), Excess> {
        let line = std::mem::take(&mut self.line);
        match self.place {
            // HTTP lets blank lines stand in front of an answer.
            Place::StatusLine if line.length == 0 => {}
            Place::StatusLine => {
                let next = line.next_by_status();
                self.interim_heads += usize::from(next == Next::AnotherHead);
                at_most(INTERIM_HEADS, self.interim_heads, Excess::InterimHeads)?;
                self.lines = 0;
                self.place = Place::Headers(next);
            }
            Place::Headers(next) if line.length == 0 => self.end_head(next),
            Place::Headers(next) => {
                self.lines += 1;
                at_most(HEADER_LINES, self.lines, Excess::HeaderLines)?;
                if matches!(next, Next::Body { .. }) && line.is_transfer_encoding() {
                    self.place = Place::Headers(Next::Body { chunked: true });
                }
            }
            Place::SizeLine => match line.hex_value() {
                0 => {
                    (self.bytes, self.lines) = (0, 0);
                    self.place = Place::Trailers;
                }
                size => self.place = Place::Chunk(size.saturating_add(2)),
            },
            Place::Trailers if line.length == 0 => self.place = Place::Uncounted,
            Place::Trailers => {
                self.lines += 1;
                at_most(TRAILER_LINES, self.lines, Excess::Trailers)?;
            }
            Place::Chunk(_) | Place::Uncounted => {}
        }
        Ok(())
    }

    fn end_head(&mut self, next: Next) {
        self.place = match next {
            Next::AnotherHead => {
                self.interim_bytes = self.bytes;
                Place::StatusLine
            }
            Next::Body { chunked: true } => {
                self.interim_bytes = 0;
                Place::SizeLine
            }
            Next::Body { chunked: false } | Next::NoBody => Place::Uncounted,
        };
    }
}

fn at_most(limit: usize, count: usize, excess: Excess) -> Result<(), Excess> {
    if count > limit { Err(excess) } else { Ok(()) }
}

const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";

/// A line without its end: its length and how it begins.
#[derive(Default)]
struct Line {
    length: usize,
    start: [u8; TRANSFER_ENCODING.len()],
}

impl Line {
    fn push(&mut self, byte: u8) {
        if byte == b'\r' {
            return;
        }
        if let Some(place) = self.start.get_mut(self.length) {
            *place = byte;
        }
        self.length += 1;
    }

    fn extend(&mut self, mut text: &[u8]) {
        while self.length < self.start.len()
            && let Some((byte, rest)) = text.split_first()
        {
            self.push(*byte);
            text = rest;
        }
        self.length += text.len() - memchr_iter(b'\r', text).count();
    }

    /// What follows a head with this status line, `HTTP/1.1 200 OK`.
    fn next_by_status(&self) -> Next {
        match &self.start[9..12] {
            b"101" | b"204" | b"304" => Next::NoBody,
            [b'1', ..] => Next::AnotherHead,
            _ => Next::Body { chunked: false },
        }
    }

    /// Any coding but `chunked` is refused elsewhere.
    fn is_transfer_encoding(&self) -> bool {
        self.start.eq_ignore_ascii_case(TRANSFER_ENCODING)
    }

    /// How many hexadecimal digits the line begins with, as far as it is kept: that is further than a size may reach.
    fn hex_digits(&self) -> usize {
        const { assert!(TRANSFER_ENCODING.len() > SIZE_DIGITS) };
        self.start.iter().take_while(|byte| byte.is_ascii_hexdigit()).count()
    }

    fn hex_value(&self) -> u64 {
        let digits = str::from_utf8(&self.start[..self.hex_digits()]).unwrap_or_default();
        u64::from_str_radix(digits, 16).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// What is too much, and how many bytes come before; the same for every way to cut the answer into equal pieces.
    fn verdict(answer: &str) -> (Option<Excess>, usize) {
        let in_pieces = |size: usize| {
            let mut machine = Answer::default();
            let fed = |piece: &[u8]| machine.feed(piece);
            let handed_on = answer.as_bytes().chunks(size).map(fed).sum();
            (machine.excess(), handed_on)
        };
        let whole = in_pieces(answer.len());
        for size in [1, 2, 3, 7, 100] {
            assert_eq!(in_pieces(size), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn each_limit_lets_pass_what_it_allows_and_no_more() {
        let head =
            |bytes: usize| format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(bytes - 24));
        let interim = |count| "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count) + CHUNKED;
        let lines = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(count));
        let digits = |count| format!("{CHUNKED}{}2\r\nab\r\n0\r\n\r\n", "0".repeat(count - 1));
        let extension =
            |bytes: usize| format!("{CHUNKED}2;{}\r\nab\r\n0\r\n\r\n", "x".repeat(bytes - 2));
        let trailer = |bytes: usize| format!("{CHUNKED}0\r\nx: {}\r\n\r\n", "y".repeat(bytes - 7));
        let trailers = |count| format!("{CHUNKED}0\r\n{}\r\n", "x: y\r\n".repeat(count));
        for (excess, most, with) in [
            (Excess::Head, 256 << 10, &head as &dyn Fn(usize) -> String),
            (Excess::HeaderLines, 200, &lines),
            (Excess::InterimHeads, 16, &interim),
            (Excess::SizeLine, 16, &digits),
            (Excess::SizeLine, 4 << 10, &extension),
            (Excess::Trailers, 8 << 10, &trailer),
            (Excess::Trailers, 200, &trailers),
        ] {
            let allowed = with(most);
            assert_eq!(verdict(&allowed), (None, allowed.len()));
            assert_eq!(verdict(&with(most + 1)).0, Some(excess));
        }
    }

    #[test]
    fn interim_heads_count_to_the_head() {
        let interim =
            |bytes: usize| format!("HTTP/1.1 103 A\r\nx: {}\r\n\r\n", "a".repeat(bytes - 23));
        let both = interim(128 << 10) + &interim(128 << 10);
        assert_eq!(verdict(&both), (None, 256 << 10));
        assert_eq!(verdict(&(both + CHUNKED)), (Some(Excess::Head), 256 << 10));
    }

    #[test]
    fn only_the_head_itself_is_the_answers_beginning() {
        let mut answer = Answer::default();
        answer.feed(b"HTTP/1.1 100 Continue\r\nx: y\r\n");
        assert!(answer.head_bytes() > 0);
        answer.feed(b"\r\n");
        assert_eq!(answer.head_bytes(), 0);
        answer.feed(b"HTTP");
        assert_eq!(answer.head_bytes(), 4);
    }

    #[test]
    fn what_stands_before_the_excess_is_handed_on() {
        let good = format!("{CHUNKED}2\r\nab\r\n");
        let (excess, handed_on) = verdict(&format!("{good}{}", "0".repeat(99)));
        assert_eq!((excess, handed_on), (Some(Excess::SizeLine), good.len() + 16));
    }

    #[test]
    fn nothing_is_counted_where_no_chunks_are() {
        let endless = "f".repeat(20_000);
        for head in [
            "HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n",
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 103 Early\r\ntransfer-encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx-transfer-encoding: chunked\r\n\r\n",
            &format!("{CHUNKED}5\r\n{}\r\n0\r\nx: y\r\n\r\n", "\n".repeat(5)),
        ] {
            let answer = format!("{head}{endless}");
            assert_eq!(verdict(&answer), (None, answer.len()), "{head}");
        }
    }
}
