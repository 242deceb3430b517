//! Walks over the text of a list of workloads (wire.md 2.5), which may come in pieces, and checks that it is JSON: where are the
//! elements, in the answer itself or in a list under one of its keys?
//!
//! It builds nothing and remembers only what is open and one element to compare the next ones [with](super::alike), so that to
//! look for one workload costs little more than to read the bytes. It does not say what is wrong with a text that is no JSON:
//! [`serde_json`] can.

use std::ops::Range;

use super::alike::Model;

/// A byte is remembered of each bracket that is open, and hosts are not to run out of memory. Odd siblings of a workload may be
/// nested deeper than what anybody reads.
pub(super) const MOST_OPEN: usize = 1 << 16;

/// What has been passed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// An element.
    Element(Range<usize>),
    /// A key of the answer, with its quotes.
    Key(Range<usize>),
    /// The value of the key before; it ends where the walk [is](Walk::at).
    Value,
}

/// What may come next.
#[derive(Debug, Clone, Copy, Default)]
enum Next {
    #[default]
    Value,
    /// Behind `[`.
    ValueOrEnd,
    Key,
    /// Behind `{`.
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    /// The rest of a key or of a string.
    KeyText,
    Text,
    /// The rest of a number.
    Digits(Digits),
    /// Behind the answer: blanks.
    Blank,
    /// It is no JSON, and nothing that comes can mend it.
    Nothing,
}

/// The part of a number that was passed last.
#[derive(Debug, Clone, Copy)]
enum Digits {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

/// How far a text has been passed.
#[derive(Debug, Default)]
pub(super) struct Walk {
    at: usize,
    next: Next,
    /// The brackets that are open.
    open: Vec<u8>,
    /// Where the element or key begins that is being passed.
    start: usize,
    /// The last element that was passed letter by letter.
    model: Model,
}

impl Walk {
    /// A walk that begins at `at`.
    pub(super) fn from(at: usize) -> Self {
        Self { at, ..Self::default() }
    }

    /// All in front of it has been passed.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Was that a whole JSON text?
    pub(super) fn is_over(&self) -> bool {
        matches!(self.next, Next::Blank)
    }

    /// Did it end because more than [`MOST_OPEN`] brackets were open?
    pub(super) fn is_too_deep(&self) -> bool {
        self.open.len() > MOST_OPEN
    }

    /// So many bytes were taken out in front of the element that is being passed.
    pub(super) fn moved_by(&mut self, taken: usize) {
        self.at -= taken;
        self.start = self.start.saturating_sub(taken);
    }

    /// Goes on to the next step; `None` where the text ends, or is no JSON.
    pub(super) fn step(&mut self, text: &[u8]) -> Option<Step> {
        loop {
            let byte = *text.get(self.at)?;
            let step = match (self.next, byte) {
                (Next::Text, _) => {
                    self.pass_text(text)?;
                    self.ended()
                }
                (Next::KeyText, _) => {
                    self.pass_text(text)?;
                    self.key_ended()
                }
                (Next::Digits(digits), _) => self.pass_digit(digits, byte),
                (Next::Nothing, _) => return None,
                (_, b' ' | b'\n' | b'\r' | b'\t') => self.go_on(self.next),
                (Next::Colon, b':') => self.go_on(Next::Value),
                (Next::CommaOrEnd, b',') if self.open.last() == Some(&b'{') => {
                    self.go_on(Next::Key)
                }
                (Next::CommaOrEnd, b',') => self.go_on(Next::Value),
                (Next::Key | Next::KeyOrEnd, b'"') => {
                    self.start_if(self.open.len() == 1);
                    self.go_on(Next::KeyText)
                }
                (Next::KeyOrEnd | Next::CommaOrEnd, b'}') => {
                    let step = self.close(b'{');
                    if let Some(Step::Element(range)) = &step {
                        self.model.set(&text[range.clone()]);
                    }
                    step
                }
                (Next::ValueOrEnd | Next::CommaOrEnd, b']') => self.close(b'['),
                (Next::Value | Next::ValueOrEnd, _) => self.pass_value(text, byte)?,
                _ => self.give_up(),
            };
            if step.is_some() {
                return step;
            }
        }
    }

    fn go_on(&mut self, next: Next) -> Option<Step> {
        self.at += 1;
        self.next = next;
        None
    }

    fn give_up(&mut self) -> Option<Step> {
        self.next = Next::Nothing;
        None
    }

    fn start_if(&mut self, is_told: bool) {
        if is_told {
            self.start = self.at;
        }
    }

    /// Is what stands here an element?
    fn is_in_list(&self) -> bool {
        matches!(self.open[..], [b'['] | [b'{', b'['])
    }

    fn close(&mut self, opening: u8) -> Option<Step> {
        if self.open.pop() != Some(opening) {
            return self.give_up();
        }
        self.at += 1;
        self.ended()
    }

    fn ended(&mut self) -> Option<Step> {
        self.next = if self.open.is_empty() { Next::Blank } else { Next::CommaOrEnd };
        match self.open[..] {
            [b'{'] => Some(Step::Value),
            _ => self.is_in_list().then_some(Step::Element(self.start..self.at)),
        }
    }

    fn key_ended(&mut self) -> Option<Step> {
        self.next = Next::Colon;
        (self.open.len() == 1).then_some(Step::Key(self.start..self.at))
    }

    /// A value's first letter, or the whole of it; `None` where more of the text is needed.
    fn pass_value(&mut self, text: &[u8], first: u8) -> Option<Option<Step>> {
        let is_element = self.is_in_list();
        self.start_if(is_element);
        if is_element
            && first == b'{'
            && let Some(length) = self.model.length_of(&text[self.at..])
        {
            self.at += length;
            return Some(self.ended());
        }
        let next = match first {
            b'"' => Next::Text,
            b'{' => Next::KeyOrEnd,
            b'[' => Next::ValueOrEnd,
            b'-' => Next::Digits(Digits::Minus),
            b'0' => Next::Digits(Digits::Zero),
            b'1'..=b'9' => Next::Digits(Digits::Whole),
            b'n' => return self.pass_word(text, b"null"),
            b't' => return self.pass_word(text, b"true"),
            b'f' => return self.pass_word(text, b"false"),
            _ => return Some(self.give_up()),
        };
        if let b'{' | b'[' = first {
            self.open.push(first);
            if self.is_too_deep() {
                return Some(self.give_up());
            }
        }
        Some(self.go_on(next))
    }

    fn pass_word(&mut self, text: &[u8], word: &[u8]) -> Option<Option<Step>> {
        let rest = &text[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            return Some(self.ended());
        }
        if word.starts_with(rest) { None } else { Some(self.give_up()) }
    }

    fn pass_digit(&mut self, before: Digits, byte: u8) -> Option<Step> {
        use Digits::{E, Exponent, Fraction, Minus, Point, Sign, Whole, Zero};
        let digits = match (before, byte) {
            (Minus, b'0') => Zero,
            (Minus, b'1'..=b'9') | (Whole, b'0'..=b'9') => Whole,
            (Zero | Whole, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Whole | Fraction, b'e' | b'E') => E,
            (E, b'+' | b'-') => Sign,
            (E | Sign | Exponent, b'0'..=b'9') => Exponent,
            (Zero | Whole | Fraction | Exponent, _) => return self.ended(),
            _ => return self.give_up(),
        };
        self.go_on(Next::Digits(digits))
    }

    /// Goes behind the closing quote; `None` if that is not here yet, or if the string is none.
    fn pass_text(&mut self, text: &[u8]) -> Option<()> {
        loop {
            self.at += plain_length(&text[self.at..]);
            let rest = &text[self.at..];
            self.at += match *rest.first()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => match *rest.get(1)? {
                    b'u' if rest.get(2..6)?.iter().all(u8::is_ascii_hexdigit) => 6,
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                    _ => {
                        self.give_up();
                        return None;
                    }
                },
                _ => {
                    self.give_up();
                    return None;
                }
            };
        }
    }
}

/// How many letters there are in front of the first quote, backslash or control character. Most strings are short, so
/// this looks at eight letters at once, and not at more.
pub(super) fn plain_length(text: &[u8]) -> usize {
    let (words, _) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special_letters(u64::from_le_bytes(*word));
        if special != 0 {
            return 8 * index + special.trailing_zeros() as usize / 8;
        }
    }
    let rest = 8 * words.len();
    let special = text[rest..].iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '));
    special.map_or(text.len(), |at| rest + at)
}

/// Marks the first special letter by the highest bit of its byte, and perhaps letters behind it: a borrow of the
/// subtraction goes only there.
fn special_letters(letters: u64) -> u64 {
    const EACH: u64 = u64::MAX / 255;
    let is = |letter: u8| {
        let zero = letters ^ (EACH * u64::from(letter));
        zero.wrapping_sub(EACH) & !zero
    };
    let is_control = letters.wrapping_sub(EACH * u64::from(b' ')) & !letters;
    (is(b'"') | is(b'\\') | is_control) & (EACH << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps in the text's own words, and whether it was JSON.
    fn steps(text: &[u8], piece: usize) -> (Vec<String>, bool) {
        let (mut walk, mut steps) = (Walk::default(), Vec::new());
        for end in (0..text.len()).step_by(piece).skip(1).chain([text.len()]) {
            while let Some(step) = walk.step(&text[..end]) {
                let words =
                    |range: Range<usize>| String::from_utf8_lossy(&text[range]).into_owned();
                steps.push(match step {
                    Step::Element(range) => words(range),
                    Step::Key(range) => words(range) + ":",
                    Step::Value => format!("-{}", walk.at()),
                });
            }
        }
        (steps, walk.is_over())
    }

    #[test]
    fn elements_and_keys_are_told_however_the_text_is_split() {
        for (text, expected) in [
            ("[]", &[][..]),
            ("null ", &[]),
            (
                r#" [ 1 ,"a]\"",{"b":[2]},[3 ],-0.5e+7,null]"#,
                &["1", r#""a]\"""#, r#"{"b":[2]}"#, "[3 ]", "-0.5e+7", "null"],
            ),
            (
                r#"{"a":[{"b":[]},2],"c":{"d":[3]},"e":4}"#,
                &[r#""a":"#, r#"{"b":[]}"#, "2", "-17", r#""c":"#, "-31", r#""e":"#, "-37"],
            ),
        ] {
            for piece in 1..=text.len() {
                let (found, is_over) = steps(text.as_bytes(), piece);
                assert!(found == expected && is_over, "{text} by {piece}: {found:?}");
            }
        }
    }

    /// Each of these texts, and each with one letter of it changed, put in or left out.
    #[test]
    fn what_is_json_is_what_serde_json_takes() {
        let letters = b"\"\\/{}[]:,019-+.eEutnfa \n\t\x00\x1f\x7f\xc3\xa9";
        for text in [
            r#"[{"a":[1,-2.50e-3,0,10],"b":{"c":null,"d":true}},false,"xyz"]"#,
            r#"{"k":"a long text, and \"\\\/\b\f\n\r\t\u00e9\ud800\uDFFF, in it","e":[[],{}]}"#,
            "[\"\u{e9}\u{20ac}\u{1f600} in eight letters\"]",
            "[1E5,1e+5,0.0,-0,[ ],{ },\"\"]",
            r#"[{"a":"x","b":[1]},{"a":"yy","b":[1]},{"a":"","b":[1]}]"#,
        ] {
            for at in 0..text.len() {
                for letter in letters {
                    for (more, end) in [(&[*letter][..], at + 1), (&[*letter], at), (&[], at + 1)] {
                        let odd = [&text.as_bytes()[..at], more, &text.as_bytes()[end..]].concat();
                        let Ok(odd) = std::str::from_utf8(&odd) else { continue };
                        let expected = serde_json::from_str::<serde::de::IgnoredAny>(odd).is_ok();
                        for piece in [3, odd.len()] {
                            assert_eq!(steps(odd.as_bytes(), piece).1, expected, "{odd}");
                        }
                    }
                }
            }
        }
    }
}
