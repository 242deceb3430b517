//! Streams in any portions give the same frames, within limits, at a cost that grows with the bytes.

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
            let (once, twice) = (work(&shape(1 << 15), portion), work(&shape(1 << 16), portion));
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
