//! Text from outside made fit for one line: nothing in it can forge a log line or drive a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes control characters, line separators and the controls of writing direction; the rest stays.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            _ if c.is_control() => push_escape(&mut line, format_args!("\\x{:02x}", u32::from(c))),
            _ if is_line_or_direction_control(c) => {
                push_escape(&mut line, format_args!("\\u{{{:04x}}}", u32::from(c)));
            }
            _ => line.push(c),
        }
    }
    Cow::Owned(line)
}

fn push_escape(line: &mut String, escape: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = line.write_fmt(escape);
}

/// Line and paragraph separator, and the bidi controls: they reorder what a reader sees.
fn is_line_or_direction_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most `limit` bytes, cut between characters; a cut shows as `…`.
pub(super) fn cut(text: &str, limit: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = limit.saturating_sub(MARK.len());
    let end = (0..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}{MARK}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::{cut, one_line};

    #[test]
    fn what_could_forge_a_line_is_escaped() {
        for (text, line) in [
            ("plain ñ 日本 …", "plain ñ 日本 …"),
            ("a\r\nb\tc", r"a\r\nb\tc"),
            ("\u{1b}[31mred\u{0}\u{7f}", r"\x1b[31mred\x00\x7f"),
            ("\u{85}\u{9b}31m", r"\x85\x9b31m"),
            ("a\u{202e}b\u{2066}c\u{200f}\u{61c}", r"a\u{202e}b\u{2066}c\u{200f}\u{061c}"),
            ("a\u{2028}b\u{2029}", r"a\u{2028}b\u{2029}"),
        ] {
            assert_eq!(one_line(text), line);
        }
    }

    #[test]
    fn a_cut_is_between_characters_and_within_the_limit() {
        for (text, limit, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "…"),
            ("abcdef", 5, "ab…"),
            ("日本語", 8, "日…"),
            ("ab", 0, "…"),
        ] {
            assert_eq!(cut(text, limit), expected);
        }
    }
}
