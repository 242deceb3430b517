//! A list read as it arrives: elements that nobody wants leave the buffer at once, so that a project of any size takes no more
//! memory than its largest workload.
//!
//! Only an element that is an object, whole and readable goes, and with it the comma in front of it. What is left is the same
//! answer with fewer workloads: [`list`](super::list) reads it, and refuses what it would have refused in the whole. The
//! beginning stays as it came, because errors quote it.

use std::ops::Range;

use memchr::memchr2;
use serde_json::value::RawValue;

use super::list::Wanted;
use crate::error::answer::BODY_LIMIT;
use crate::transport::{Sieve, take_out};

/// Takes from a list what is not wanted.
pub(super) struct Unwanted<'a> {
    wanted: Wanted<'a>,
    scan: Scan,
}

impl<'a> Unwanted<'a> {
    pub(super) fn new(wanted: Wanted<'a>) -> Self {
        Self { wanted, scan: Scan::default() }
    }

    /// An element that the reader of lists would pass over. `element` begins with the comma in front of it.
    fn is_dross(&self, element: &[u8]) -> bool {
        let text = std::str::from_utf8(&element[1..]).ok();
        let text = text.filter(|text| serde_json::from_str::<&RawValue>(text).is_ok());
        text.is_some_and(|text| !(self.wanted)(text))
    }
}

impl Sieve for Unwanted<'_> {
    fn begin(&mut self) {
        self.scan = Scan::default();
    }

    fn pass(&mut self, text: &mut Vec<u8>) {
        let mut dross = Vec::new();
        while let Some(element) = self.scan.next_element(text) {
            if element.start >= BODY_LIMIT && self.is_dross(&text[element.clone()]) {
                dross.push(element);
            }
        }
        let taken = take_out(text, &dross);
        self.scan.moved_by(taken);
    }
}

/// Where in an answer the elements of its lists are, as far as it has arrived.
#[derive(Default)]
struct Scan {
    /// Up to here all is known.
    at: usize,
    in_string: bool,
    depth: usize,
    /// Is the container at that depth a list? Below the second it does not matter.
    is_list: [bool; 2],
    /// Has this list had an object? Odd elements in front of the first one decide what the answer is, so it stays.
    has_object: bool,
    /// The comma in front of the element that is being read.
    comma: Option<usize>,
}

impl Scan {
    /// The next element that is an object, not the first one of its list, and here in one piece, from its comma to its end.
    fn next_element(&mut self, text: &[u8]) -> Option<Range<usize>> {
        while let Some(&byte) = text.get(self.at) {
            if self.in_string {
                self.skip_string(text)?;
                continue;
            }
            self.at += 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.open(byte == b'['),
                b',' if self.is_in_list() => self.comma = Some(self.at - 1),
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if byte == b'}' && self.is_in_list() {
                        let had_object = std::mem::replace(&mut self.has_object, true);
                        if let Some(comma) = self.comma.take().filter(|_| had_object) {
                            return Some(comma..self.at);
                        }
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn open(&mut self, is_list: bool) {
        // The answer itself, or a list under one of its keys; what opens inside an element is its own affair.
        if self.depth == 0 || (self.depth == 1 && !self.is_list[0]) {
            self.is_list[self.depth] = is_list;
            (self.has_object, self.comma) = (false, None);
        }
        self.depth += 1;
    }

    /// Is what comes now an element of the answer itself, or of a list under one of its keys?
    fn is_in_list(&self) -> bool {
        match self.depth {
            1 => self.is_list[0],
            2 => !self.is_list[0] && self.is_list[1],
            _ => false,
        }
    }

    /// Goes behind the string's end; `None` if that is not here yet.
    fn skip_string(&mut self, text: &[u8]) -> Option<()> {
        loop {
            let Some(found) = memchr2(b'"', b'\\', &text[self.at..]) else {
                self.at = text.len();
                return None;
            };
            self.at += found;
            if text[self.at] == b'"' {
                self.at += 1;
                self.in_string = false;
                return Some(());
            }
            // The letter behind the backslash belongs to it.
            if self.at + 1 == text.len() {
                return None;
            }
            self.at += 2;
        }
    }

    /// So many bytes in front of what is being read were taken out.
    fn moved_by(&mut self, taken: usize) {
        self.at -= taken;
        self.comma = self.comma.map(|comma| comma - taken);
    }
}

#[cfg(test)]
mod tests {
    use super::super::list;
    use super::*;

    fn sieved(body: &[u8], piece: usize, wanted: Wanted<'_>) -> Vec<u8> {
        let mut sieve = Unwanted::new(wanted);
        let mut left = Vec::new();
        for piece in body.chunks(piece) {
            left.extend_from_slice(piece);
            sieve.pass(&mut left);
        }
        left
    }

    /// A list that is beyond its beginning before `rest` comes.
    fn long(rest: &str) -> String {
        format!(r#"[{{"id":"0","slug":"first","name":"{}"}}{rest}"#, "x".repeat(BODY_LIMIT))
    }

    fn is_wanted(text: &str) -> bool {
        list::has_slug(text, "s")
    }

    #[test]
    fn what_nobody_wants_is_gone_however_the_bytes_are_split() {
        let body = long(
            r#", {"slug":"a","config":{"x":[{"slug":"s"}]}},7,{"id":"1","slug":"s"} ,{"slug":"}],\"\\","é":"\u00e9"},{"slug":"b"}]"#,
        );
        let expected = long(r#",7,{"id":"1","slug":"s"}]"#);
        let expected = expected.replace("\"} ,", "\"},").into_bytes();
        for piece in (1..40).chain([body.len()]) {
            let mut left = sieved(body.as_bytes(), piece, &is_wanted);
            left.retain(|byte| *byte != b' ');
            assert_eq!(left, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn the_rest_is_read_like_the_whole() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for rest in [
            r#",{"slug":"a"},{"slug":"s","id":"1"}]"#.to_owned(),
            r#",{"slug":"a"}"#.to_owned(),
            r#",{"slug":"a"},]"#.to_owned(),
            r#",{"slug":"a"}{"slug":"b"}]"#.to_owned(),
            r#",,{"slug":"a"}]"#.to_owned(),
            r#",{"slug":"a"}]]"#.to_owned(),
            r#",{"slug":"a",}]"#.to_owned(),
            r#",{"slug":"a"},{"slug":]"#.to_owned(),
            r#",{"slug":"a\]"#.to_owned(),
            r#",{"slug":"s"},{"slug":"\ud800"},{"slug":"a"}]"#.to_owned(),
            r#",{"slug":"a"}]"#.replace('a', "\u{0}"),
            format!(r#",{deep},{{"slug":"a"}},{{"slug":"s","config":{deep}}}]"#),
        ] {
            let list = long(&rest);
            let bare = list.trim_start_matches('[');
            for body in [
                list.clone(),
                format!(r#"{{"next_cursor":"c","workloads":{list},"total":[{{}},{{}}]}}"#),
                format!(
                    r#"{{"data":[{deep},{bare},"items":[{{}},{{"slug":"s"}}],"has_more":true}}"#
                ),
                format!(r#"{{"more":{list}}}"#),
                format!(r#"{{"workloads":{{"data":{list}}}}}"#),
            ] {
                let outcome = |body: &[u8]| {
                    let page = list::read(body, &is_wanted).ok()?;
                    Some((page.elements.join("\n"), format!("{:?}", page.rest)))
                };
                let left = sieved(body.as_bytes(), 4096, &is_wanted);
                assert_eq!(outcome(&left), outcome(body.as_bytes()), "{rest}");
            }
        }
    }

    #[test]
    fn the_beginning_is_quoted_by_errors_and_stays() {
        let body = format!("[{}", r#"{"slug":"a"},"#.repeat(BODY_LIMIT));
        let left = sieved(body.as_bytes(), 10_000, &is_wanted);
        assert!(left.len() < BODY_LIMIT + 100, "{}", left.len());
        assert_eq!(left[..BODY_LIMIT], body.as_bytes()[..BODY_LIMIT]);
    }

    #[test]
    fn a_workload_that_is_no_text_stays_to_be_refused() {
        let mut body = long(r#",{"slug":"?"},{"slug":"b"}]"#).into_bytes();
        let odd = body.iter().rposition(|byte| *byte == b'?').expect("a letter");
        body[odd] = 0xff;
        let left = sieved(&body, 4096, &is_wanted);
        assert!(left.contains(&0xff) && list::read(&left, &is_wanted).is_err());
    }
}
