//! An answer that calls itself an event stream and is none: the parser would take each of its lines for an unknown field.

use http::HeaderMap;

use super::WHAT_TO_CHECK;
use crate::error::{Error, answer};
use crate::secret::Secret;

/// Kept of such an answer, to be told.
const MOST_KEPT: usize = 64 << 10;

/// How a body begins, blanks left out, if that is like JSON or HTML. No field of an event begins so.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    kept: Vec<u8>,
    is_stream: bool,
}

impl Beginning {
    pub(super) fn feed(&mut self, piece: &[u8]) {
        if self.is_stream {
            return;
        }
        let piece = if self.kept.is_empty() { piece.trim_ascii_start() } else { piece };
        match self.kept.first().or(piece.first()) {
            None => {}
            Some(b'{' | b'<') => {
                let room = MOST_KEPT - self.kept.len();
                self.kept.extend_from_slice(&piece[..piece.len().min(room)]);
            }
            Some(_) => self.is_stream = true,
        }
    }

    /// What to tell of a stream that ended without an event; `None` if it was a stream.
    pub(super) fn told(&self, headers: &HeaderMap, key: &Secret) -> Option<Error> {
        let what = match self.kept.first()? {
            b'{' => "JSON",
            _ => "HTML",
        };
        let words = format!("the answer is labelled an event stream, but is {what}");
        answer::error_object(headers, &self.kept, &[key]).or_else(|| {
            let error = answer::unreadable(200, headers, &self.kept, &[key], &words);
            Some(error.hint(WHAT_TO_CHECK))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pieces: &[&str]) -> Option<String> {
        let mut beginning = Beginning::default();
        pieces.iter().for_each(|piece| beginning.feed(piece.as_bytes()));
        let error = beginning.told(&HeaderMap::new(), &Secret::new("ik_live_own"))?;
        Some(format!("{}: {}", error.code, error.words))
    }

    #[test]
    fn only_what_begins_like_json_or_html_is_no_stream() {
        let is = |what| {
            Some(format!("protocol_error: the answer is labelled an event stream, but is {what}"))
        };
        for (pieces, expected) in [
            (&["<html>"] as &[&str], is("HTML")),
            (&["\r\n", " <", "html>"], is("HTML")),
            (&["{}"], is("JSON")),
            (&["{\"error\":", "\"overloaded\"}"], Some("http_error: overloaded".to_owned())),
            (&["data: {}"], None),
            (&["d", "{}"], None),
            (&[": <"], None),
            (&["\n\n"], None),
            (&[], None),
        ] {
            assert_eq!(told(pieces), expected, "{pieces:?}");
        }
    }
}
