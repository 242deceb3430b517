//! A list read as it arrives: elements that nobody wants leave the buffer at once, so that a project of any size takes no more
//! memory than its largest workload.
//!
//! Only an element that is an object, whole and readable goes, and with it the comma in front of it. What is left is the same
//! answer with fewer workloads: [`list`](super::list) reads it, and refuses what it would have refused in the whole. The
//! beginning stays as it came, because errors quote it.

use std::ops::Range;

use super::list::Wanted;
use super::walk::{Step, Walk};
use crate::error::answer::BODY_LIMIT;
use crate::transport::{BOM, Sieve, take_out};

/// Takes from a list what is not wanted.
pub(super) struct Unwanted<'a> {
    wanted: Wanted<'a>,
    walk: Walk,
    /// Where the element before ended, if this list has had an object. Odd elements in front of the first one decide what
    /// the answer is, so it stays.
    kept_to: Option<usize>,
}

impl<'a> Unwanted<'a> {
    pub(super) fn new(wanted: Wanted<'a>) -> Self {
        Self { wanted, walk: Walk::default(), kept_to: None }
    }

    /// Can the reader of lists do without this element?
    fn is_dross(&self, element: &[u8]) -> bool {
        element.starts_with(b"{")
            && std::str::from_utf8(element).is_ok_and(|text| !(self.wanted)(text))
    }

    /// An element and the comma in front of it, if they go.
    fn dross(&mut self, text: &[u8], element: Range<usize>) -> Option<Range<usize>> {
        let before = self.kept_to;
        if before.is_some() || text[element.start] == b'{' {
            self.kept_to = Some(element.end);
        }
        before
            .map(|end| end..element.end)
            .filter(|range| range.start >= BODY_LIMIT && self.is_dross(&text[element]))
    }
}

impl Sieve for Unwanted<'_> {
    fn begin(&mut self) {
        *self = Self::new(self.wanted);
    }

    fn pass(&mut self, text: &mut Vec<u8>) {
        if self.walk.at() == 0 && text.starts_with(BOM) {
            self.walk = Walk::from(BOM.len());
        }
        let mut dross: Vec<Range<usize>> = Vec::new();
        while let Some(step) = self.walk.step(text) {
            match step {
                Step::Element(element) => match (self.dross(text, element), dross.last_mut()) {
                    (Some(range), Some(last)) if last.end == range.start => last.end = range.end,
                    (range, _) => dross.extend(range),
                },
                Step::Key(_) | Step::Value => self.kept_to = None,
            }
        }
        let taken = take_out(text, &dross);
        self.walk.moved_by(taken);
        self.kept_to = self.kept_to.map(|end| end - taken);
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
        list::Sought::new("s").is_slug_of(text)
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
