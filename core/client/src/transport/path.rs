//! Path segments (wire.md 2.3).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{Error, code};

/// All but `A-Z a-z 0-9 - . _ ~`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `text` as one segment, percent-encoded exactly once from its UTF-8 bytes.
///
/// Refused: empty, `.`, `..`, a control character. The error is a `ConfigurationError` for `project`, a
/// `ValidationError` for every other `field`.
pub(crate) fn segment(field: &'static str, text: &str) -> Result<String, Error> {
    let problem = match text {
        "" => "is empty",
        "." | ".." => "is a relative path part",
        _ if text.chars().any(char::is_control) => "holds a control character",
        _ => return Ok(utf8_percent_encode(text, ESCAPED).to_string()),
    };
    let words = format!("`{field}` {problem}, so it cannot be part of an address");
    let error = match field {
        "project" => Error::configuration(code::CONFIGURATION, words).at(field),
        _ => Error::invalid(field, words),
    };
    Err(error.hint(format!("give `{field}` as the platform shows it")))
}

#[cfg(test)]
mod tests {
    use super::segment;
    use crate::error::Class;

    #[test]
    fn a_segment_is_encoded_exactly_once() {
        for (text, encoded) in [
            ("support-bot", "support-bot"),
            ("A.b_c~d", "A.b_c~d"),
            ("a/b", "a%2Fb"),
            ("50%", "50%25"),
            ("%2f", "%252f"),
            ("a b+c", "a%20b%2Bc"),
            ("ñ日", "%C3%B1%E6%97%A5"),
            ("...", "..."),
        ] {
            assert_eq!(segment("id", text).expect(text), encoded);
        }
    }

    #[test]
    fn what_could_leave_the_segment_is_refused() {
        for text in ["", ".", "..", "a\r\nb", "a\0b", "\u{85}"] {
            let id = segment("id", text).expect_err(text);
            assert_eq!((id.class, id.field.as_deref()), (Class::ValidationError, Some("id")));
            let project = segment("project", text).expect_err(text);
            assert_eq!(project.class, Class::ConfigurationError);
        }
    }
}
