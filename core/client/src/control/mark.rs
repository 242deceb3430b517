//! The mark of an ephemeral workload, which proves who created it even where the answer to the create never arrived.
//!
//! It stands at the end of the description, where people see it too: `nightly batch [ephemeral 6f1c…]`. To the rules of
//! drift it is no part of the description.

use crate::error::Error;

const BEGIN: &str = "[ephemeral ";
const END: char = ']';
/// Random enough that nobody else has the same one.
const DIGITS: usize = 32;

/// Random hexadecimal digits, made by whoever creates the workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark(String);

impl Mark {
    /// Takes 32 lower-case hexadecimal digits; `ValidationError` about `field` for anything else.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, Error> {
        if is_mark(text) {
            return Ok(Self(text.to_owned()));
        }
        let words = format!("`{field}` must be {DIGITS} lower-case hexadecimal digits");
        Err(Error::invalid(field, words).hint("make one from 16 random bytes"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The description with the mark behind it.
    pub(crate) fn append_to(&self, description: &str) -> String {
        let gap = if description.is_empty() { "" } else { " " };
        format!("{description}{gap}{BEGIN}{}{END}", self.0)
    }

    /// Does the description end with this mark?
    pub(crate) fn is_on(&self, description: &str) -> bool {
        split(description).1 == Some(&self.0)
    }
}

/// The description without the mark of an ephemeral workload, if it ends with one.
pub(crate) fn unmarked(description: &str) -> &str {
    split(description).0
}

fn split(description: &str) -> (&str, Option<&str>) {
    let inside = description.trim_end().strip_suffix(END);
    match inside.and_then(|text| text.rsplit_once(BEGIN)) {
        Some((words, mark)) if is_mark(mark) => {
            (words.strip_suffix(' ').unwrap_or(words), Some(mark))
        }
        _ => (description, None),
    }
}

fn is_mark(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_mark_comes_off_as_it_went_on() {
        let mark = Mark::parse("mark", MARK).expect("a mark");
        for description in ["", "nightly", "two words ", " ", "[ephemeral x]", "é]"] {
            let marked = mark.append_to(description);
            assert!(mark.is_on(&marked), "{marked}");
            assert!(mark.is_on(&format!("{marked}\n")), "{marked}");
            assert_eq!(unmarked(&marked), description);
        }
        assert_eq!(mark.append_to("a b"), format!("a b [ephemeral {MARK}]"));
    }

    #[test]
    fn only_the_very_mark_at_the_end_is_proof() {
        let mark = Mark::parse("mark", MARK).expect("a mark");
        let other = MARK.replace('0', "1");
        for description in [
            String::new(),
            MARK.to_owned(),
            format!("[ephemeral {MARK}"),
            format!("ephemeral {MARK}]"),
            format!("[ephemeral {MARK}] and more"),
            format!("[ephemeral {other}]"),
            format!("[ephemeral {MARK}] [ephemeral {other}]"),
            format!("[ephemeral {}]", MARK.to_uppercase()),
            format!("[ephemeral {}]", &MARK[1..]),
        ] {
            assert!(!mark.is_on(&description), "{description}");
        }
    }

    #[test]
    fn what_is_no_mark_is_refused() {
        for text in
            ["", "x", &MARK[1..], &MARK.to_uppercase(), &format!("{MARK}0"), &"é".repeat(16)]
        {
            let error = Mark::parse("only.mark", text).expect_err(text);
            assert_eq!(error.field.as_deref(), Some("only.mark"), "{text}");
        }
    }
}
